"""Behaviour cases beside a spec: read with line numbers, and asked of a model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.errors import SpecError
from airflow_mlops.spec.behaviour_file import lint_behaviour, load_behaviour
from airflow_mlops.stages.evaluate.behaviour import behaviour_checks

COLUMNS = ["delay", "city"]
CASES = """\
invariance:
  - name: the city does not matter
    change: {city: [a, b]}
direction:
  - name: a longer delay is never less likely to be late
    column: delay
    by: 5
known:
  - name: an hour late is late
    row: {delay: 60, city: a}
    answer: 1
    at_least: 0.9
"""


class Model:
    """Says how late it gets from the delay, and from the city where it is told to."""

    classes_ = np.array([0, 1])

    def __init__(self, city=0.0, slope=0.1):
        self.city, self.slope = city, slope

    def predict(self, rows):
        return (self.predict_proba(rows)[:, 1] > 0.5).astype(int)

    def predict_proba(self, rows):
        score = self.slope * rows["delay"].to_numpy(dtype=float) + self.city * (rows["city"] == "a").to_numpy()
        late = 1 / (1 + np.exp(-score))
        return np.column_stack([1 - late, late])


@pytest.fixture
def cases(tmp_path):
    file = tmp_path / "behaviour.yaml"
    file.write_text(CASES)
    return load_behaviour(file, COLUMNS)


def asked(model, cases):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"delay": rng.integers(-10, 30, 200), "city": rng.choice(["a", "b"], 200)})
    checks = behaviour_checks(model, rows, cases, columns=COLUMNS, classes=(0, 1))
    return {check.name.removeprefix("behaviour: "): check for check in checks}


def test_a_model_that_behaves_passes_each_case(cases):
    found = asked(Model(), cases)

    assert [check.verdict for check in found.values()] == ["pass", "pass", "pass"]
    assert "the answer is 1 (0.9975)" in found["an hour late is late"].sentence


@pytest.mark.parametrize(
    ("model", "case", "words"),
    [
        (Model(city=1.0), "the city does not matter", "answers move by no more than 0.01 when city changes"),
        (Model(slope=-0.1), "a longer delay is never less likely to be late", "0 of 200 answers do not fall"),
        (Model(slope=0.001), "an hour late is late", "0.515 is below 0.9"),
    ],
)
def test_the_case_that_a_model_breaks_is_named_with_numbers(cases, model, case, words):
    broken = asked(model, cases)[case]

    assert broken.verdict == "fail"
    assert words in broken.sentence


def test_a_model_that_refuses_the_rows_of_a_case_fails_it(cases):
    class Fussy(Model):
        def predict_proba(self, rows):
            if len(rows) == 1:
                raise ValueError("one row is not enough")
            return super().predict_proba(rows)

    broken = asked(Fussy(), cases)["an hour late is late"]

    assert broken.verdict == "fail"
    assert "the challenger refuses the rows of this case (ValueError: one row is not enough)" in broken.sentence


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (CASES.replace("column: delay", "column: dellay"), 6, "found 'dellay', expected one of features.columns"),
        (CASES.replace("by: 5", "by: 0"), 5, "'by' is 0, which moves nothing"),
        (CASES.replace("    answer: 1\n    at_least: 0.9\n", ""), 9, "there is nothing to check"),
        (CASES.replace("direction:", "directions:"), 4, "Extra inputs"),
    ],
)
def test_a_fault_in_the_file_is_found_where_it_stands(tmp_path, text, line, words):
    file = tmp_path / "behaviour.yaml"
    file.write_text(text)

    [finding] = lint_behaviour(file, COLUMNS)

    assert (finding.line, words in finding.message) == (line, True), finding
    with pytest.raises(SpecError, match=r"behaviour\.yaml"):
        load_behaviour(file, COLUMNS)
