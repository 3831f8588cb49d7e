"""Who let a version serve: answers on record, answers that do not count, and what the deploy makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_mlops.errors import ApprovalMissing
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.approval import Answer, Approval, expect_approved, risks_on_record
from airflow_mlops.refs import EvaluationRef, ModelRef
from airflow_mlops.spec.control_sections import ApprovalSpec
from tests.conftest import utc

NOW = utc("2013-03-01T05:00:00")
MODEL = ModelRef(
    id="m1", uri="m1", digest="d1", serialization="skops", estimator="trees", rows=10, features={}, version="1"
)
EVALUATION = EvaluationRef(
    id="e1", uri="e1", verdict="pass", reasons=[], metrics={}, epoch=0, model_id="m1", risks=["first_version"]
)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def approval(ledger, flights_spec):
    """The question about version 1, with other rules or another start of the run where given."""

    def question(*, starter=None, first=None, **rules):
        spec = flights_spec.model_copy(update={"approval": ApprovalSpec(**rules)})
        return Approval(spec, ledger, MODEL, EVALUATION, NOW, run="r1", starter=starter, first=first)

    return question


def said(user: str | None, option: str = "Approve", reason: str = "looks good") -> Answer:
    who = user and {"id": user, "name": user}
    event = {"chosen_options": [option], "params_input": {"reason": reason}, "responded_by_user": who}
    return Answer.of(event, approve="Approve")


def answers(ledger) -> list[tuple[str, list[str]]]:
    return [(event.payload["answer"], event.payload["by"]) for event in ledger.events("flights", kind="approval")]


def test_where_the_spec_asks_for_none_of_its_risks_it_goes_by_itself(approval, ledger):
    found = approval(needs=["fairness"]).settled()

    assert (found.answer, found.reason) == ("automatic", "nobody is asked for its risks: first_version")
    assert approval().settled() == found
    assert answers(ledger) == [("automatic", [])]


def test_a_risk_that_the_spec_names_and_the_form_ask_for_a_person(approval):
    assert approval(needs=["first_version"]).settled() is None
    assert approval().settled(ask=True) is None


def test_an_answer_is_found_again_and_nobody_is_asked_twice(approval, ledger):
    asked = approval(needs=["first_version"])

    approved = asked.record_answer(said("ann"))

    assert (approved.answer, approved.by, approved.reason) == ("approved", ["ann"], "looks good")
    assert replace(asked, run="r2").settled(ask=True) == approved
    assert ledger.events("flights", kind="approval")[0].payload["asked"] == ["first_version"]


def test_what_went_by_itself_once_is_still_asked_about_when_the_form_says_so(approval):
    approval().settled()

    assert approval().settled(ask=True) is None


@pytest.mark.parametrize("option", ["Approve", "Reject"])
@pytest.mark.parametrize("reason", ["", "   "])
def test_an_answer_without_a_reason_does_not_count(approval, ledger, option, reason):
    with pytest.raises(ApprovalMissing, match=r"ann answered for version 1 of flights without a reason.* Clear this"):
        approval(needs=["first_version"]).record_answer(said("ann", option, reason))

    assert answers(ledger) == []
    assert approval(needs=["first_version"]).settled() is None


def test_no_answer_in_time_is_a_rejection_by_the_clock(approval, ledger):
    found = approval(needs=["first_version"]).record_answer(said(None, "Reject", ""))

    assert (found.answer, found.by, found.reason) == (
        *("rejected", ["the clock"]),
        "nobody answered in time (approval.expires)",
    )


# Four eyes


def test_two_people_have_to_approve_and_both_are_named(approval, ledger):
    first = approval(four_eyes=True, starter="cat").record_answer(said("ann"))
    both = approval(four_eyes=True, starter="cat", first=first).record_answer(said("bob", reason="agreed"))

    assert first.answer == "first"
    assert (both.answer, both.by, both.reason) == ("approved", ["ann", "bob"], "looks good; agreed")
    assert answers(ledger) == [("first", ["ann"]), ("approved", ["ann", "bob"])]


def test_the_first_answer_is_kept_and_lets_nothing_serve_yet(approval, flights_spec, ledger):
    rules = {"four_eyes": True, "needs": ["first_version"]}
    first = approval(**rules).record_answer(said("ann"))

    assert approval(**rules).settled() == first
    assert approval(**rules, first=first).settled() is None
    with pytest.raises(ApprovalMissing, match="needs a person's approval"):
        expect_approved(ledger, approval(**rules).spec, "1", EVALUATION)


@pytest.mark.parametrize("user", ["ann", "cat"])
def test_with_four_eyes_neither_the_first_nor_who_started_the_run_is_the_second(approval, user):
    first = approval(four_eyes=True, starter="cat").record_answer(said("ann"))
    second = approval(four_eyes=True, starter="cat", first=first)

    with pytest.raises(ApprovalMissing, match=f"{user} may not answer here for version 1 of flights"):
        second.record_answer(said(user))


def test_with_four_eyes_who_started_the_run_is_not_the_first_either(approval):
    with pytest.raises(ApprovalMissing, match="ann may not answer here"):
        approval(four_eyes=True, starter="ann").record_answer(said("ann"))


def test_one_rejection_is_enough_with_four_eyes(approval, ledger):
    assert approval(four_eyes=True).record_answer(said("ann", "Reject", "too risky")).answer == "rejected"
    assert answers(ledger) == [("rejected", ["ann"])]


def test_those_who_may_not_answer_are_not_asked_and_without_anybody_left_it_says_so(approval):
    rules = {"four_eyes": True, "approvers": ["ann", "bob"]}
    first = approval(**rules).record_answer(said("ann"))

    assert approval(**rules).respondents() == ["ann", "bob"]
    assert approval(**rules, first=first).respondents() == ["bob"]
    with pytest.raises(ApprovalMissing, match=r"neither bob nor ann may answer, and approval\.approvers names nobody"):
        approval(**rules, starter="bob", first=first).respondents()
    assert approval(approvers=["ann"], starter="ann").respondents() == ["ann"]


# What a deploy makes of it


def test_a_version_that_needs_a_person_is_not_deployed_without(approval, ledger):
    asked = approval(needs=["first_version"])
    with pytest.raises(ApprovalMissing, match=r"needs a person's approval for first_version \(approval\.needs\)"):
        expect_approved(ledger, asked.spec, "1", EVALUATION)

    asked.record_answer(said("ann"))

    expect_approved(ledger, asked.spec, "1", EVALUATION)
    with pytest.raises(ApprovalMissing, match="evaluation e2 has none on record"):
        expect_approved(ledger, asked.spec, "1", replace(EVALUATION, id="e2"))


def test_a_rejected_version_is_not_deployed_though_nobody_had_to_be_asked(approval, ledger):
    asked = approval()
    asked.record_answer(said("ann", "Reject", "the storm is in it"))

    with pytest.raises(ApprovalMissing, match="version 1 of flights was rejected by ann: the storm is in it"):
        expect_approved(ledger, asked.spec, "1", EVALUATION)


# Risks by the ledger


def test_what_serves_and_what_was_approved_is_read_from_the_ledger(flights_spec, ledger):
    data = flights_spec.data.model_copy(update={"sensitive": ["carrier"]})
    spec = flights_spec.model_copy(update={"data": data, "approval": ApprovalSpec(needs=["sensitive_columns"])})
    for name in ("m1", "m2"):
        ledger.append("flights", "train", name, {"id": name, "estimator": "trees"}, at=NOW)
    assert risks_on_record(ledger, spec, MODEL)[2:] == ["first_version", "sensitive_columns"]

    Approval(spec, ledger, MODEL, EVALUATION, NOW).record_answer(said("ann"))
    payload = {"model": MODEL.to_dict(), "rows": {"columns": list(spec.features.columns)}}
    ledger.promote("flights", "1", expected_epoch=0, payload=payload, at=NOW)

    assert risks_on_record(ledger, spec, replace(MODEL, id="m2")) == ["every_change", "every_training"]
    committee = replace(MODEL, id="c", estimator="committee", members={"m1": 0.5, "m2": 0.5})
    assert risks_on_record(ledger, spec, committee, action="re-weigh") == ["every_change"]


def test_a_person_who_answers_after_another_promotion_is_recorded_no_earlier(approval, ledger):
    later = utc("2013-03-08T05:00:00")
    ledger.promote("flights", "7", expected_epoch=0, payload={}, at=later)

    approval(needs=["first_version"]).record_answer(said("ann"))

    assert ledger.events("flights", kind="approval")[0].at == later
