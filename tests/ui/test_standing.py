"""What the buttons of a model's page make of the ledger and of the form of its actions DAG."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files

import pytest

MODULE = files("airflow_mlops.ui").joinpath("static", "actions", "standing.js")
SEEN = {"live": "excess_loss", "shadow": "committee", "looks": 9, "differed": 2}
SPEC = {
    "own": {"kind": "excess_loss", "weighs": False},
    "shadow": {"kind": "committee", "weighs": True},
    "retrain": "d1",
}
ASKED = {"by": "ada", "reason": "a test", "since": "2013-03-01T05:00:00Z", "retrain": "d1"}
FORM = {"params": {"action": {"schema": {"policies": SPEC}}, "now": {"value": None}}}


@pytest.fixture(scope="module")
def standing():
    """Return what calls the module."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the module")

    def call(facts, dag):
        given = ", ".join(map(json.dumps, (facts, dag)))
        script = (
            f"import {{ standing }} from {json.dumps(MODULE.as_uri())}; console.log(JSON.stringify(standing({given})))"
        )
        done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, check=True, timeout=60)
        return json.loads(done.stdout)

    return call


def test_an_override_for_the_present_section_puts_the_policies_in_each_others_place(standing):
    found = standing({"policies": SEEN, "asked": ASKED}, FORM)["policies"]

    assert (found["live"], found["shadow"], found["weighs"], found["looks"]) == ("committee", "excess_loss", False, 9)
    assert found["override"]["by"] == "ada"


def test_an_override_for_another_section_counts_no_more(standing):
    found = standing({"policies": SEEN, "asked": {**ASKED, "retrain": "d0"}}, FORM)["policies"]

    assert (found["override"], found["live"], found["shadow"], found["weighs"]) == (
        None,
        "excess_loss",
        "committee",
        True,
    )


def test_looks_of_other_policies_are_not_compared(standing):
    found = standing({"policies": {**SEEN, "shadow": "schedule"}, "asked": None}, FORM)["policies"]

    assert (found["shadow"], found["looks"]) == ("committee", 0)


def test_a_spec_without_a_policy_in_shadow_has_none_to_choose(standing):
    assert standing({"policies": SEEN, "asked": ASKED}, {"params": {}})["policies"] is None


@pytest.mark.parametrize(
    ("given", "moved"),
    [(None, None), ("2013-03-01T00:00:00-05:00", "2013-09-06T05:00:00Z"), ("2014-01-01T05:00:00Z", None)],
)
def test_where_time_stands_still_a_run_stands_where_the_model_has_come_to(standing, given, moved):
    facts = {"at": "2013-09-06T05:00:00Z", "policies": None, "asked": None}

    assert standing(facts, {"params": {"now": {"value": given}}})["now"] == moved
