"""The replay of the policies that serve the newest version decides as the live code does, look by look."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.loop.history import History, Promotion, Training, Window
from airflow_mlops.loop.policy import decide
from airflow_mlops.loop.signals import Signals, VersionLoss
from airflow_mlops.replay.board import Board
from airflow_mlops.replay.newest import NewestPlayer
from airflow_mlops.replay.plays import Table, play, play_all, scheduled
from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy
from airflow_mlops.spec.policy_sections import SinglePolicy
from tests.replay.tiny import DAY, ROWS, tiny

POLICY = ExcessLossPolicy(threshold=0.3, max_age=timedelta(days=9), cooldown=timedelta(days=2))


@pytest.fixture
def spec(flights_spec):
    monitor = flights_spec.monitor.model_copy(update={"min_labels": 10, "window": DAY})
    return flights_spec.model_copy(update={"monitor": monitor})


def by_hand(board, spec, policy):
    """Drive the live decision over a matrix in a few lines of its own."""
    matrix = board.matrix
    served = {0: (0, 0)}
    windows, promotions, trainings, actions = [], [], [], []

    def promote(look):
        held = slice(matrix.unseen[look], matrix.looks[look].judged[1])
        metrics = {"mae": float(matrix.losses[0, look, held].mean())} if held.stop > held.start else {}
        trainings.append(Training(matrix.looks[look].now, "pass", len(promotions), metrics))
        promotions.append(Promotion(str(len(promotions) + 1), len(promotions) + 1, matrix.looks[look].now, metrics))

    promote(0)
    version = np.zeros(len(matrix.cells), int)
    version[matrix.looks[0].serves :] = 1
    for place, look in enumerate(matrix.looks[1:], start=1):
        [cell] = range(*look.judged)
        if version[cell]:
            loss = float(matrix.losses[0, served[version[cell] - 1][1], cell])
            losses = {str(version[cell]): VersionLoss(loss, ROWS)}
            start, end = matrix.cells[cell].start, matrix.cells[cell].end
            windows.append(Window(start, end, look.now, matrix.metric, ROWS, loss, losses, is_sound=True))
        history = History(tuple(promotions), tuple(trainings), tuple(windows))
        signals = Signals(look.now, len(promotions), str(len(promotions)), "passed")
        actions.append(decide(history, signals, policy, window="all", min_labels=10).action)
        if actions[-1] == "retrain":
            promote(place)
            served[len(served)] = (0, place)
            version[look.serves :] = len(promotions)
    return actions, [training.at for training in trainings]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("policy", [POLICY, SchedulePolicy()], ids=["excess_loss", "schedule"])
def test_it_decides_as_the_live_code_called_by_hand(spec, seed, policy):
    board = Board(tiny(40, seed=seed))

    found = NewestPlayer(board, policy, spec).play()

    actions, at = by_hand(board, spec, policy)
    assert found.actions == actions
    assert [board.matrix.looks[trained.look].now for trained in found.trainings] == at[1:]
    assert (policy.kind == "schedule") == (not found.trainings)


def test_each_version_answers_from_the_look_that_asked_for_it(spec):
    board = Board(tiny(40))
    found = NewestPlayer(board, POLICY, spec).play()

    for trained in found.trainings:
        cell = board.matrix.looks[trained.look].serves
        assert found.losses[cell] == board.matrix.losses[(*trained.model, cell)]


def test_too_few_labels_say_nothing(spec):
    monitor = spec.monitor.model_copy(update={"min_labels": ROWS + 1})
    policy = POLICY.model_copy(update={"max_age": timedelta(days=1000)})

    assert not NewestPlayer(Board(tiny(40)), policy, spec.model_copy(update={"monitor": monitor})).play().trainings


def test_a_training_that_is_impossible_brings_no_version(spec):
    matrix = tiny(40)
    seconds = matrix.seconds.copy()
    seconds[:, 5:20] = np.nan
    found = NewestPlayer(Board(replace(matrix, seconds=seconds)), POLICY, spec).play()

    impossible = [trained for trained in found.trainings if 5 <= trained.look < 20]
    assert impossible
    assert not any(trained.served or trained.seconds for trained in impossible)
    assert impossible[0].reason == "the training was impossible: the matrix has no model of that look"


def test_a_schedule_trains_at_the_first_look_after_its_moment(spec):
    retrain = spec.retrain.model_copy(update={"schedule": "0 12 * * 1", "policy": SchedulePolicy()})
    table = Table(Board(tiny(40)), spec.model_copy(update={"retrain": retrain}), gated=False)

    found = play(table, SchedulePolicy())

    nows = [table.board.matrix.looks[trained.look].now for trained in found.trainings]
    assert [now.isoweekday() for now in nows] == [2] * len(nows)  # Monday noon: the midnight after it
    assert len(nows) == 5
    assert scheduled(table.board, None) == frozenset()


def test_many_at_once_play_as_one_by_one(spec):
    table = Table(Board(tiny(20)), spec, gated=False)
    policies = [
        SinglePolicy(windows=("all",), price=0.1 + 0.01 * number) if number % 2 else POLICY for number in range(70)
    ]

    for mine, policy in zip(play_all(table, policies, jobs=2), policies, strict=True):
        np.testing.assert_array_equal(mine.losses, play(table, policy).losses)


def test_trainings_that_are_never_possible_are_said_so(spec):
    matrix = tiny(20)
    seconds = matrix.seconds.copy()
    seconds[1] = np.nan
    note = "no model of window 'recent' at 2024-01-04 00:00: the estimator takes no weights"
    table = Table(Board(replace(matrix, seconds=seconds, notes=(note,))), spec)

    with pytest.raises(HistoryUnusable, match=r"trains on the window 'recent', and none of 16 .* takes no weights"):
        play(table, SinglePolicy(windows=("recent",)))
