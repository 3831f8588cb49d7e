"""What a challenger has to show beside its loss: rows nobody trained on, no leak, finite answers, bearable costs."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.spec.gate_sections import Cost, WorstSlice
from airflow_mlops.stages.evaluate.cost import cost_checks
from airflow_mlops.stages.evaluate.evaluation import decide, evaluate
from airflow_mlops.stages.evaluate.evidence import Costs, Evidence, Origin, TrainedOn
from airflow_mlops.stages.evaluate.page import render
from airflow_mlops.stages.evaluate.plots import draw
from airflow_mlops.stages.evaluate.predictions import Predictions
from airflow_mlops.stages.evaluate.provenance import gain_check, reference_loss
from airflow_mlops.stages.evaluate.sanity import sanity_checks
from airflow_mlops.stages.evaluate.single_column import alone
from airflow_mlops.stages.evaluate.slices import slices_of
from airflow_mlops.stages.features import build_features
from airflow_mlops.stages.fingerprints import fingerprints, identity_columns
from airflow_mlops.stages.train import train
from tests.conftest import utc
from tests.stages.test_training_set import make_spec

START = utc("2024-01-01")
COLUMNS = ["x", "city"]
ONCE = {"log_loss": 0.5, "baseline_log_loss": 0.7}


def rows_of(n, seed, *, start=START):
    """Return rows whose target hangs on x and on chance."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    target = (x + rng.normal(size=n) > 0).astype(int)
    times = [start + timedelta(minutes=24 * index) for index in range(n)]
    return pd.DataFrame(
        {"t": times, "id": np.arange(n) + 10_000 * seed, "x": x, "city": rng.choice(["a", "b"], n), "y": target}
    )


def spec_of(columns=COLUMNS, **gate):
    section = {"holdout": "10d", "gate": {"block": None, "margin": 0.1, **gate}}
    return make_spec(features={"columns": list(columns)}, train={"estimator": "linear"}, evaluate=section)


def fit(rows, spec):
    matrix = build_features(rows, spec=spec)
    return train(matrix.frame.assign(y=rows["y"].to_numpy()), transformer=matrix.transformer, spec=spec)


def origin(rows, spec, **known):
    columns = identity_columns(spec)
    seen = TrainedOn(tuple(columns), np.unique(fingerprints(rows, columns)))
    return Origin(rows=len(rows), trained_on=(seen,), columns=frozenset(spec.features.columns), **known)


@pytest.fixture(scope="module")
def game():
    """A champion, an honest challenger and held-out rows of one world."""
    spec = spec_of()
    first, second = rows_of(800, 1, start=utc("2023-01-01")), rows_of(800, 2, start=utc("2023-06-01"))
    return spec, (first, fit(first, spec)), (second, fit(second, spec)), rows_of(600, 3)


def judged(game, holdout=None, *, challenger=None, champion=None, made=None, spec=None):
    """Judge what is given against the champion, with all that is known of both."""
    own, (first, serving), (second, other), rows = game
    made = made or other
    return decide(
        rows if holdout is None else holdout,
        challenger=made.model,
        baseline=made.baseline,
        champion=serving.model,
        spec=spec or own,
        holdout_start=START,
        evidence=Evidence(challenger or origin(second, own), champion or origin(first, own, metrics=ONCE)),
    )


def check_of(decision, name):
    return next(check for check in decision.gate.checks if check.name == name)


def test_an_honest_challenger_passes_every_check(game):
    found = judged(game)

    assert {check.verdict for check in found.gate.checks if check.name != "champion"} == {"pass"}
    assert {"seen", "rows", "gain", "leak", "coverage", "constant", "classes", "worst slice"} <= {
        check.name for check in found.gate.checks
    }


# Rows that a model has trained on


def test_a_challenger_fitted_to_the_held_out_rows_fails_and_no_row_is_left(game):
    spec, holdout = game[0], game[3]
    found = judged(game, made=fit(holdout, spec), challenger=origin(holdout, spec))

    assert (found.gate.verdict, found.judged) == ("fail", None)
    assert "it has trained on 600 of 600 held-out rows" in found.gate.reasons[0]


def test_rows_the_champion_has_trained_on_are_left_out_and_counted(game):
    spec, (first, _), _, holdout = game
    found = judged(game, champion=origin(pd.concat([first, holdout.head(50)]), spec))

    assert len(found.judged.target) == 550
    assert found.seen.to_dict() == {"held_out": 600, "challenger": 0, "champion": 50}
    assert "50 of 600 held-out rows were left out, because the champion has trained on them" in found.notes


