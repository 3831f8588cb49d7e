"""The sentences of a decision: for each action, and for each thing that holds one."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_mlops.loop.choice import choose
from airflow_mlops.loop.explain import explain
from airflow_mlops.loop.policy import Decision
from airflow_mlops.loop.signal import Signal
from airflow_mlops.spec.policy_sections import Budget, Circuit
from tests.loop.versions_past import COMMITTEE, SINGLE, calm, correcting, losing, past

BETTER = {"pool": ("1", "2"), "of_pool": [[1.0] * 10, [0.1] * 10]}


def explained(found, policy=SINGLE, **settings):
    policy = policy.model_copy(update=settings)
    return explain(choose(found, policy), found, policy)


@pytest.mark.parametrize(
    ("found", "policy", "action", "reason", "otherwise"),
    [
        pytest.param(
            calm(),
            SINGLE,
            "nothing",
            "what serves lost 0.5 in the last window",
            "Would train (at excess_loss 0.4 (now 0), or at relative_age 0.4 (now 0.05), or at age 30 windows (now 1)) "
            "and at age 3 windows (now 1).",
            id="nothing",
        ),
        pytest.param(
            past([], now=1.0),
            COMMITTEE.model_copy(update={"shortest": 0.0}),
            "nothing",
            "nothing was judged yet: no window since the first champion has enough labels",
            "Would train at excess_loss 1 (now not known), or at relative_age 0.4 (now 0.1), or at age 30 windows "
            "(now 1).",
            id="nothing yet",
        ),
        pytest.param(
            calm(measured={"data_drift": Signal("data_drift", 0.7, "drifted")}),
            SINGLE,
            "warn",
            "data_drift is drifted, which alone asks for no training",
            "Would train (at excess_loss",
            id="warn",
        ),
        pytest.param(
            calm(correct=correcting(-1.4, moved=1.2)),
            SINGLE,
            "warn",
            "the correction would move by 1.2 to -1.4, beyond retrain.policy.correction.bound; it stays, for labels "
            "that move so far are to be looked at first",
            "Would train (at",
            id="a jump",
        ),
        pytest.param(
            calm(correct=correcting(0.3, moved=0.25, rows=400)),
            COMMITTEE,
            "recalibrate",
            "the newest labels move the correction by 0.25 to +0.3, from 400 rows",
            "Would train (at",
            id="recalibrate",
        ),
        pytest.param(
            calm(correct=correcting((0.1, -0.1), moved=0.1)),
            COMMITTEE,
            "recalibrate",
            "the newest labels move the correction by 0.1 to (+0.1, -0.1), from 400 rows",
            "Would train (at",
            id="recalibrate classes",
        ),
        pytest.param(
            calm(**BETTER),
            SINGLE,
            "re-elect",
            "another version would have served better lately: 2 at 100%",
            "Would train (at",
            id="re-elect",
        ),
        pytest.param(
            calm(**BETTER),
            COMMITTEE,
            "re-weigh",
            "other weights would have served better lately: 2 at 100%",
            "Would train (at",
            id="re-weigh",
        ),
        pytest.param(
            losing(),
            SINGLE,
            "retrain",
            "excess_loss is 3, at least 0.4",
            "Would not train below excess_loss 0.4 (now 3).",
            id="retrain",
        ),
    ],
)
def test_each_action_says_why_and_what_would_change_it(found, policy, action, reason, otherwise):
    decision = explained(found, policy)

    assert decision.action == action
    assert decision.reasons[0] == reason
    assert decision.counterfactual.startswith(otherwise)


@pytest.mark.parametrize(
    ("found", "settings", "action", "reason", "otherwise"),
    [
        pytest.param(
            losing(refused=4),
            {},
            "call",
            "the circuit is open: none of the last 4 trainings brought a version that serves; a person has to look at "
            "labels and features, and starts the next training; else it would be 'retrain'",
            "Would train once a training that a person started has brought a version that serves.",
            id="circuit",
        ),
        pytest.param(
            calm(**BETTER, returns=[8.0, 9.0]),
            {"circuit": Circuit(promotions=2, within=8)},
            "call",
            "the circuit is open: 2 promotions of earlier versions in 8 windows; a person has to look why no version "
            "stays the best; else it would be 're-elect'",
            "Would train (at excess_loss",
            id="flapping",
        ),
        pytest.param(
            losing(trained=[0.0, 4.0, 9.0], looks=13),
            {"budget": Budget(start=1, share=0.06)},
            "nothing",
            "retrain.policy.budget is spent: 2 trainings since the first champion, 1.78 by start and share at look 13; "
            "else it would be 'retrain'",
            "Would train from look 17 on (now 13).",
            id="share",
        ),
        pytest.param(
            losing(),
            {"budget": Budget(start=1, share=0)},
            "nothing",
            "retrain.policy.budget is spent: 1 training since the first champion, 1 by start and share at look 100; "
            "else it would be 'retrain'",
            "Would train with a retrain.policy.budget.start above 1 (now 1).",
            id="no share",
        ),
        pytest.param(
            losing(spent_trainings=2),
            {"budget": Budget(trainings=2)},
            "nothing",
            "retrain.policy.budget is spent: 2 of 2 trainings in 30 days; else it would be 'retrain'",
            "Would train once enough of what was spent is 30 days ago.",
            id="trainings in a month",
        ),
        pytest.param(
            losing(spent_seconds=90.0),
            {"budget": Budget(seconds=60)},
            "nothing",
            "retrain.policy.budget is spent: 90 of 60 seconds of training in 30 days; else it would be 'retrain'",
            "Would train once enough of what was spent is 30 days ago.",
            id="seconds",
        ),
        pytest.param(
            losing(spent_seconds=3600.0),
            {"budget": Budget(money=2, rate=2.5)},
            "nothing",
            "retrain.policy.budget is spent: 2.50 of 2 in 30 days, at 2.5 an hour; else it would be 'retrain'",
            "Would train once enough of what was spent is 30 days ago.",
            id="money",
        ),
        pytest.param(
            losing(cools=True),
            {"cooldown": timedelta(days=3)},
            "nothing",
            "retrain.policy.cooldown: the last training ended less than 3d ago; else it would be 'retrain'",
            "Would train 3d after the end of the last training.",
            id="cooldown",
        ),
        pytest.param(
            losing(hour=23),
            {"quiet_hours": (22, 6)},
            "nothing",
            "retrain.policy.quiet_hours: it is 23 o'clock UTC, 22 to 6 o'clock UTC are quiet; else it would be "
            "'retrain'",
            "Would train outside of 22 to 6 o'clock UTC.",
            id="quiet hours",
        ),
    ],
)
def test_each_hold_says_its_numbers_and_when_it_ends(found, settings, action, reason, otherwise):
    decision = explained(found, SINGLE, **settings)

    assert (decision.action, decision.reasons[0]) == (action, reason)
    assert decision.counterfactual.startswith(otherwise)


def test_the_look_that_the_budget_names_is_the_first_that_has_room():
    settings = {"budget": Budget(start=1, share=0.06)}
    actions = [
        explained(losing(trained=[0.0, 4.0, 9.0], looks=look), SINGLE, **settings).action for look in (15, 16, 17)
    ]

    assert actions == ["nothing", "nothing", "retrain"]


def test_what_else_is_worth_knowing_comes_after_what_decided():
    drifted = {"data_drift": Signal("data_drift", 0.7, "drifted")}
    decision = explained(losing(measured=drifted, cools=True), SINGLE, cooldown=timedelta(days=3))

    assert decision.reasons[1:] == (
        "excess_loss is 3, at least 0.4",
        "data_drift is drifted, which alone asks for no training",
    )


def test_a_decision_carries_the_tree_and_the_readings_as_json():
    decision = explained(losing(correct=correcting()), SINGLE)
    read = Decision.from_dict(json.loads(json.dumps(decision.to_dict())))

    assert read.to_dict() == decision.to_dict()
    assert read.tree["train"]["value"] is True
    assert read.readings["excess_loss"]["value"] == pytest.approx(3)
    assert read.standing["wish"] == "retrain"
    assert read.correction == {"value": 0.3, "moved": 0.3, "rows": 400}
