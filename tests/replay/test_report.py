"""Numbers of a backtest, on plays whose truth is plain."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.board import Board, Serving
from airflow_mlops.replay.choose_setting import choose_setting, grid
from airflow_mlops.replay.gates import Gates
from airflow_mlops.replay.measure import best_every, every, kept, mean_loss, never, trained_at
from airflow_mlops.replay.noise import difference
from airflow_mlops.replay.page import render
from airflow_mlops.replay.periodic import at_equal_trainings, clocked, periodic_curve
from airflow_mlops.replay.play import Play, Trained
from airflow_mlops.replay.plays import Table, play
from airflow_mlops.replay.plots import draw, smooth
from airflow_mlops.replay.report import Candidate, backtest
from airflow_mlops.replay.score import false_alarms, windows_behind, worst_gap
from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy
from airflow_mlops.spec.policy_sections import Budget, CommitteePolicy, RulesPolicy, SinglePolicy
from airflow_mlops.spec.rule_sections import Compare
from tests.replay.tiny import tiny

SINGLE = SinglePolicy(windows=("all", "recent"))
COMMITTEE = CommitteePolicy(windows=("all", "recent"))


@pytest.fixture
def table(flights_spec):
    return Table(Board(tiny(50)), flights_spec, gated=False)


def of_model(board, servings, trainings=()):
    """Make a play of models that serve from a cell on."""
    losses = np.full(len(board.matrix.cells), np.nan)
    for first, model in servings:
        losses[first:] = board.matrix.losses[(*model, slice(first, None))]
    return Play(losses, 1, list(trainings), servings=[(first, Serving(((model, 1.0),))) for first, model in servings])


def test_never_keeps_nothing_and_every_look_keeps_all(table):
    board = table.board

    assert kept(board, mean_loss(board, never(board))) == 0
    assert kept(board, mean_loss(board, best_every(board))) == 1
    assert mean_loss(board, best_every(board)) == min(
        mean_loss(board, every(board, window)) for window in ("all", "recent")
    )


def test_cells_count_by_their_length(table):
    matrix = table.board.matrix
    cells = [replace(cell, end=cell.start + 2 * (cell.end - cell.start)) if not place else cell
             for place, cell in enumerate(matrix.cells)]  # fmt: skip
    losses = np.where(np.arange(50) == 0, 5.0, 2.0)

    assert mean_loss(Board(replace(matrix, cells=tuple(cells))), losses) == pytest.approx((2 * 5 + 49 * 2) / 51)


def test_nothing_is_kept_where_nothing_can_be(table):
    matrix = table.board.matrix
    still = Board(replace(matrix, losses=np.where(np.isnan(matrix.losses), np.nan, 1.0)))

    assert kept(still, 1.0) is None


# Scores


def test_the_worst_gap_is_that_of_the_worst_four_windows(table):
    losses = best_every(table.board)
    losses[20:24] += [1.0, 2.0, 3.0, 6.0]

    assert worst_gap(table.board, Play(losses, 1)) == pytest.approx(3.0)


def test_time_to_recover_counts_windows_in_a_row(table):
    losses = best_every(table.board)
    losses[20:25] += 9.0
    losses[30:32] += 9.0

    assert windows_behind(table.board, Play(losses, 1)) == [5, 2]


def test_a_training_that_brought_nothing_is_a_false_alarm():
    board = Board(tiny(40, change=20))
    serves = [look.serves for look in board.matrix.looks]
    after = next(place for place, look in enumerate(board.matrix.looks) if look.judged[0] == 21)
    calm, needed, refused = (
        Trained(5, (0, 5), True, 1.0), Trained(after, (1, after), True, 1.0), Trained(30, (0, 30), False, 1.0)
    )  # fmt: skip
    made = of_model(
        board, [(serves[0], (0, 0)), (serves[5], (0, 0)), (serves[after], (1, after))], [calm, needed, refused]
    )

    assert false_alarms(board, made) == [calm, refused]


# By the clock


def test_a_clock_at_every_look_is_training_at_every_look(table):
    curve, board = periodic_curve(table.board), table.board
    looks = len(board.matrix.looks) - 1

    assert curve[0] == (0.0, mean_loss(board, never(board)))
    assert curve[-1] == (looks, pytest.approx(mean_loss(board, best_every(board))))
    assert [count for count, _ in curve] == sorted(count for count, _ in curve)


def test_a_clock_is_averaged_over_where_it_starts(table):
    board = table.board
    window = "all" if mean_loss(board, every(board, "all")) < mean_loss(board, every(board, "recent")) else "recent"
    looks = len(board.matrix.looks)
    by_phase = [mean_loss(board, trained_at(board, window, range(phase, looks, 2))) for phase in (1, 2)]

    found = at_equal_trainings(periodic_curve(board), (looks - 1) / 2)

    assert found == pytest.approx(np.mean(by_phase))


def test_the_same_committee_by_the_clock_trains_as_often(table):
    done = play(table, COMMITTEE)
    lost = clocked(table, COMMITTEE, len(done.trainings))

    assert mean_loss(table.board, best_every(table.board)) * 0.7 < lost < mean_loss(table.board, never(table.board))
    idle = RulesPolicy(train=Compare(signal="age", at_least=1e9))
    assert clocked(table, idle, 0) == pytest.approx(mean_loss(table.board, never(table.board)))


# Noise


def noise(rng, count, correlation):
    shocks, found = rng.normal(size=count + 30), np.zeros(count + 30)
    for place in range(1, count + 30):
        found[place] = correlation * found[place - 1] + shocks[place]
    return found[30:]


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.05), (0.3, 0.05), (0.6, 0.065)])
def test_where_nothing_differs_few_comparisons_say_so(correlation, most):
    rng = np.random.default_rng(7)
    found = [difference(noise(rng, 60, correlation), np.zeros(60), seed=run).is_worse for run in range(400)]

    assert np.mean(found) < most


def test_what_is_worse_is_found():
    rng = np.random.default_rng(7)
    found = [difference(noise(rng, 60, 0.3) + 1, np.zeros(60), seed=run) for run in range(50)]

    assert np.mean([each.is_worse for each in found]) > 0.95
    assert not any(each.is_better for each in found)


def test_few_windows_say_nothing():
    assert not difference(np.full(9, 5.0), np.zeros(9)).is_worse


def test_equal_series_are_no_difference():
    found = difference(np.ones(40), np.ones(40))

    assert (found.mean, found.is_worse, found.is_better) == (0.0, False, False)


# The choice of a setting


@pytest.mark.parametrize("policy", [SINGLE, COMMITTEE, ExcessLossPolicy(), SinglePolicy(threshold=0.7)])
def test_the_grid_holds_the_policys_own_setting(policy):
    own = [
        setting for setting in grid(policy) if all(getattr(policy, name) == value for name, value in setting.items())
    ]

    assert len(own) == 1


def test_what_has_no_setting_gets_no_recommendation(table):
    assert choose_setting(table, SchedulePolicy()) is None
    assert choose_setting(table, RulesPolicy(train=Compare(signal="age", at_least=5))) is None


def test_windows_that_are_judged_have_no_say(flights_spec):
    matrix = tiny(60)
    table = Table(Board(matrix), flights_spec, gated=False)
    found = choose_setting(table, SINGLE, jobs=1)

    assert found.windows == len(matrix.looks) - -(-len(matrix.looks) // 5)
    assert found.settings == 15
    assert found.difference.mean == pytest.approx(found.chosen - found.kept)


# The report


@pytest.fixture
def report(table):
    return backtest(table, [Candidate("one", SINGLE), Candidate("other", COMMITTEE)], jobs=1, compare=(0, 1))


def test_a_report_is_json(report):
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))

    assert plain["schema_version"] == 1
    assert [entry["name"] for entry in plain["policies"]] == ["one", "other"]
    for entry in plain["policies"]:
        assert len(entry["losses"]) == len(plain["times"]) == plain["looks"] + 1
        assert len(entry["trained"]) == entry["trainings"]
        assert entry["oracle"]["loss"] <= entry["periodic"]["loss"]
        assert entry["decisions"] == []
        assert np.mean(entry["losses"]) == pytest.approx(entry["loss"])


def test_each_refused_training_keeps_the_reason_and_like_reasons_are_one_line(flights_spec):
    table = Table(Board(tiny(50)), flights_spec)

    found = backtest(table, [Candidate("one", SINGLE)], jobs=1)

    trained = found.to_dict()["policies"][0]["trained"]
    assert {each["reason"] for each in trained if not each["served"]} == {
        each["reason"] for each in trained if each["reason"]
    }
    reason = "no row that the version has not seen has a label yet"
    assert trained[0]["reason"] == reason
    [line] = found.refusals()
    assert line == f"one: {len(trained)} trainings refused, such as: {reason}"
    assert line in found.sentences()
    assert line in render(found, {})


def test_the_gate_names_the_rows_it_lacks_or_the_comparison_that_failed(table):
    settings = table.spec.evaluate.gate.model_copy(update={"block": None, "margin": 0.0})
    new, old = (0, 10), (0, 5)
    sides = [Serving(((model, 1.0),)) for model in (new, old)]

    few = Gates(table.board, settings).refusal(*sides, new, 14)
    worse = Gates(table.board, settings.model_copy(update={"min_rows": 100, "confidence": 0.999})).refusal(
        *sides, new, 14
    )

    assert few == "160 held-out rows are fewer than the 200 the gate needs (evaluate.gate.min_rows)"
    assert "is not shown" in worse


def test_reasons_that_differ_in_numbers_only_are_alike(table):
    reasons = ("3 rows are few", "the training was impossible: one class", "40 rows are few")
    trainings = [Trained(look, (0, look), False, 0.0, reason) for look, reason in enumerate(reasons)]
    [entry] = (report := backtest(table, [Candidate("one", SINGLE)], jobs=1)).entries
    entry = replace(entry, play=replace(entry.play, trainings=trainings))

    assert replace(report, entries=(entry,)).refusals() == [
        "one: 2 trainings refused, such as: 3 rows are few",
        "one: 1 training refused: the training was impossible: one class",
    ]


def test_hindsight_with_more_trainings_is_never_worse(report):
    losses = [loss for _, loss in report.hindsight]

    assert (np.diff(losses) <= 1e-12).all()
    assert losses[0] == pytest.approx(report.bounds[0])


def test_decisions_are_kept_where_they_are_asked_for(table):
    policies = [Candidate("one", SINGLE), Candidate("old", ExcessLossPolicy())]
    plain = backtest(table, policies, jobs=1, keep=True).to_dict()

    for entry in plain["policies"]:
        assert len(entry["decisions"]) == plain["looks"]
        assert {"now", "action", "tree"} <= entry["decisions"][0].keys()
    assert plain["policies"][0]["decisions"][-1]["tree"]["train"]["rule"]


def test_the_page_needs_no_network(report):
    page = render(report, draw(report))

    assert "Backtest of tiny" in page
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "http" not in page
    assert "one" in page


def test_a_second_policy_that_never_trains_is_worse_where_the_world_changes(flights_spec):
    table = Table(Board(tiny(60, change=15)), flights_spec, gated=False)
    idle = RulesPolicy(train=Compare(signal="age", at_least=1e9))
    found = backtest(table, [Candidate("one", SINGLE), Candidate("idle", idle)], jobs=1, compare=(0, 1)).comparison

    assert found.is_worse
    assert found.reasons[0].startswith("idle is worse than one: mean_absolute_error ")
    assert not backtest(
        table, [Candidate("idle", idle), Candidate("one", SINGLE)], jobs=1, compare=(0, 1)
    ).comparison.is_worse


def test_a_second_policy_that_a_clock_makes_train_beyond_its_budget_is_worse(table):
    retrain = table.spec.retrain.model_copy(update={"schedule": "0 0 * * *"})
    daily = Table(table.board, table.spec.model_copy(update={"retrain": retrain}), gated=False)
    thrifty = SINGLE.model_copy(update={"budget": Budget(start=1, share=0.1)})

    found = backtest(daily, [Candidate("one", SINGLE), Candidate("two", thrifty)], jobs=1, compare=(0, 1)).comparison

    assert found.is_worse
    assert "two trains 45 times in 45 looks, and its budget allows 6" in found.reasons[-1]


def test_signals_that_a_backtest_does_not_measure_are_named(table):
    asks = RulesPolicy(train=Compare(signal="data_drift", verdict="drifted"))

    [note] = backtest(table, [Candidate("drifty", asks)], jobs=1).notes

    assert note.startswith("drifty asks for data_drift, which a backtest does not measure")


def test_that_no_setting_is_recommended_names_the_cause(flights_spec):
    table = Table(Board(tiny(20)), flights_spec, gated=False)
    own = RulesPolicy(train=Compare(signal="age", at_least=5))
    candidates = [Candidate("one", SINGLE), Candidate("own", own), Candidate("clock", SchedulePolicy())]

    assert backtest(table, candidates, jobs=1).recommendations() == [
        "one: there is no setting to choose: 15 looks are fewer than the 20 that it takes to judge one.",
        "own: there is no setting to choose: its training rule is its own.",
        "clock: there is no setting to choose: a schedule has no price, threshold or allowance.",
    ]


def test_a_short_history_is_refused(flights_spec):
    for days, looks in ((12, "7 looks"), (6, "1 look")):
        table = Table(Board(tiny(days)), flights_spec, gated=False)
        with pytest.raises(HistoryUnusable, match=f"tiny has {looks} after its first champion, and fewer than 10"):
            backtest(table, [Candidate("one", SINGLE)])


def test_smoothing_takes_the_four_newest_windows():
    assert smooth(np.array([1.0, 3.0, np.nan, 5.0, 9.0, 9.0]))[[0, 1, 3, 5]] == pytest.approx([1, 2, 3, 23 / 3])
