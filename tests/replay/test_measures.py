"""Signals of a replay are those of a live look: the same rows, the same functions, and nothing from after the look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from airflow_mlops.errors import MissingColumns
from airflow_mlops.loop import verdicts
from airflow_mlops.loop.estimate import Answered, estimate_loss
from airflow_mlops.replay.answers import quality_of
from airflow_mlops.replay.board import Board, Serving
from airflow_mlops.replay.build import build_matrix
from airflow_mlops.replay.kept_effects import KeptEffects
from airflow_mlops.replay.measures import Measures, measure_for, newest_of
from airflow_mlops.replay.named import NAMES, named_by
from airflow_mlops.replay.plays import Table, play, play_all
from airflow_mlops.replay.report import Candidate, backtest
from airflow_mlops.replay.streams import looks_of
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.spec.loop_sections import SchedulePolicy
from airflow_mlops.spec.policy_sections import Budget, CommitteePolicy, RulesPolicy
from airflow_mlops.spec.rule_sections import AnyOf, Compare
from airflow_mlops.stages.drift import effects
from tests.conftest import ROOT, at_once, utc
from tests.replay.few_flights import half_a_year
from tests.replay.tiny import DAY, tiny

COLUMNS = ["origin", "distance", "sched_dep_time", "temp", "dewp"]
BUDGET = Budget(start=100, share=1)
DRIFT = Compare(signal="data_drift", verdict="drifted")
BY_DRIFT = RulesPolicy(train=DRIFT, shortest=0, budget=BUDGET)
ALL = AnyOf(any=tuple(Compare(signal=name, verdict="drifted") for name in sorted(NAMES)))


@cache
def flights():
    return half_a_year().to_pandas()


@pytest.fixture(scope="module")
def spec():
    """The flights with a small model, labels two days late; columns have moved by a threshold, few rows or not."""
    plain = at_once(load_spec(ROOT / "dags" / "specs" / "flights.yaml")).model_dump(mode="json", by_alias=True)
    plain["data"]["label_delay"], plain["ingest"]["window"] = "2d", "28d"
    plain["features"], plain["evaluate"]["slices"] = {"columns": COLUMNS}, []
    plain["train"]["params"] = {"max_iter": 2, "max_leaf_nodes": 6}
    plain["drift"] = {"share": 0.3, "thresholds": dict.fromkeys([*COLUMNS, "prediction"], 0.15)}
    return ModelSpec.model_validate(plain)


@pytest.fixture(scope="module")
def board(spec):
    looks = looks_of(flights(), spec, first=utc("2013-02-05T05:00:00"))[:14]
    return Board(build_matrix(flights(), (), spec, looks=looks, windows=("all",), jobs=1, sample_rows=400))


@pytest.fixture
def table(board, spec):
    return Table(board, spec, gated=False, measures=Measures(flights(), spec, board))


def rows_between(start, end):
    times = flights()["scheduled"]
    return flights()[(times >= start) & (times < end)]


def warned_by_all(policy):
    """Let a policy's warnings name every signal, so that all are measured."""
    return policy.model_copy(update={"warn": ALL})


def trained_at(found):
    return [trained.look for trained in found.trainings]


# What a rule sees is what a live look would have said


def test_a_drift_rule_fires_exactly_where_the_live_functions_say_drifted(table, spec):
    found = play(table, BY_DRIFT, keep=True)

    reference, past, fired = found.first - 1, [], []
    for place, look in enumerate(table.board.matrix.looks[found.first :]):
        then = table.board.matrix.looks[reference].now
        moved = effects.measure_effects(
            rows_between(then - timedelta(days=28), then),
            rows_between(look.now - timedelta(days=9), look.now),
            COLUMNS,
            time="scheduled",
        )
        signal = verdicts.data_drift(moved, thresholds=spec.drift.thresholds, share=0.3, past=past)
        past.append(signal)
        seen = found.choices[place].signals["data_drift"]
        assert (seen.value, seen.low, seen.high, seen.verdict) == (
            signal.value, signal.low, signal.high, signal.verdict
        )  # fmt: skip
        if signal.verdict == "drifted":
            fired.append(found.first + place)
            reference, past = found.first + place, []
    assert trained_at(found) == fired
    assert 2 < len(fired) < len(found.actions)