def test_too_few_rows_that_nobody_trained_on_are_not_enough_labels(game):
    spec, (first, _), _, holdout = game
    found = judged(game, champion=origin(pd.concat([first, holdout.head(500)]), spec))

    assert found.gate.verdict == "not enough labels"


def test_every_member_of_a_committee_counts(game):
    spec, _, (second, _), holdout = game
    both = origin(second, spec).trained_on + origin(holdout.head(60), spec).trained_on
    found = judged(game, challenger=Origin(rows=800, trained_on=both))

    assert check_of(found, "seen").verdict == "fail"
    assert found.seen.challenger == 60


def test_without_fingerprints_times_tell_and_the_verdict_says_so(game):
    until = START + timedelta(minutes=24 * 100)
    found = judged(game, champion=Origin(rows=800, trained_on=(TrainedOn(until=until),)))

    assert found.seen.champion == 100
    assert "which rows the champion has trained on is told by their times alone" in found.notes[1]


def test_a_row_keeps_its_fingerprint_through_files_and_other_types(tmp_path):
    rows = rows_of(50, 4).assign(n=pd.Series([1, None] * 25), flag=[True, False] * 25)
    rows.to_parquet(tmp_path / "rows.parquet")
    again = pd.read_parquet(tmp_path / "rows.parquet")[["flag", "n", "city", "x", "id", "t"]]
    again = again.astype({"city": "category", "id": "float64", "n": "Int64"}).assign(t=again["t"].dt.as_unit("ms"))
    names = ["t", "id", "x", "city", "n", "flag"]

    plain = fingerprints(rows.assign(t=pd.to_datetime(rows["t"])), names)

    assert (plain == fingerprints(again, names)).all()
    assert len(set(plain)) == 50


# Where strength comes from


def test_a_challenger_trained_on_a_handful_of_rows_fails(game):
    spec, (first, _), (second, made), _ = game
    found = judged(game, made=made, challenger=origin(second.head(10), spec), champion=origin(first, spec))

    assert check_of(found, "rows").verdict == "fail"
    assert "it was trained on 10 rows, the champion on 800" in found.gate.reasons[0]


@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_a_new_column_that_knows_the_answer_is_named(game, noise):
    spec, _, (second, _), holdout = game
    leaking = spec_of([*COLUMNS, "paid_back"])
    rng = np.random.default_rng(5)
    known, asked = (rows.assign(paid_back=rows["y"] + rng.normal(0, noise, len(rows))) for rows in (second, holdout))
    found = judged(game, asked, made=fit(known, leaking), spec=leaking, challenger=origin(known, spec))

    leak = check_of(found, "leak")
    assert (leak.verdict, leak.detail["column"]) == ("fail", "paid_back")
    assert "column paid_back alone predicts" in leak.sentence


def test_a_first_version_with_a_copy_of_the_target_fails():
    spec = spec_of(["x", "copy"])
    known, asked = (rows_of(600, seed).assign(copy=lambda rows: rows["y"] * 2.0) for seed in (1, 2))
    made = fit(known, spec)
    found = decide(
        asked, challenger=made.model, baseline=made.baseline, champion=None, spec=spec, holdout_start=START,
        evidence=Evidence(),
    )  # fmt: skip

    assert check_of(found, "leak").detail["column"] == "copy"
    assert found.gate.verdict == "fail"


def test_a_gain_that_is_too_good_fails_unless_the_champion_has_grown_old():
    losses = {"challenger": np.full(100, 0.2), "champion": np.full(100, 0.6), "baseline": np.full(100, 0.7)}
    fresh = {"log_loss": 0.6, "baseline_log_loss": 0.7}
    once_good = {"log_loss": 0.2, "baseline_log_loss": 0.7}

    too_good = gain_check(losses, fresh, metric="log_loss", most=0.5)
    stale = gain_check(losses, once_good, metric="log_loss", most=0.5)

    assert (too_good.verdict, stale.verdict) == ("fail", "pass")
    assert "67% below the champion's 0.6000, more than evaluate.gate.max_gain believes (50%)" in too_good.sentence


def test_a_champion_behind_the_baseline_is_measured_by_the_baseline():
    assert reference_loss({"champion": 3.0, "baseline": 1.0, "challenger": 0.6}, {}, "log_loss") == 1.0


@pytest.mark.parametrize("kind", ["number", "text"])
def test_a_column_alone_predicts_what_it_knows_and_no_more(kind):
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 1000)
    knows, noise = pd.Series(target), pd.Series(rng.integers(0, 2, 1000))
    if kind == "text":
        knows, noise = knows.map(str), noise.map(str)

    assert alone(knows, target, metric="log_loss", classes=(0, 1)) < 0.01
    assert alone(noise, target, metric="log_loss", classes=(0, 1)) == pytest.approx(np.log(2), abs=0.02)


