"""Questions that wait for a person, as the model's page asks for them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from airflow_mlops.ledger import Ledger
from airflow_mlops.ui.model import approvals
from tests.conftest import utc
from tests.ui.parts import MODEL, asker

MARCH = utc("2013-03-01T05:00:00")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def ask(ledger, store, airflow_db):
    return asker(approvals, ledger=ledger, store=store, kinds=("retrain",))


def judge(ledger, version="2", run="r2"):
    """Record a challenger that passed its gate."""
    facts = {"id": f"e{version}", "verdict": "pass", "reasons": ["better by 0.01"], "model_id": f"m{version}"}
    ledger.append(MODEL, "evaluate", f"e{version}", facts, at=MARCH, run=run)
    ledger.append(MODEL, "register", version, {"version": version, "id": f"m{version}"}, at=MARCH, run=run)


def say(ledger, answer, version="2", *, by="the loop", run="r2", **further):
    """Record a question about a version, or an answer to it."""
    payload = {"version": version, "evaluation": f"e{version}", "answer": answer, "by": [by], "reason": f"why {answer}"}
    facts = {"asked": ["new_columns"], "risks": ["new_columns", "every_training"], **further}
    return ledger.append(MODEL, "approval", f"{version}:{answer}", {**payload, **facts}, at=MARCH, run=run)


def test_without_a_question_nothing_waits(ask):
    assert ask("approvals") == {"dag": f"{MODEL}_retrain", "pending": []}


def test_a_question_says_what_why_on_which_evidence_and_until_when(ask, ledger):
    judge(ledger)
    asked = say(ledger, "asked", expires_s=3600.0, four_eyes=False, approvers=["ann"])

    (found,) = ask("approvals")["pending"]

    assert (found["version"], found["reason"], found["asked_for"]) == ("2", "why asked", ["new_columns"])
    assert (found["verdict"], found["evidence"]) == ("pass", ["better by 0.01"])
    assert (found["approvers"], found["starter"], found["set_aside"]) == (["ann"], None, [])
    assert datetime.fromisoformat(found["expires"]) == asked.recorded_at + timedelta(hours=1)
    # Airflow has no such run, so there is nothing to link to.
    assert found["run"] is None


def test_with_four_eyes_neither_who_started_nor_who_approved_first_may_answer(ask, ledger):
    judge(ledger)
    say(ledger, "asked", by="ada", expires_s=3600.0, four_eyes=True, approvers=["ada", "bob", "cat"])
    first = say(ledger, "first", by="bob")

    (found,) = ask("approvals")["pending"]

    assert (found["first"], found["first_reason"]) == (["bob"], "why first")
    assert found["set_aside"] == ["ada", "bob"]
    # The second person is asked when the first one has answered.
    assert datetime.fromisoformat(found["since"]) == first.recorded_at


@pytest.mark.parametrize("answer", ["approved", "rejected"])
def test_an_answered_question_waits_no_more(ask, ledger, answer):
    judge(ledger)
    say(ledger, "asked")
    say(ledger, answer, by="ann")

    assert ask("approvals")["pending"] == []


def test_a_question_is_over_when_another_version_serves_or_came_after_it(ask, ledger):
    judge(ledger)
    say(ledger, "asked")
    ledger.promote(MODEL, "1", expected_epoch=0, payload={"model": {"version": "1"}}, at=MARCH)
    assert ask("approvals")["pending"] == []

    judge(ledger, "3", run="r3")
    say(ledger, "asked", "3", run="r3")
    assert [each["version"] for each in ask("approvals")["pending"]] == ["3"]

    judge(ledger, "4", run="r4")
    assert ask("approvals")["pending"] == []


def test_a_question_of_an_earlier_release_says_what_it_knows(ask, ledger):
    say(ledger, "asked")

    (found,) = ask("approvals")["pending"]

    assert (found["expires"], found["four_eyes"], found["verdict"], found["evidence"]) == (None, None, None, [])