def test_answers_are_compared_with_those_to_what_the_newest_member_held_out(table, spec):
    found = play(table, warned_by_all(BY_DRIFT), keep=True)
    matrix, place = table.board.matrix, 6
    look = found.first + place
    served = [serving for first, serving in found.servings if first <= matrix.looks[look - 1].serves][-1]
    [(model, _)] = served.weights
    then = matrix.looks[model[1]]

    def said(cells, until):
        known = [(cell, row) for cell in cells for row in range(matrix.rows[cell])]
        known = [pair for pair in known if until is None or matrix.arrived[pair] <= np.datetime64(until, "us")]
        outputs = np.array([matrix.outputs[model][pair] for pair in known], dtype=float)
        chance = 1 / (1 + np.exp(-outputs))
        days = np.array([matrix.times[pair] for pair in known]).astype("datetime64[D]").astype(int)
        return chance, days, np.array([matrix.target[pair] for pair in known])

    held, days, happened = said(range(matrix.unseen[model[1]], then.serves), then.now.replace(tzinfo=None))
    now, days_now, _ = said(range(matrix.looks[look].judged[0], matrix.looks[look].serves), None)
    effect = effects.prediction_effect(held, now, days=(days, days_now))
    estimate = estimate_loss(
        "log_loss",
        Answered(np.column_stack([1 - now, now]), days_now),
        Answered(np.column_stack([1 - held, held]), days, happened.astype(int)),
    )

    signals = found.choices[place].signals
    assert signals["prediction_drift"].value == pytest.approx(effect.value)
    assert signals["prediction_drift"].rows == len(now)
    assert signals["estimated_quality"].value == pytest.approx(estimate.loss)
    assert signals["estimated_quality"].low == pytest.approx(estimate.low)


def test_quality_is_the_loss_that_was_served_and_waits_for_a_level(table):
    found = play(table, warned_by_all(BY_DRIFT), keep=True)
    matrix = table.board.matrix
    seen = [choice.signals["quality"] for choice in found.choices]

    for place, signal in enumerate(seen[2:], start=found.first + 2):
        first, last = matrix.looks[place].judged
        rows = matrix.rows[first:last]
        assert signal.value == pytest.approx(np.average(found.losses[first:last], weights=rows), rel=1e-5)
        assert signal.low < signal.value < signal.high
        assert signal.maturity == 1
    assert seen[2].verdict == "unknown"
    assert seen[-1].verdict in ("stable", "watch", "drifted")
    assert seen[-1].limit > seen[-1].value or seen[-1].verdict != "stable"


def test_freshness_is_the_age_of_the_newest_row(table):
    look = play(table, warned_by_all(BY_DRIFT), keep=True)
    now = table.board.matrix.looks[look.first].now
    newest = rows_between(now - timedelta(days=9), now)["scheduled"].max()

    assert look.choices[0].signals["freshness"].value == pytest.approx((now - newest) / timedelta(days=1))


def test_labels_that_have_not_arrived_have_no_part_in_quality():
    matrix = tiny(20, delay=1)
    look = matrix.looks[5]
    cell = look.judged[0]
    arrived = matrix.arrived.copy()
    arrived[cell, 10:] = np.datetime64((look.now + DAY).replace(tzinfo=None), "us")
    target = matrix.target.copy()
    target[cell, 10:] += 1000

    served = Serving((((0, 1), 1.0),))
    found = quality_of(Board(replace(matrix, arrived=arrived, target=target)), [(0, served)], 5)

    assert (found.rows, found.labelled, found.maturity) == (40, 10, 0.25)
    assert found.loss == pytest.approx(np.abs(matrix.outputs[0, 1, cell, :10] - matrix.target[cell, :10]).mean())


def test_before_the_first_champion_nothing_was_served_that_could_be_judged():
    found = quality_of(Board(tiny()), [(9, Serving((((0, 1), 1.0),)))], 2)

    assert (found.rows, found.labelled, found.loss) == (0, 0, None)


# Nothing after the look is read


def test_what_comes_after_a_look_changes_none_of_its_signals(board, spec):
    policy = warned_by_all(RulesPolicy(train=Compare(signal="age", at_least=4), budget=BUDGET))
    whole = play(Table(board, spec, False, Measures(flights(), spec, board)), policy, keep=True)
    matrix, look = board.matrix, whole.first + 6
    now, later = matrix.looks[look].now, matrix.looks[look].serves

    rows = flights().copy()
    rows.loc[rows["scheduled"] >= now, ["temp", "dewp", "distance"]] = 0
    outputs, target = matrix.outputs.copy(), matrix.target.copy()
    outputs[:, :, later:] = 3
    unknown = matrix.arrived > np.datetime64(now.replace(tzinfo=None), "us")
    target[unknown] = 1 - target[unknown]
    other = Board(replace(matrix, outputs=outputs, target=target))
    changed = play(Table(other, spec, False, Measures(rows, spec, other)), policy, keep=True)

    for before, after in zip(whole.choices[:7], changed.choices[:7], strict=True):
        assert {name: before.signals[name] for name in NAMES} == {name: after.signals[name] for name in NAMES}
    assert whole.choices[8].signals["data_drift"] != changed.choices[8].signals["data_drift"]


