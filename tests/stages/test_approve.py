"""What somebody reads who is asked whether a version may serve."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.events import Champion
from airflow_mlops.refs import EvaluationRef, ModelRef
from airflow_mlops.stages.approve import Question
from tests.conftest import utc

MODEL = ModelRef(
    id="m2", uri="m2", digest="d2", serialization="skops", estimator="trees", rows=37521, features={}, version="2"
)
EVALUATION = EvaluationRef(
    id="e2", uri="e2", verdict="pass", reasons=["it beats the baseline"], metrics={}, epoch=1,
    risks=["every_change", "every_training", "new_columns", "slice_drop"],
)  # fmt: skip
SLICE = {
    "name": "worst slice", "verdict": "pass", "sentence": "carrier = OO | dest = ORD is 4 % worse", "risk": "slice_drop"
}  # fmt: skip


@pytest.fixture
def page(flights_spec):
    """The page, with other facts where given."""

    def body(**changes):
        rows = {"columns": flights_spec.features.columns[1:]}
        champion = Champion("1", 1, utc("2013-03-01T05:00:00"), {"rows": rows})
        facts = {"spec": flights_spec, "model": MODEL, "evaluation": EVALUATION, "champion": champion}
        return Question(**{**facts, "asked_for": ["new_columns"], "expires": timedelta(hours=6), **changes}).body()

    return body


def test_it_says_why_somebody_is_asked_and_what_else_it_risks(page):
    why, changes = page(checks=[SLICE]).split("### What would change")

    assert "- it takes columns that what serves does not take: `carrier`" in why
    assert "4 % worse" not in why
    assert "- carrier = OO | dest = ORD is 4 % worse" in changes
    assert "every change" not in page()


def test_it_says_what_serves_now_and_what_would_take_over(page):
    assert "Version **1** serves now, since 2013-03-01 05:00 UTC (epoch 1). Version **2** would take over:" in page()
    assert "Nothing serves now: this would be the first version." in page(champion=None, asked_for=["first_version"])


def test_the_checks_of_the_gate_are_a_table_and_without_any_its_reasons_are_listed(page):
    assert "| worst slice | pass | carrier = OO \\| dest = ORD is 4 % worse |" in page(checks=[SLICE])
    assert "- it beats the baseline" in page()


def test_values_of_the_data_lead_whoever_answers_nowhere(page):
    sentence = "carrier = [sign in](https://example.com)\n\n# Approve is 4 % worse"
    body = page(checks=[{**SLICE, "sentence": sentence}])

    assert body.count(r"carrier = [sign in\](https://example.com) # Approve is 4 % worse") == 2
    assert "](https" not in body.replace(r"\](https", "")


def test_it_says_what_each_answer_does_and_until_when(page):
    assert "**Reject**: the champion stays" in page()
    assert "After 6h without an answer it is rejected." in page()


def test_the_form_and_the_first_of_two_people_are_named_where_they_are_why(page):
    assert "- the form of this run asks for a person" in page(asked_for=[])
    assert "- ann approved already, and approval.four_eyes wants a second person" in page(first="ann")


def test_a_link_that_leads_nowhere_is_left_out(page):
    assert page(links={"Evaluation report": "https://a/r", "MLflow run": None}).endswith(
        "[Evaluation report](https://a/r)"
    )
