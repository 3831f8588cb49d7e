"""What a policy that chooses among versions does at a look."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.loop.choice import choose
from airflow_mlops.loop.signal import Signal
from airflow_mlops.spec.policy_sections import Budget, Circuit, CommitteePolicy, Correction, RulesPolicy, SinglePolicy
from airflow_mlops.spec.rule_sections import Compare, Persist
from tests.loop.versions_past import COMMITTEE, SINGLE, calm, correcting, losing, past

OLD = RulesPolicy(train=Compare(signal="age", at_least=5))


def asked(found, policy=SINGLE):
    choice = choose(found, policy)
    return choice.action, choice.held_by


@pytest.mark.parametrize("policy", [COMMITTEE, SINGLE, RulesPolicy(train=Compare(signal="excess_loss", at_least=1))])
def test_a_calm_model_is_left_alone_and_one_that_loses_is_trained(policy):
    assert asked(calm(), policy) == ("nothing", None)
    assert asked(losing(), policy) == ("retrain", None)


def test_nothing_is_asked_for_before_a_window_was_judged():
    choice = choose(past([], now=1.0), COMMITTEE.model_copy(update={"shortest": 0.0}))

    assert (choice.action, choice.train.value, choice.signals.get("excess_loss")) == ("nothing", None, None)


# When a training is due


def test_the_threshold_is_the_price_where_none_is_given():
    # Three windows of 0.5 too much, of a fresh model's 0.5: three fresh losses.
    assert asked(losing(), COMMITTEE.model_copy(update={"price": 2.9}))[0] == "retrain"
    assert asked(losing(), COMMITTEE.model_copy(update={"price": 3.1}))[0] == "nothing"
    assert asked(losing(), COMMITTEE.model_copy(update={"price": 0.1, "threshold": 3.1}))[0] == "nothing"


@pytest.mark.parametrize("policy", [CommitteePolicy(), SinglePolicy(), OLD])
def test_the_longest_interval_grows_with_the_square_root_of_the_price(policy):
    def at(factor, **settings):
        return policy.model_copy(update={"price": policy.price * factor, **settings}).interval

    assert [at(4), at(0.25), at(4, longest=7.0)] == pytest.approx([2 * at(1), at(1) / 2, 7.0])


def test_an_old_model_is_trained_and_a_young_one_sooner():
    def at(age, windows):
        return asked(past([0.5] * windows, age=age, looks=1000))[0]

    assert [at(29, 300), at(30, 300)] == ["nothing", "retrain"]
    assert [at(7, 10), at(8, 10)] == ["nothing", "retrain"], "0.4 of ten windows and ten more"


def test_the_shortest_interval_is_waited_for_whatever_was_lost():
    lost = [0.5] * 8 + [5.0] * 2
    choice = choose(past(lost, age=2, looks=100), SINGLE)

    assert choice.signals["excess_loss"].value > 1
    assert (choice.action, choice.held_by) == ("nothing", None)
    assert asked(past([*lost, 5.0], age=3, looks=100))[0] == "retrain"


def test_a_rule_takes_the_place_of_the_intervals():
    assert asked(past([0.5] * 10, age=4), OLD)[0] == "nothing"
    assert asked(past([0.5] * 10, age=5), OLD)[0] == "retrain"


def test_training_windows_take_turns():
    policy = COMMITTEE.model_copy(update={"windows": ("mix", "recent")})
    windows = [choose(losing(trained=[*([0.0] * count), 9.0]), policy).window for count in (1, 2, 3)]

    assert windows == ["recent", "mix", "recent"]


# What holds a training


@pytest.mark.parametrize(
    ("budget", "facts", "held"),
    [
        pytest.param(Budget(start=1, share=0), {"trained": [0.0, 9.0]}, True, id="start is spent"),
        pytest.param(Budget(start=2, share=0), {"trained": [0.0, 9.0]}, False, id="start is not spent"),
        pytest.param(Budget(start=0, share=0.1), {"trained": [0.0, 5.0, 9.0], "looks": 20}, True, id="share is spent"),
        pytest.param(Budget(start=0, share=0.1), {"trained": [0.0, 5.0, 9.0], "looks": 21}, False, id="one look later"),
        pytest.param(Budget(trainings=2), {"spent_trainings": 2}, True, id="trainings in a month"),
        pytest.param(Budget(trainings=2), {"spent_trainings": 1}, False, id="one training left"),
        pytest.param(Budget(seconds=60), {"spent_seconds": 60.0}, True, id="seconds"),
        pytest.param(Budget(seconds=60), {"spent_seconds": 59.0}, False, id="a second left"),
        pytest.param(Budget(money=1, rate=2), {"spent_seconds": 1800.0}, True, id="money"),
        pytest.param(Budget(money=1, rate=2), {"spent_seconds": 1790.0}, False, id="money left"),
    ],
)
def test_a_budget_holds_trainings(budget, facts, held):
    policy = SINGLE.model_copy(update={"budget": budget})

    assert asked(losing(**facts), policy) == (("nothing", "budget") if held else ("retrain", None))


def test_the_first_champion_is_no_part_of_the_budget():
    policy = SINGLE.model_copy(update={"budget": Budget(start=1, share=0), "shortest": 0})

    assert asked(past([0.5] * 5 + [2.0] * 5), policy) == ("retrain", None)


def test_a_cooldown_holds_a_training():
    policy = SINGLE.model_copy(update={"cooldown": timedelta(days=3)})

    assert asked(losing(cools=True), policy) == ("nothing", "cooldown")


@pytest.mark.parametrize(
    ("hours", "quiet"),
    [((9, 17), range(9, 17)), ((22, 6), [22, 23, 0, 1, 2, 3, 4, 5]), ((0, 6), range(6)), ((22, 0), [22, 23])],
)
def test_quiet_hours_hold_a_training_also_over_midnight(hours, quiet):
    policy = SINGLE.model_copy(update={"quiet_hours": hours})
    held = [hour for hour in range(24) if asked(losing(hour=hour), policy) == ("nothing", "quiet hours")]

    assert held == sorted(quiet)
    assert asked(losing(hour=None), policy) == ("retrain", None), "a backtest has no clock"


def test_trainings_without_gain_open_the_circuit_and_call_a_person():
    assert asked(losing(refused=3)) == ("retrain", None)
    assert asked(losing(refused=4)) == ("call", "circuit")
    assert asked(calm(refused=4)) == ("nothing", None), "nothing is wished, so nobody is called"


def test_what_holds_a_training_is_asked_in_the_order_of_the_contract():
    policy = SINGLE.model_copy(
        update={"budget": Budget(trainings=1), "cooldown": timedelta(days=3), "quiet_hours": (22, 6)}
    )
    held = {"refused": 4, "spent_trainings": 1, "cools": True, "hour": 23}
    order = []
    while held:
        order.append(choose(losing(**held), policy).held_by)
        held.pop(next(iter(held)))

    assert order == ["circuit", "budget", "cooldown", "quiet hours"]


def test_a_cheap_change_is_made_while_a_training_is_held():
    found = losing(cools=True, pool=("1", "2"), of_pool=[[1.0] * 3, [0.1] * 3])
    choice = choose(found, SINGLE)

    assert (choice.wish, choice.action, choice.held_by) == ("retrain", "re-elect", "cooldown")


def test_an_open_circuit_lets_no_cheap_change_through():
    found = losing(refused=4, pool=("1", "2"), of_pool=[[1.0] * 3, [0.1] * 3])

    assert asked(found) == ("call", "circuit")


# What serves


def test_the_better_version_is_elected_beyond_a_margin():
    def elected(loss, **settings):
        policy = SINGLE.model_copy(update={"trust": 0.0, **settings})
        return dict(choose(calm(pool=("1", "2"), of_pool=[[0.5] * 10, [loss] * 10]), policy).weights)

    assert elected(0.45) == {"2": 1.0}
    assert elected(0.496) == {"1": 1.0}, "better by less than the margin"
    assert elected(0.496, margin=0.0) == {"2": 1.0}
    assert elected(0.45, margin=0.2) == {"1": 1.0}


def test_a_new_version_is_trusted_until_it_is_judged():
    nan = float("nan")

    def serves(new, trust=0.15):
        found = calm(pool=("1", "2"), of_pool=[[0.5] * 10, [nan] * (10 - len(new)) + new])
        return next(iter(choose(found, SINGLE.model_copy(update={"trust": trust})).weights))

    assert serves([]) == "2"
    assert serves([], trust=0.0) == "1"
    assert serves([0.7]) == "1", "one window in which it lost more is enough"


def test_to_elect_what_served_until_lately_is_to_roll_back():
    worse = {"pool": ("2", "1"), "of_pool": [[0.1] * 10, [0.5] * 10]}

    def action(came, before="2"):
        return choose(calm(**worse, now=10.0, came=came, before=before), SINGLE).action

    assert action(came=6.0) == "roll back"
    assert action(came=5.0) == "re-elect", "five windows are more than the four after a promotion"
    assert action(came=6.0, before="0") == "re-elect"


def test_flapping_elections_open_the_circuit_and_a_training_is_still_asked_for():
    policy = SINGLE.model_copy(update={"circuit": Circuit(promotions=3, within=8)})
    better = {"pool": ("1", "2"), "of_pool": [[0.5] * 10, [0.1] * 10]}
    flapping, calmed = {"returns": [3.0, 5.0, 9.0]}, {"returns": [1.0, 5.0, 9.0]}
    choice = choose(calm(**better, **flapping), policy)

    assert (choice.wish, choice.action, choice.held_by) == ("re-elect", "call", "circuit")
    assert choice.signals["promotions_lately"].value == 3
    assert dict(choice.weights) == {"1": 1.0}
    assert asked(calm(**better, **calmed), policy) == ("re-elect", None)
    assert asked(losing(pool=("1", "2"), of_pool=[[1.0] * 3, [0.1] * 3], returns=[8.0, 9.0, 10.0]), policy) == (
        "retrain",
        None,
    )


def test_weights_that_hardly_move_stay():
    def action(tolerance, serving):
        found = calm(pool=("1", "2"), of_pool=[[0.5] * 10, [0.5] * 10], serving=serving)
        return choose(found, COMMITTEE.model_copy(update={"tolerance": tolerance})).action

    assert action(0.02, {"1": 0.51, "2": 0.49}) == "nothing"
    assert action(0.005, {"1": 0.51, "2": 0.49}) == "re-weigh"
    assert action(0.02, {"1": 0.9, "2": 0.1}) == "re-weigh"


# The correction


def test_a_correction_that_moves_is_made_and_one_that_hardly_does_is_not():
    choice = choose(calm(correct=correcting(0.3, moved=0.3)), COMMITTEE)

    assert (choice.action, choice.shift.value, choice.jump) == ("recalibrate", 0.3, None)
    assert choose(calm(correct=correcting(0.3, moved=0.01)), COMMITTEE).action == "nothing"


def test_a_correction_that_jumps_is_left_and_warned_of():
    choice = choose(calm(correct=correcting(1.4, moved=1.2)), COMMITTEE)

    assert (choice.action, choice.shift, choice.jump.value) == ("warn", None, 1.4)
    wider = COMMITTEE.model_copy(update={"correction": Correction(bound=2)})
    assert choose(calm(correct=correcting(1.4, moved=1.2)), wider).action == "recalibrate"


def test_without_labels_for_it_there_is_no_correction():
    assert choose(calm(correct=lambda weights: None), COMMITTEE).action == "nothing"


# Warnings


def test_drift_alone_warns():
    drifted = {"data_drift": Signal("data_drift", 0.7, "drifted")}

    assert asked(calm(measured=drifted), COMMITTEE) == ("warn", None)
    assert asked(losing(measured=drifted), COMMITTEE) == ("retrain", None)
    assert asked(calm(measured=drifted, correct=correcting()), COMMITTEE) == ("recalibrate", None)


def test_a_rule_says_when_to_warn():
    stale = Compare(signal="freshness", at_least=2)
    policy = COMMITTEE.model_copy(update={"warn": stale})

    assert asked(calm(measured={"freshness": Signal("freshness", 3.0)}), policy)[0] == "warn"
    assert asked(calm(measured={"data_drift": Signal("data_drift", 0.7, "drifted")}), policy)[0] == "nothing"


def test_a_rule_over_looks_reads_the_looks_before():
    often = Persist(persist=Compare(signal="data_drift", verdict="drifted"), times=2, last=3)
    policy = RulesPolicy(train=often, shortest=0)
    drifted, stable = ({"data_drift": Signal("data_drift", 0.7, verdict)} for verdict in ("drifted", "stable"))

    assert asked(calm(measured=drifted, earlier=[drifted, stable]), policy)[0] == "retrain"
    assert asked(calm(measured=drifted, earlier=[drifted, stable, stable]), policy)[0] == "warn"


# Signals


def test_signals_of_the_past_are_in_windows_and_losses():
    found = choose(losing(refused=1), SINGLE).signals

    assert {name: signal.value for name, signal in found.items()} == pytest.approx(
        {
            "age": 4,
            "relative_age": 4 / 23,
            "trainings_without_gain": 1,
            "promotions_lately": 0,
            "excess_loss": 3.0,
            "quality": 1.0,
        }
    )


def test_windows_that_are_better_pay_back_what_was_lost():
    settings = SINGLE.model_copy(update={"allowance": 0.0})
    excess = [
        choose(past([0.5, 0.5, *lost], age=1 + len(lost)), settings).signals["excess_loss"].value
        for lost in ([1.0], [1.0, 0.25], [1.0, 0.25, 0.1], [1.0, 0.25, 0.1, 0.75])
    ]

    assert excess == pytest.approx([1.0, 0.5, 0.0, 0.5]), "in units of a fresh model's loss, and never below zero"
