"""What is decided, why, and what would have changed it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.loop.history import History
from airflow_mlops.loop.policy import decide
from airflow_mlops.loop.signals import Drift, PredictionDrift
from airflow_mlops.loop.standing import excess_loss, holdout_loss
from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy
from tests.loop.past import event, first_champion, measured, numbered, promotion, signals, training

POLICY = ExcessLossPolicy(threshold=0.8, allowance=0.5, max_age=timedelta(days=180), cooldown=timedelta(days=14))
# A level of 0.5 and no noise between two windows: an excess above 0.4 asks.
CALM = [0.5, 0.5, 0.5]


def decided(past, now, *, policy=POLICY, window="all", min_labels=200):
    return decide(History.of(numbered(*past)), now, policy, window=window, min_labels=min_labels)


def weeks(*losses, start=1, **facts):
    return [measured(start + number, loss, **facts) for number, loss in enumerate(losses)]


def test_a_champion_that_loses_no_more_than_a_fresh_model_is_left_alone():
    found = decided([*first_champion(), *weeks(*CALM)], signals(4, 0.5))
    assert (found.action, found.window, found.held_by) == ("nothing", None, None)
    assert found.reasons == (
        "version 1 has lost no more than a fresh model would have (4 labelled windows since the last training), "
        "not above the 0.4 that ask for a training (0.8 x 0.5)",
    )
    assert found.counterfactual == (
        "A next window with a loss above 0.9 (the last had 0.5), or no training until 2013-08-28, would ask for a "
        "training."
    )


def test_an_excess_over_the_limit_asks_for_a_training_and_says_since_when():
    found = decided([*first_champion(), *weeks(*CALM, 0.7, 0.7)], signals(6, 0.7), window="mix")
    assert (found.action, found.window) == ("retrain", "mix")
    assert found.reasons == (
        "version 1 has lost 0.6 more than a fresh model would have since 2013-03-20 "
        "(6 labelled windows since the last training), more than the 0.4 that ask for a training (0.8 x 0.5)",
    )
    assert found.counterfactual == "With 0.2 less lost nothing would ask until 2013-08-28."


def test_the_same_history_decides_the_same_again():
    past, now = [*first_champion(), *weeks(*CALM, 0.7, 0.7)], signals(6, 0.7)
    after = [*past, measured(6, 0.7), *weeks(0.4, start=7), training(8), promotion(8, "2", epoch=2)]
    assert decided(past, now) == decided(after, now)


def test_while_the_cause_lasts_each_tick_decides_the_same():
    past = [*first_champion(), *weeks(*CALM, 0.7, 0.7, 0.7)]
    assert [decided(past, signals(week, None)).action for week in (7, 8, 9)] == ["retrain"] * 3


def test_good_windows_pay_back_what_noisy_ones_lost():
    noisy = [0.45, 0.55] * 10
    assert decided([*first_champion(), *weeks(*noisy)], signals(21, 0.55)).action == "nothing"


def test_one_bad_window_is_not_enough():
    assert decided([*first_champion(), *weeks(*CALM)], signals(4, 0.85)).action == "nothing"


def test_windows_with_few_labels_are_not_counted():
    past = [*first_champion(), *weeks(*CALM), *weeks(2.0, 2.0, start=4, labels=199)]
    assert decided(past, signals(6, 0.5)).action == "nothing"
    assert decided(past, signals(6, 0.5), min_labels=199).action == "retrain"


def test_a_window_whose_rows_the_data_check_stopped_is_not_counted():
    past = [*first_champion(), *weeks(*CALM), *weeks(2.0, 2.0, start=4, data_check="failed")]
    assert decided(past, signals(6, 0.5)).action == "nothing"


def test_losses_of_another_metric_are_not_compared():
    other = replace(signals(5, 0.1).quality, metric="brier")
    found = decided([*first_champion(), *weeks(2.0, 2.0)], signals(5, quality=other))
    assert (found.action, found.standing["windows"]) == ("nothing", 1)


def test_rows_that_the_data_check_stopped_never_ask_for_a_training():
    past = [*first_champion(), *weeks(*CALM, 0.9, 0.9)]
    found = decided(past, signals(6, 0.9, data_check="failed", data_check_reasons=("'distance' is in kilometres",)))
    assert (found.action, found.held_by, found.window) == ("warn", "data check", None)
    assert "a model must not learn from them: 'distance' is in kilometres" in found.reasons[0]
    assert found.counterfactual.startswith(
        "With rows that pass the data check it would be 'retrain': version 1 has lost"
    )


def test_rows_that_nobody_checked_decide_nothing():
    found = decided(first_champion(), signals(30, data_check="missing", quality=None))
    assert (found.action, found.held_by) == ("warn", "data check")
    assert "no data check was made" in found.reasons[0]


def test_without_a_champion_a_training_is_asked_for():
    found = decided([], signals(0, quality=None, epoch=0, champion_version=None))
    assert (found.action, found.window) == ("retrain", "all")
    assert "there is no champion" in found.reasons[0]


def test_the_cooldown_holds_and_says_what_it_held():
    past = [*first_champion(), *weeks(*CALM), training(4, verdict="fail", epoch=1), *weeks(2.0, 2.0, start=5)]
    held = decided(past, signals(5.9, None))
    assert (held.action, held.held_by) == ("nothing", "cooldown")
    assert held.reasons[0] == (
        "retrain.policy.cooldown lasts until 2013-04-12, for a training ended at 2013-03-29; else it would be 'retrain'"
    )
    assert "more than a fresh model would have" in held.reasons[1]
    assert held.counterfactual == "From 2013-04-12 on the same facts ask for a training."
    assert decided(past, signals(6, 2.0)).action == "retrain"


def test_a_training_that_never_ended_does_not_cool_down():
    past = [*first_champion(), *weeks(*CALM, 0.9, 0.9)]
    assert decided(past, signals(6, 0.9)).action == "retrain", "a crashed run leaves no evaluation"


def test_a_refused_training_starts_the_account_anew():
    past = [*first_champion(), *weeks(0.7, 0.7, 0.7), training(4, verdict="fail", epoch=1)]
    found = decided([*past, *weeks(0.6, start=5)], signals(6, 0.6))
    assert (found.action, found.standing["windows"]) == ("nothing", 2)
    assert found.standing["since"].startswith("2013-03-29")


def test_a_fresh_model_loses_what_the_last_versions_lost_at_first():
    past = [*first_champion(0.5)]
    for epoch, loss in enumerate([0.4, 0.6, 0.7, 0.9, 0.8, 0.3], 1):
        week = 4 * epoch
        past += [training(week), promotion(week, str(epoch + 1), epoch=epoch + 1, metrics={"log_loss": 9.0})]
        past += weeks(loss, 2.0, start=week + 1, version=str(epoch + 1))
    found = decided(past, signals(27, 2.0, version="7", epoch=7))
    assert found.standing["level"] == 0.7, "median of the last five: 0.6, 0.7, 0.9, 0.8, 0.3"


def test_an_old_champion_asks_whatever_it_lost():
    found = decided([*first_champion(), *weeks(*CALM)], signals(26, 0.5))
    assert found.action == "retrain"
    assert found.reasons == ("the last training stood at 2013-03-01, longer ago than retrain.policy.max_age (180d)",)
    assert decided([*first_champion(), *weeks(*CALM)], signals(25, 0.5)).action == "nothing"


def test_an_old_champion_that_was_never_judged_asks_too():
    found = decided(first_champion(), signals(26, quality=None))
    assert found.action == "retrain"


def test_a_champion_without_labels_is_not_judged_and_that_is_said():
    found = decided(first_champion(), signals(3, quality=None))
    assert found.reasons == ("version 1 was not judged: no window has enough labelled predictions",)


def test_a_challenger_that_passed_and_never_served_does_not_silence_the_loop():
    passed = event(0, "evaluate", {"verdict": "pass", "epoch": 1, "id": "e9", "model_id": "m9"}, week=7)
    losing = [*first_champion(), *weeks(*CALM), *weeks(0.9, 0.9, start=5), passed]
    refused = event(0, "deploy", {"outcome": "refused", "model_id": "m9"}, week=7)

    assert decided(losing, signals(8, 0.9)).action == "retrain"
    assert decided([*losing, refused], signals(8, 0.9)).action == "nothing"


def test_what_could_not_be_measured_is_a_reason_to_look():
    found = decided([*first_champion(), *weeks(*CALM)], signals(4, problems=("there are no labels",)))

    assert (found.action, found.reasons[0]) == ("warn", "there are no labels")


def test_a_refused_first_challenger_cools_down_too():
    refused = training(0, verdict="fail")

    found = decided([refused], signals(1, version=None, epoch=0))

    assert (found.action, found.held_by) == ("nothing", "cooldown")


def test_drift_alone_warns():
    found = decided(
        [*first_champion(), *weeks(*CALM)],
        signals(4, 0.5, drift=Drift("drifted", 0.5625, ("temp", "dewp", "hour", "x"))),
    )
    assert found.action == "warn"
    assert found.reasons[0] == (
        "56% of the columns are beyond the spec's drift thresholds (temp, dewp, hour), which alone asks for no training"
    )
    assert found.counterfactual.startswith("Without that it would be 'nothing'.")


def test_prediction_drift_alone_warns():
    moved = PredictionDrift("drifted", "wasserstein", 0.234, 0.1)
    found = decided([*first_champion(), *weeks(*CALM)], signals(4, 0.5, prediction_drift=moved))
    assert (found.action, found.reasons[0]) == (
        "warn",
        "the predictions drifted (wasserstein 0.234, threshold 0.1), which alone asks for no training",
    )


def test_by_schedule_nothing_asks_but_it_is_measured():
    past = [*first_champion(), *weeks(*CALM, 0.9, 0.9)]
    found = decided(past, signals(40, 0.9), policy=SchedulePolicy())
    assert (found.action, found.standing["last_loss"]) == ("nothing", 0.9)
    assert decided([], signals(0, quality=None, epoch=0), policy=SchedulePolicy()).action == "nothing"


def test_each_version_is_charged_for_its_own_losses_only():
    past = [
        *first_champion(),
        *weeks(0.9, 0.9, 0.9),
        training(4),
        promotion(4, "2", epoch=2, metrics={"log_loss": 0.5}),
    ]
    found = decided([*past, *weeks(0.5, start=5, version="2")], signals(6, 0.5, version="2", epoch=2))
    assert (found.action, found.standing["champion_version"], found.standing["windows"]) == ("nothing", "2", 2)


def test_a_decision_is_json():
    found = decided([*first_champion(), *weeks(*CALM, 0.7, 0.7)], signals(6, 0.7)).to_dict()
    assert json.loads(json.dumps(found)) == found


@given(st.lists(st.floats(0, 10), max_size=40), st.floats(0, 5), st.floats(0, 1))
def test_excess_is_never_negative_and_counts_the_windows_it_stems_from(losses, level, allowance):
    excess, windows = excess_loss(losses, level, allowance)
    assert excess >= 0
    assert (windows > 0) == (excess > 0)
    assert excess <= sum(max(0.0, loss - level - allowance) for loss in losses) + 1e-9


@pytest.mark.parametrize(
    ("metric", "loss"),
    [("log_loss", 0.4), ("brier", 0.1), ("zero_one", 0.25), ("mean_absolute_error", 3.0), ("mean_squared_error", 16.0)],
)
def test_a_loss_is_found_among_the_metrics_of_an_evaluation(metric, loss):
    metrics = {"log_loss": 0.4, "brier": 0.1, "accuracy": 0.75, "mae": 3.0, "rmse": 4.0}
    assert holdout_loss(metrics, metric) == loss
    assert holdout_loss({}, metric) is None
