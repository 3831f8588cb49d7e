"""A promotion with what belongs beside it: one transaction, held by freezes, let through where it goes back."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest
from sqlalchemy import event

from airflow_mlops.errors import PromotionConflict, PromotionFrozen
from airflow_mlops.ledger import Fact, Ledger
from tests.ledger.places import MARCH, fork


def freeze(scope, *, version=None, frozen=True):
    return {"scope": scope, "version": version, "frozen": frozen, "reason": "it got worse", "by": "ada"}


@pytest.fixture
def served(ledger):
    """Version 1 served, version 2 serves."""
    for epoch, version in enumerate("12"):
        ledger.append("flights", "register", version, {"version": version}, at=MARCH)
        ledger.promote("flights", version, expected_epoch=epoch, payload={"cause": "retrain"}, at=MARCH)
    return ledger


def roll_back(ledger, at=MARCH):
    """Go back to version 1, and freeze version 2 beside it."""
    held = Fact("freeze", "2@2", freeze("version", version="2"))
    return ledger.promote(
        "flights", "1", expected_epoch=2, payload={"cause": "rollback"}, at=at, run="actions__1", beside=[held]
    )


def test_what_is_beside_a_promotion_is_recorded_with_it(served):
    promotion = roll_back(served)

    state = served.state("flights")
    assert (state.champion.version, state.versions["2"].role, state.seq) == ("1", "frozen", promotion.seq + 1)
    assert state.last["freeze"].run == "actions__1"
    assert served.verify("flights") == 6


def test_a_fact_beside_that_is_on_record_already_is_not_recorded_again(served):
    served.append("flights", "freeze", "2@2", freeze("version", version="2"), at=MARCH)

    roll_back(served)

    assert len(served.events("flights", kind="freeze")) == 1
    assert served.verify("flights") == 6


def test_a_refused_promotion_leaves_nothing_beside_it(served):
    held = Fact("freeze", "2@1", freeze("version", version="2"))

    with pytest.raises(PromotionConflict):
        served.promote("flights", "3", expected_epoch=1, payload={}, at=MARCH, beside=[held])

    assert served.events("flights", kind="freeze") == []


@pytest.mark.parametrize("point", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "before commit", "after commit"])
def test_killed_at_any_point_promotion_and_freeze_are_both_there_or_neither(served, url, point):
    def die():
        own, count = Ledger(url), [0]
        own.position("flights")

        @event.listens_for(own._database.engine, "after_cursor_execute")
        def kill(*_):
            count[0] += 1
            if count[0] == point:
                os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(own._database.engine, "commit")
        def kill_at_commit(_connection):
            if point == "before commit":
                os.kill(os.getpid(), signal.SIGKILL)

        roll_back(own)
        os.kill(os.getpid(), signal.SIGKILL)

    process = fork.Process(target=die)
    process.start()
    process.join()

    state = served.state("flights")
    assert process.exitcode == -signal.SIGKILL
    assert (state.champion.version, state.versions["2"].role) in [("2", "champion"), ("1", "frozen")]
    assert (state.champion.version == "1") == (point == "after commit")
    roll_back(served)
    assert served.state("flights").epoch == 3
    assert served.verify("flights") == 6


def test_a_frozen_version_is_not_promoted_whatever_the_cause(served):
    roll_back(served)

    for cause in ("retrain", "rollback", "drill", "by hand"):
        with pytest.raises(PromotionFrozen, match=r"version 2 of flights is frozen since .* by ada \(it got worse\)"):
            served.promote("flights", "2", expected_epoch=3, payload={"cause": cause}, at=MARCH)

    served.append("flights", "freeze", "again", freeze("version", version="2", frozen=False), at=MARCH)
    assert served.promote("flights", "2", expected_epoch=3, payload={"cause": "retrain"}, at=MARCH).epoch == 4


def test_frozen_promotions_let_only_those_through_that_go_back(served):
    served.append("flights", "freeze", "all", freeze("promotions"), at=MARCH)
    served.append("flights", "freeze", "loop", freeze("loop", frozen=False), at=MARCH)

    for cause in ("retrain", "transfer", None):
        with pytest.raises(PromotionFrozen, match="promotions of flights are frozen"):
            served.promote("flights", "3", expected_epoch=2, payload={"cause": cause}, at=MARCH)

    assert roll_back(served).epoch == 3
    assert served.promote("flights", "3", expected_epoch=3, payload={"cause": "drill"}, at=MARCH).epoch == 4


def test_a_paused_loop_holds_no_promotion(served):
    served.append("flights", "freeze", "loop", freeze("loop"), at=MARCH)

    assert served.promote("flights", "3", expected_epoch=2, payload={"cause": "by hand"}, at=MARCH).epoch == 3


def test_the_same_promotion_again_is_the_first_one_though_the_version_was_frozen_since(served):
    first = served.events("flights", kind="promotion")[1]
    roll_back(served)

    again = served.promote("flights", "2", expected_epoch=1, payload={"cause": "retrain"}, at=MARCH + timedelta(days=1))

    assert again == first
    assert served.state("flights").champion.version == "1"
