"""Without a champion every look wishes for a training, and what holds any other training holds that one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.loop.history import History, Training
from airflow_mlops.loop.policy import decide
from airflow_mlops.loop.signals import Signals
from airflow_mlops.spec.policy_sections import Budget, Circuit, CommitteePolicy

NOW = datetime(2013, 3, 1, tzinfo=UTC)


def decided(policy, *, refused_days_ago=(), hour=None, data_check="passed"):
    trainings = tuple(Training(NOW - timedelta(days=days), "fail", 0, {}) for days in refused_days_ago)
    return decide(
        History(trainings=trainings),
        Signals(NOW, 0, None, data_check, ("rows are broken",) if data_check == "failed" else ()),
        policy,
        window="all",
        min_labels=1,
        hour=hour,
    )


def test_a_first_version_is_asked_for():
    found = decided(CommitteePolicy(budget=Budget(start=0)))

    assert (found.action, found.window, found.held_by) == ("retrain", "all", None)


@pytest.mark.parametrize(
    ("settings", "past", "action", "held_by", "said"),
    [
        ({"circuit": Circuit(refusals=2)}, {"refused_days_ago": [9, 2]}, "call", "circuit", "last 2 trainings"),
        ({"cooldown": timedelta(days=3)}, {"refused_days_ago": [2]}, "nothing", "cooldown", "less than 3d ago"),
        ({"budget": Budget(trainings=1)}, {"refused_days_ago": [29]}, "nothing", "budget", "1 of 1 training"),
        ({"quiet_hours": (22, 6)}, {"hour": 23}, "nothing", "quiet hours", "it is 23 o'clock"),
    ],
)
def test_what_holds_a_training_holds_the_first(settings, past, action, held_by, said):
    found = decided(CommitteePolicy(**settings), **past)

    assert (found.action, found.held_by, found.standing["wish"]) == (action, held_by, "retrain")
    assert said in found.reasons[0]
    assert "there is no champion" in found.reasons[1]


def test_refusals_of_old_hold_nothing_but_the_circuit():
    policy = CommitteePolicy(cooldown=timedelta(days=3), budget=Budget(trainings=1), circuit=Circuit(refusals=2))

    assert decided(policy, refused_days_ago=[31]).action == "retrain"
    assert decided(policy, refused_days_ago=[61, 31]).action == "call"


def test_rows_that_fail_their_check_come_first():
    found = decided(CommitteePolicy(cooldown=timedelta(days=3)), refused_days_ago=[1], data_check="failed")

    assert (found.action, found.held_by) == ("warn", "data check")