# Only what is named, and only once


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        (CommitteePolicy(), set()),
        (SchedulePolicy(), set()),
        (BY_DRIFT, {"data_drift"}),
        (CommitteePolicy(warn=Compare(signal="freshness", at_least=2)), {"freshness"}),
        (RulesPolicy(train=Compare(signal="data_quality", at_least=1)), set()),
    ],
)
def test_signals_are_those_that_rules_name(policy, names):
    assert named_by(policy, warnings=False) == names


def test_the_default_warning_is_measured_when_it_is_asked_for(board, spec):
    quiet, asked = (Measures(flights(), spec, board, warnings=warnings) for warnings in (False, True))

    assert measure_for(CommitteePolicy(), quiet) is None
    assert measure_for(SchedulePolicy(), asked) is None
    assert named_by(CommitteePolicy(), warnings=True) == {"data_drift", "prediction_drift"}
    warned = play(Table(board, spec, False, asked), CommitteePolicy(windows=("all",)), keep=True)
    assert "data_drift" in warned.choices[0].signals
    assert "freshness" not in warned.choices[0].signals


def test_columns_are_not_read_for_a_rule_that_names_none(board, spec):
    """Rows without a single column that is compared show it: reading them is an error."""
    bare = Measures(flights()[["scheduled"]], spec, board)
    by_quality = RulesPolicy(train=Compare(signal="quality", at_least=0.6), budget=BUDGET)

    assert play(Table(board, spec, False, bare), by_quality).trainings
    with pytest.raises(MissingColumns, match="origin"):
        play(Table(board, spec, False, bare), BY_DRIFT)


def test_a_second_policy_and_a_second_run_measure_nothing_again(board, spec, tmp_path, monkeypatch):
    calls, measure = [], effects.measure_effects

    def counted(*frames, **named):
        calls.append(frames)
        return measure(*frames, **named)

    monkeypatch.setattr(effects, "measure_effects", counted)
    table = Table(board, spec, False, Measures(flights(), spec, board, folder=tmp_path))

    first = play(table, BY_DRIFT)
    measured = len(calls)
    again = play(table, BY_DRIFT.model_copy(update={"pool": 3}))
    later = play(replace(table, measures=Measures(flights(), spec, board, folder=tmp_path)), BY_DRIFT)

    assert measured == len(first.actions)
    assert len(calls) == measured
    assert trained_at(first) == trained_at(again) == trained_at(later)


def test_warnings_are_not_measured_where_many_policies_are_compared(board, spec):
    bare = Table(board, spec, False, Measures(flights()[["scheduled"]], spec, board))

    [found] = play_all(bare, [CommitteePolicy(windows=("all",), warn=DRIFT)], jobs=1)

    assert "warn" not in found.actions


def test_a_line_that_a_killed_run_left_half_is_measured_again(board, spec, tmp_path):
    path = tmp_path / "effects.jsonl"
    moved = Measures(flights(), spec, board).effects(0, 3)
    KeptEffects(path).get(0, 3, lambda: moved)
    whole = path.read_text()
    path.write_text(whole + whole[:40])

    found = KeptEffects(path)
    assert found.get(0, 3, dict) == moved
    assert found.get(0, 4, lambda: moved) == moved
    assert KeptEffects(path).get(0, 4, dict) == moved


def test_many_rows_are_compared_on_a_sample_that_stays(board, spec, monkeypatch):
    monkeypatch.setattr("airflow_mlops.replay.measures.MOST_ROWS", 120)
    found, again = (Measures(flights(), spec, board).effects(0, 3) for _ in range(2))

    assert found == again
    assert (found["origin"].rows, found["origin"].reference_rows) == (120, 120)


def test_the_reference_of_a_committee_is_its_newest_member_with_a_weight():
    assert newest_of(Serving((((0, 3), 0.5), ((0, 7), 0.5), ((0, 9), 0.0)))) == 7


def test_a_report_names_only_the_data_check_as_unmeasured(table):
    asks = AnyOf(any=(DRIFT, Compare(signal="data_quality", at_least=1)))

    notes = backtest(table, [Candidate("drifty", RulesPolicy(train=asks, budget=BUDGET))], jobs=1).notes

    assert notes[-1].startswith("drifty asks for data_quality, which a backtest does not measure")
