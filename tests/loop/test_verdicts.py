"""A verdict calls drift what is large and lasts, and says so when it cannot tell."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.errors import CalibrationUnusable
from airflow_mlops.loop.calibration import calibrate
from airflow_mlops.loop.clusters import mean_error
from airflow_mlops.loop.effects import category_effect, numeric_effect
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import Quality
from airflow_mlops.loop.verdicts import Level, data_drift, persistent, prediction_drift, quality, readings
from airflow_mlops.loop.verdicts.drift import weights_of
from airflow_mlops.stages.drift.effects import measure_effects
from tests.loop.past import START, WEEK

LEVEL = Level(0.5, 5, 0.01, 12)


def normal(rows, shift=0.0, seed=0):
    return np.random.default_rng(seed).standard_normal(rows) + shift


def effect(name, shift=0.0, rows=2000):
    return numeric_effect(name, normal(rows), normal(rows, shift, seed=1))


def labelled(loss, *, labels=500, maturity=1.0):
    return Quality(START, START + WEEK, "log_loss", round(labels / maturity), labels, maturity, loss, {})


# Effects


def test_the_distance_of_numbers_is_the_one_of_kolmogorov_and_smirnov_atoms_included():
    from scipy.stats import ks_2samp

    then, now = normal(500).round(1), normal(300, 0.3, seed=1).round(1)

    assert numeric_effect("x", then, now).value == pytest.approx(ks_2samp(then, now).statistic)


def test_the_distance_of_categories_is_the_share_of_rows_that_would_have_to_move():
    then, now = np.repeat([0, 1, 2], [50, 30, 20]), np.repeat([0, 1, 2], [20, 30, 50])

    assert category_effect("x", (then, now), 3).value == pytest.approx(0.3)


@given(st.floats(0.1, 50), st.floats(-100, 100))
def test_another_unit_does_not_change_an_effect(factor, offset):
    then, now = normal(200), normal(200, 0.5, seed=1)

    moved = numeric_effect("x", then * factor + offset, now * factor + offset)

    assert moved.value == pytest.approx(numeric_effect("x", then, now).value, abs=0.011)  # sums can tie values


@given(st.integers(0, 1000), st.floats(0, 2))
def test_an_interval_holds_its_value(seed, shift):
    found = numeric_effect("x", normal(300, seed=seed), normal(200, shift, seed=seed + 1))

    assert 0 <= found.low <= found.value <= found.high <= 1


def test_rows_of_days_that_resemble_each_other_say_less():
    days = np.repeat(np.arange(60), 50)
    alike = np.repeat(normal(60), 50) + 0.1 * normal(3000, seed=3)
    whole = numeric_effect("x", alike[:2500], alike[2500:], days=(days[:2500], days[2500:]))
    loose = numeric_effect("x", normal(2500), normal(500, seed=1), days=(days[:2500], days[2500:]))

    assert whole.pairs < 20
    assert loose.pairs > 300
    assert mean_error(alike, days) > 4 * mean_error(alike)


# Drift


def test_a_large_move_is_found_and_a_small_one_on_many_rows_is_not_called_one():
    assert data_drift({"x": effect("x", 1.0)}).verdict == "watch"
    certain = numeric_effect("x", normal(200_000), normal(200_000, 0.1, seed=1))
    assert certain.low > 0
    assert data_drift({"x": certain}).verdict == "stable"


def test_few_rows_are_not_enough_data_and_the_signal_says_so():
    found = data_drift({"x": effect("x", 3.0, rows=40)})

    assert (found.verdict, found.value) == ("unknown", None)
    assert found.detail == "none of 1 columns has enough rows, or days, to be told from chance"


def test_a_column_the_model_leans_on_decides_and_another_hardly_counts():
    effects = {"used": effect("used"), "idle": effect("idle", 1.0)}

    assert data_drift(effects, importance={"used": 0.3, "idle": 0.0}).value < 0.05
    found = data_drift(effects, importance={"used": 0.0, "idle": 0.3})
    assert found.value > 0.95
    assert found.detail.startswith("1 of 2 columns moved (idle by 0.")


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9))
def test_weights_sum_to_one_and_none_is_zero(rises):
    names = [str(place) for place in range(len(rises))]

    weights = weights_of(names, dict(zip(names, rises, strict=True)))

    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) > 0


def test_a_calibrated_threshold_replaces_the_default():
    moved = {"x": effect("x", 1.0)}

    assert data_drift(moved, thresholds={"x": 0.6}).verdict == "stable"
    assert prediction_drift(moved["x"], threshold=0.6).limit == 0.6


def test_the_more_columns_the_farther_one_has_to_move():
    one = data_drift({"0": effect("0", 0.25, rows=400)})
    many = data_drift({str(place): effect(str(place), 0.25 * (place == 0), rows=400) for place in range(50)})

    assert one.verdict == "watch"
    assert many.verdict == "stable"


def test_months_of_flights_differ_in_weather_and_not_in_carriers(january, july):
    columns = ["carrier", "origin", "temp", "sched_dep_time"]
    found = measure_effects(january.to_pandas(), july.to_pandas(), columns)

    assert found["temp"].low > 0.8
    assert max(found[name].value for name in columns if name != "temp") < 0.1
    assert data_drift(found, importance={"sched_dep_time": 0.1, "temp": 0.01}).verdict == "watch"


def test_days_of_the_rows_are_taken_from_their_time(january):
    rows = january.to_pandas()
    halves = rows[rows.index < 4000], rows[rows.index >= 4000]
    known = measure_effects(*halves, ["temp"], time="scheduled")["temp"]

    assert known.pairs < known.independent / 50
    assert data_drift({"temp": known}).verdict == "unknown"


def test_a_column_that_does_not_compare_is_left_out():
    then = pd.DataFrame({"empty": [None, None], "x": [0.5, 1.5], "turned": [1.0, 2.0]})
    now = pd.DataFrame({"empty": [1.0, 2.0], "x": [0.5, np.inf], "turned": ["a", "b"]})

    found = measure_effects(then, now, ["empty", "x", "turned"])

    assert {name: effect.rows for name, effect in found.items()} == {"x": 1}


# Persistence


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([], "unknown"),
        ([True, None], "unknown"),
        ([False], "stable"),
        ([True], "watch"),
        ([True, False, False], "watch"),
        ([True, False, False, False], "stable"),
        ([True, True], "drifted"),
        ([True, None, True], "drifted"),
        ([True, True, False], "drifted"),
        ([True, True, False, False], "watch"),
    ],
)
def test_drifted_is_said_where_two_of_the_last_three_looks_were_beyond(looks, verdict):
    assert persistent(looks) == verdict


@given(st.lists(st.sampled_from([True, False, None]), max_size=8))
def test_one_more_look_beyond_never_calms(looks):
    order = ["unknown", "stable", "watch", "drifted"]

    assert order.index(persistent([*looks, True])) >= order.index(persistent([*looks, False]))


def test_a_second_look_beyond_is_drift():
    first = data_drift({"x": effect("x", 1.0)})
    other = Signal("quality", 9.0, "watch", limit=1.0)

    assert data_drift({"x": effect("x", 1.0)}, past=[first]).verdict == "drifted"
    assert data_drift({"x": effect("x", 1.0)}, past=[other]).verdict == "watch"


# Quality


def test_a_loss_far_above_that_of_a_fresh_model_is_beyond_and_a_usual_one_is_not():
    worse = quality(labelled(0.6), LEVEL, error=0.01)

    assert (worse.verdict, worse.low, worse.high) == ("watch", pytest.approx(0.5804), pytest.approx(0.6196))
    assert worse.detail == "log_loss 0.6, a fresh model has 0.5, limit 0.536"
    assert quality(labelled(0.52), LEVEL).verdict == "stable"
    assert quality(labelled(0.6), LEVEL, past=[worse]).verdict == "drifted"


@pytest.mark.parametrize(
    ("found", "level", "sentence"),
    [
        (labelled(0.6, labels=50), LEVEL, "50 labelled answers, a verdict needs 200"),
        (labelled(0.6, maturity=0.5), LEVEL, "50% of the labels have arrived, a verdict needs 80%"),
        (labelled(0.6), Level(None, 0, 0.1, 5), "what a fresh model loses is not known yet"),
        (labelled(0.6), Level.of([0.5], [0.5, 0.6]), "losses of 1 changes from window to window are known, .* needs 3"),
        (None, LEVEL, "there are no labelled answers"),
    ],
)
def test_quality_without_labels_enough_has_a_value_and_no_verdict(found, level, sentence):
    import re

    signal = quality(found, level, min_labels=200, maturity=0.8)

    assert signal.verdict == "unknown"
    assert re.fullmatch(sentence, signal.detail)


def test_losses_that_creep_upwards_make_more_noise_than_their_changes_say():
    creeping, calm = [0.5 + 0.01 * week for week in range(12)], [0.5, 0.51] * 6

    assert Level.of([0.5], creeping).noise == pytest.approx(0.03)
    assert Level.of([0.5], calm).noise == pytest.approx(0.01)


# Readings


def test_ages_and_checks_are_read_off():
    days = {name: timedelta(days=count) for name, count in (("age", 45), ("max_age", 30), ("usual", 1))}
    found = readings(
        now=START, data_check="failed", reasons=("temp is null",), newest=START - timedelta(days=3), **days
    )

    assert {name: (signal.value, signal.verdict) for name, signal in found.items()} == {
        "data_quality": (1.0, "drifted"),
        "freshness": (3.0, "watch"),
        "age": (45.0, "drifted"),
        "relative_age": (1.5, "drifted"),
    }
    assert found["data_quality"].detail == "temp is null"


def test_what_was_not_read_has_no_verdict():
    assert {signal.verdict for signal in readings(now=START, data_check="missing").values()} == {"unknown"}


# Calibration


def test_a_calibrated_look_alarms_as_often_as_stated_in_windows_of_the_same_kind():
    drawn = np.random.default_rng(0).beta(2, 5, (5, 99 + 5000))
    found = calibrate({str(place): row[:99].tolist() for place, row in enumerate(drawn)}, false_alarms=0.05)
    limits = np.array(list(found.thresholds.values()))[:, None]

    assert found.rate == 0.05
    assert found.low <= (drawn[:, 99:] >= limits).any(axis=0).mean() <= found.high


def test_forty_windows_do_not_show_one_false_alarm_in_a_hundred():
    windows = np.random.default_rng(0).beta(2, 5, 40).tolist()

    found = calibrate({"x": windows}, false_alarms=0.01)

    assert (found.is_reached, found.windows_needed, found.rate) == (False, 99, pytest.approx(1 / 41))
    assert found.thresholds["x"] > max(windows)


@pytest.mark.parametrize(
    ("effects", "rate", "sentence"),
    [
        ({"x": [0.1] * 9}, 0.01, "9 past windows are too few to calibrate on: 10 are the least, .* needs 99"),
        ({}, 0.01, "no column can be compared in every window"),
        ({"x": [0.1] * 20}, 1.5, "a rate of false alarms of 1.5 is none"),
    ],
)
def test_what_cannot_be_calibrated_says_why(effects, rate, sentence):
    with pytest.raises(CalibrationUnusable, match=sentence):
        calibrate(effects, false_alarms=rate)
