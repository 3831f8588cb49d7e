"""Who comes first: the data check, a broken bake, what people hold, and then the policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airflow_mlops.events import Freeze
from airflow_mlops.loop.control import Control
from airflow_mlops.loop.history import History
from airflow_mlops.loop.past_of import pool_of
from airflow_mlops.loop.policy import decide
from airflow_mlops.loop.signal import Signal
from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy
from airflow_mlops.spec.policy_sections import CommitteePolicy, RulesPolicy, SinglePolicy
from tests.loop.past import event, first_champion, measured, numbered, promotion, signals, training

POLICY = ExcessLossPolicy(threshold=0.8)
BROKEN = Signal("bake", 0.5, "drifted", rows=500, detail="what serves loses +50.0%")
NOW = datetime(2013, 4, 1, tzinfo=UTC)
PAUSED = Freeze("loop", "ann", "the source is being moved", NOW)
FROZEN = Freeze("promotions", "bob", "the audit", NOW)


def two_versions():
    return [*first_champion(), training(3, epoch=1), promotion(3, "2", epoch=2)]


def asked(look, *, policy=POLICY, past=None, **held):
    history = History.of(numbered(*(past or two_versions())))
    return decide(history, look, policy, window="all", min_labels=200, control=Control(**held))


def look(**facts):
    told = {"version": "2", "epoch": 2, "measured": {"bake": BROKEN}} | facts
    return signals(5, 0.5, **told)


def losing(*, epoch=1, **facts):
    return signals(6, 0.9, epoch=epoch, **facts)


def lost():
    return [*first_champion(), *[measured(week, 0.9) for week in range(1, 6)]]


RULES = RulesPolicy.model_validate({"train": {"signal": "age", "at_least": 99}})


@pytest.mark.parametrize("policy", [POLICY, SchedulePolicy(), CommitteePolicy(), SinglePolicy(), RULES])
def test_a_broken_bake_goes_back_whatever_the_policy(policy):
    found = asked(look(), policy=policy)
    assert (found.action, found.cause, found.held_by) == ("roll back", "bake", None)
    assert found.reasons == ("the bake of version 2 broke: what serves loses +50.0%",)
    assert found.counterfactual.startswith("With a bake that holds it would be")


def test_rows_that_the_data_check_stopped_hold_a_rollback_that_rests_on_rows():
    found = asked(look(data_check="failed"))
    assert (found.action, found.held_by) == ("warn", "data check")


def test_no_data_check_holds_a_rollback_that_rests_on_the_servers_numbers():
    failing = replace(BROKEN, rows=0, detail="all requests failed")
    assert asked(look(data_check="failed", measured={"bake": failing})).action == "roll back"


def test_frozen_promotions_and_an_awaited_approval_hold_no_rollback_but_a_pause_calls_a_person():
    assert asked(look(), frozen=FROZEN, awaited="3").action == "roll back"
    found = asked(look(), paused=PAUSED)
    assert (found.action, found.held_by) == ("call", "pause")
    assert "paused by ann" in found.reasons[0]


def test_with_nothing_to_go_back_to_a_person_is_called():
    found = asked(signals(2, 0.5, measured={"bake": BROKEN}), past=first_champion())
    assert found.action == "call"
    assert "no other version that ever served is free" in found.reasons[1]
    frozen = event(0, "freeze", {"scope": "version", "version": "1", "frozen": True, "by": "ann", "reason": ""}, week=4)
    assert asked(look(), past=[*two_versions(), frozen]).action == "call"


@pytest.mark.parametrize(
    ("held", "by", "said"),
    [
        ({"paused": PAUSED}, "pause", "the loop is paused by ann since 2013-04-01 00:00 (the source is being moved)"),
        ({"frozen": FROZEN}, "freeze", "promotions are frozen by bob since 2013-04-01 00:00 (the audit)"),
        ({"awaited": "3"}, "approval", "version 3 waits for a person's approval"),
    ],
)
def test_what_people_hold_comes_before_the_policy_and_is_said(held, by, said):
    assert asked(losing(), past=lost()).action == "retrain"
    found = asked(losing(), past=lost(), **held)
    assert (found.action, found.held_by, found.window) == ("nothing", by, None)
    assert found.reasons[0] == f"{said}; else it would be 'retrain'"
    assert found.counterfactual.endswith("it would be 'retrain'.")


def test_a_pause_comes_before_a_freeze_and_the_data_check_before_both():
    assert asked(losing(), past=lost(), paused=PAUSED, frozen=FROZEN).held_by == "pause"
    assert asked(losing(data_check="failed"), past=lost(), paused=PAUSED).held_by == "data check"


def test_a_paused_loop_with_nothing_to_do_says_that_it_is_paused():
    found = asked(signals(2, 0.5), past=first_champion(), paused=PAUSED)
    assert (found.action, found.held_by) == ("nothing", None)
    assert found.reasons[-1].startswith("the loop is paused by ann")


def test_a_spent_budget_warns_and_forbids_no_training():
    burn = Signal("slo_burn", 20.0, "drifted", detail="quality: the error budget is spent")
    found = asked(signals(2, 0.5, measured={"slo_burn": burn}), past=first_champion())
    assert (found.action, found.reasons[0]) == ("warn", "quality: the error budget is spent")
    assert asked(losing(measured={"slo_burn": burn}), past=lost(), is_spent=True).action == "retrain"


def test_a_frozen_version_leaves_the_pool_and_an_unfrozen_one_is_back():
    facts = {"features": {"holdout_start": "2013-02-01T00:00:00+00:00"}, "seconds": 1.0}
    past = [
        *first_champion(),
        event(0, "train", {"id": "a", **facts}, week=1),
        event(0, "register", {"id": "a", "version": "2"}, week=1),
        event(0, "train", {"id": "b", **facts}, week=2),
    ]
    hold = {"scope": "version", "version": "2", "by": "ann", "reason": "bad"}
    frozen = [*past, event(0, "freeze", {**hold, "frozen": True}, week=3)]
    let_go = [*frozen, event(0, "freeze", {**hold, "frozen": False}, week=4)]
    names = [[each.id for each in pool_of(History.of(numbered(*events)), 9)] for events in (past, frozen, let_go)]
    assert names == [["a", "b"], ["b"], ["a", "b"]]
    before = History.of(numbered(*frozen)).seen_by(signals(2.5))
    assert [each.id for each in pool_of(before, 9)] == ["a", "b"]


def test_a_drill_is_no_promotion_and_a_rollback_is_one():
    drilled = promotion(4, "1", epoch=3)
    drilled.payload["cause"] = "drill"
    assert [each.epoch for each in History.of(numbered(*two_versions(), drilled)).promotions] == [1, 2]
    drilled.payload["cause"] = "rollback"
    assert [each.version for each in History.of(numbered(*two_versions(), drilled)).promotions] == ["1", "2", "1"]


def test_a_rejected_approval_ends_a_training_without_a_promotion():
    judged = event(0, "evaluate", {"verdict": "pass", "id": "e", "epoch": 1, "model_id": "m"}, week=4)
    answer = event(0, "approval", {"answer": "rejected", "model_id": "m", "evaluation": "e"}, week=4)
    assert len(History.of(numbered(*first_champion(), judged)).trainings) == 1
    ended = History.of(numbered(*first_champion(), judged, answer)).trainings
    assert [each.promoted for each in ended] == [False, False]