def test_a_copy_of_a_number_that_rises_is_followed_beyond_what_was_seen():
    target = np.sort(np.random.default_rng(0).exponential(size=500))

    assert alone(pd.Series(target * 3), target, metric="mean_absolute_error", classes=()) < 0.01


# Answers, slices and costs


def said(*positive):
    shares = np.array(positive)
    return Predictions((shares > 0.5).astype(int), (0, 1), np.column_stack([1 - shares, shares]))


@pytest.mark.parametrize(
    ("answers", "failed", "words"),
    [
        (said(0.2, np.nan, 0.4, 0.3), "coverage", "3 of 4 held-out rows get a finite answer"),
        (said(0.3, 0.3, 0.3, 0.3), "constant", "answers to 4 rows are the same"),
        (said(0.2, 0.9, 0.4, 0.3), "classes", r"it can answer 1 of the 2 classes that happened; not 1 \(2 rows\)"),
    ],
)
def test_answers_that_are_none_are_refused(answers, failed, words):
    target, known = np.array([0, 1, 1, 0]), (0,) if failed == "classes" else (0, 1)
    checks = sanity_checks(answers, target, coverage=0.99, known=known)

    [found] = [check for check in checks if check.verdict == "fail"]
    assert found.name == failed
    assert pd.Series([found.sentence]).str.contains(words)[0]


def test_a_class_that_the_champion_cannot_name_either_is_no_loss():
    checks = sanity_checks(said(0.1, 0.2), np.array([0, 1]), coverage=0.9, known=(0,), champion_known=(0,))

    assert {check.verdict for check in checks} == {"pass"}


def test_the_few_rows_without_an_answer_count_as_the_baseline(game):
    class Silent:
        classes_ = np.array([0, 1])

        def __init__(self, model):
            self.model = model

        def predict(self, rows):
            return self.model.predict(rows)

        def predict_proba(self, rows):
            given = self.model.predict_proba(rows)
            given[:3] = np.nan
            return given

    made = game[2][1]
    found = evaluate(game[3], challenger=Silent(made.model), baseline=made.baseline, spec=game[0], holdout_start=START)

    assert found.gate.verdict == "pass"
    assert "597 of 600 held-out rows get a finite answer; the others count" in next(
        check.sentence for check in found.gate.checks if check.name == "coverage"
    )


def test_slices_are_values_parts_of_numbers_and_their_pairs():
    rows = pd.DataFrame({"city": ["a", "b", None, "a"] * 50, "x": np.arange(200.0)})
    found = slices_of(rows, ["city", "x"], WorstSlice(min_rows=20, bins=2))

    assert found["city = a"].sum() == 100
    assert found["city is null"].sum() == 50
    assert found["city = a and x < 99.5"].sum() == 50
    assert all(20 <= mask.sum() < 200 for mask in found.values())


def test_costs_are_ratios_above_a_floor():
    champion = Costs(latency_ms=1.0, memory_mb=100, size_mb=5)
    small = {"challenger": Costs(1.9, 90, 4), "champion": champion}
    slow = {"challenger": Costs(40.0, 90, None), "champion": champion}

    assert {check.verdict for check in cost_checks(small, Cost())} == {"pass"}
    latency, memory = cost_checks(slow, Cost())
    assert (latency.verdict, latency.value, memory.verdict) == ("fail", 20.0, "pass")
    assert "more than 3 times as much (evaluate.gate.cost.latency)" in latency.sentence
    assert cost_checks({"challenger": champion}, Cost()) == []


def test_the_page_shows_every_check_and_a_picture_of_them(game):
    spec, (first, serving), (second, made), holdout = game
    found = evaluate(
        holdout, challenger=made.model, baseline=made.baseline, champion=serving.model, spec=spec, holdout_start=START,
        evidence=Evidence(origin(second, spec), origin(first, spec)),
    )  # fmt: skip
    page = render(found, draw(found, "binary"), title="tiny", facts=[])

    assert page.count('class="mark') == len(found.gate.checks)
    assert "<td>worst slice</td>" in page
    assert 'alt="Checks against their limits"' in page


def test_a_page_without_a_row_to_judge_on_still_says_why(game):
    spec, _, (_, made), holdout = game
    found = evaluate(
        holdout, challenger=made.model, baseline=made.baseline, spec=spec, holdout_start=START,
        evidence=Evidence(origin(holdout, spec)),
    )  # fmt: skip

    page = render(found, draw(found, "binary"), title="tiny", facts=[])

    assert "none of the 600 held-out rows is left" in page
    assert found.metrics() == {}
