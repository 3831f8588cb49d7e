"""The rules drawn for policies that have none written down say what the policy decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import Drift, PredictionDrift
from airflow_mlops.loop.standing_tree import standing_trees
from airflow_mlops.spec.loop_sections import SchedulePolicy
from tests.loop.past import first_champion, signals, training
from tests.loop.test_policy import CALM, decided, weeks

CHAMPION = [*first_champion(), *weeks(*CALM)]


def trees(past, now, **settings):
    decision = decided(past, now, **settings)
    return decision, standing_trees({**decision.to_dict(), "now": now.now.isoformat()}, now.to_dict())


def leaves(node):
    return [leaf for each in node.of for leaf in leaves(each)] or [node]


def test_a_calm_champion_is_short_of_both_limits():
    decision, found = trees(CHAMPION, signals(4, 0.5))
    lost, age, free = leaves(found["train"])

    assert (decision.action, found["train"].value) == ("nothing", False)
    assert (lost.now, lost.bound, lost.unit, lost.needs) == (0.0, pytest.approx(0.4), "log_loss", pytest.approx(0.4))
    assert (age.now, age.bound, age.needs) == (28, 180, 152)
    assert (lost.value, age.value, free.value) == (False, False, True)


def test_a_champion_that_lost_too_much_fires():
    decision, found = trees([*CHAMPION, *weeks(0.7, 0.7, start=4)], signals(6, 0.7))
    [lost, _, _] = leaves(found["train"])

    assert (decision.action, found["train"].value) == ("retrain", True)
    assert (lost.value, lost.needs) == (True, pytest.approx(-0.2))
    assert lost.detail == ("Added up over 6 labelled windows since the last training; above zero since 2013-03-20.")


def test_an_old_champion_fires_though_it_lost_nothing():
    decision, found = trees(CHAMPION, signals(26, 0.5))
    lost, age, _ = leaves(found["train"])

    assert (decision.action, found["train"].value) == ("retrain", True)
    assert (lost.value, age.value, age.needs) == (False, True, -2)


def test_a_cooldown_is_what_makes_the_rule_false():
    decision, found = trees([*CHAMPION, training(3.5, verdict="fail")], signals(5, 2.0))
    *_, free = leaves(found["train"])

    assert (decision.held_by, found["train"].value, free.value) == ("cooldown", False, False)
    assert free.detail == "The last training ended 2013-03-25; the cooldown lasts until 2013-04-08."


def test_without_labels_the_loss_is_unknown_and_so_is_the_rule():
    decision, found = trees(first_champion(loss=None), signals(4))
    lost, *_ = leaves(found["train"])

    assert decision.action == "nothing"
    assert (found["train"].value, lost.value, lost.now) == (None, None, None)


def test_without_a_champion_that_is_the_reason():
    decision, found = trees([], signals(1, champion_version=None, epoch=0))

    assert decision.action == "retrain"
    assert (found["train"].says, found["train"].value) == ("no version serves", True)
    assert "warn" not in found


def test_by_schedule_nothing_that_is_measured_asks():
    decision, found = trees(CHAMPION, signals(4, 5.0), policy=SchedulePolicy())

    assert (decision.action, found["train"].value) == ("nothing", False)
    assert found["train"].detail.startswith("Trainings come by the schedule")


def test_each_reason_of_a_warning_is_a_node():
    now = signals(
        4,
        0.5,
        drift=Drift("drifted", 0.5, ("temp", "dewp")),
        prediction_drift=PredictionDrift("stable", "psi", 0.02, 0.1),
        problems=("no labels came",),
    )
    decision, found = trees(CHAMPION, now)
    data, answers, problems = leaves(found["warn"])

    assert (decision.action, found["warn"].value) == ("warn", True)
    assert (data.value, data.now, data.detail) == (True, 0.5, "temp, dewp")
    assert (answers.value, answers.now, answers.bound, answers.unit) == (False, 0.02, 0.1, "psi")
    assert (problems.value, problems.detail) == (True, "no labels came")


def test_what_was_not_measured_is_unknown():
    _, found = trees(CHAMPION, signals(4, 0.5))

    assert [leaf.value for leaf in leaves(found["warn"])] == [None, None, False]
    assert found["warn"].value is None


def test_a_budget_that_burns_warns():
    now = signals(4, 0.5, measured={"slo_burn": Signal("slo_burn", 14.0, "drifted", limit=6.0, detail="too fast")})
    _, found = trees(CHAMPION, replace(now, data_check="warning"))
    *_, burn = leaves(found["warn"])

    assert (burn.value, burn.now, burn.bound, burn.detail) == (True, 14.0, 6.0, "too fast")
