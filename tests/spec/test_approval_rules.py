"""Rules over who has to approve, and over sensitive columns that the model takes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from airflow_mlops.errors import SpecError
from airflow_mlops.spec import load_spec
from airflow_mlops.spec.lint import lint
from tests.conftest import ROOT

FLIGHTS = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())
TAKEN = {
    "data": {"sensitive": ["dest"]},
    "features": {"sensitive": {"dest": "where it goes says how long it is in the air"}},
    "approval": {"needs": ["sensitive_columns"]},
}


@pytest.fixture
def write(tmp_path):
    """Write the flights spec with keys of sections changed."""
    (tmp_path / "flights.suite.yaml").write_text((ROOT / "dags" / "specs" / "flights.suite.yaml").read_text())

    def spec_file(**sections: dict[str, Any]):
        changed = {name: {**FLIGHTS.get(name, {}), **keys} for name, keys in sections.items()}
        path = tmp_path / "flights.yaml"
        path.write_text(yaml.safe_dump({**FLIGHTS, **changed}))
        return path

    return spec_file


def test_a_sensitive_column_may_be_a_feature_with_a_reason_and_a_person(write):
    assert load_spec(write(**TAKEN)).features.sensitive == TAKEN["features"]["sensitive"]


def test_groups_of_fairness_may_be_sensitive_and_no_features(write):
    fairness = {**FLIGHTS["evaluate"], "gate": {"block": "1d", "fairness": {"columns": ["age"]}}}

    assert load_spec(write(data={"sensitive": ["age"]}, evaluate=fairness)).evaluate.gate.fairness.columns == ["age"]


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        pytest.param(
            {"data": {"sensitive": ["dest"]}},
            r"\d+:\d+: error: features\.columns\[2\]: 'dest' is in data\.sensitive; leave it out, or say in features\.",
            id="without a reason",
        ),
        pytest.param(
            {**TAKEN, "features": {"sensitive": {"dest": "  "}}},
            r"features\.columns\[2\]: 'dest' is in data\.sensitive; leave it out",
            id="with an empty reason",
        ),
        pytest.param(
            {**TAKEN, "approval": {"needs": ["first_version"]}},
            r"features\.sensitive: the model takes sensitive columns, so a person has to approve: add 'sensitive_",
            id="without a person",
        ),
        pytest.param(
            {**TAKEN, "data": {"sensitive": []}},
            r"features\.sensitive\.dest: 'dest' is not in data\.sensitive; take it out here, or name it there",
            id="that is not sensitive",
        ),
        pytest.param(
            {"approval": {"four_eyes": True, "approvers": ["ann"]}},
            r"approval\.approvers: names 'ann' alone, and approval\.four_eyes wants two people",
            id="four eyes in one head",
        ),
    ],
)
def test_loading_refuses(write, sections, expected):
    with pytest.raises(SpecError, match=expected):
        load_spec(write(**sections))


def test_lint_warns_of_approvers_who_are_never_asked(write):
    found = [str(finding) for finding in lint(write(approval={"approvers": ["ann"]}))]

    assert any("approval.needs: is empty, so those in approval.approvers are asked only" in line for line in found)
