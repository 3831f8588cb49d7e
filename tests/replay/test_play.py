"""A policy played over a history knows what a live one would know, and spends what it may."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.board import Board
from airflow_mlops.replay.play import Player, first_champion
from airflow_mlops.spec.policy_sections import Budget, CommitteePolicy, RulesPolicy, SinglePolicy
from airflow_mlops.spec.rule_sections import Compare
from tests.replay.tiny import tiny

ALWAYS = Compare(signal="age", at_least=0)
EAGER = Budget(start=100, share=1)


@pytest.fixture
def board():
    return Board(tiny())


def single(**changes):
    return SinglePolicy(windows=("all", "recent"), **changes)


def committee(**changes):
    return CommitteePolicy(windows=("all", "recent"), **changes)


def test_what_was_served_is_what_the_losses_say(board):
    play = Player(board, committee(price=0.1)).play()

    servings = [*play.servings, (len(board.matrix.cells), None)]
    for (first, serving), (after, _) in pairwise(servings):
        for cell in range(first, after):
            said = sum(weight * board.matrix.outputs[model][cell] for model, weight in serving.weights) + serving.shift
            expected = np.abs(said - board.matrix.target[cell]).mean()
            assert play.losses[cell] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(play.losses[: play.servings[0][0]]).all()


@pytest.mark.parametrize("policy", [committee(price=0.05), single(price=0.05, shortest=0)])
def test_a_budget_is_never_exceeded(board, policy):
    budget = Budget(start=1, share=0.1)
    play = Player(board, policy.model_copy(update={"budget": budget, "train": ALWAYS})).play()

    for asked, trained in enumerate(play.trainings):
        looks = trained.look - play.first + 1
        assert asked < budget.start + budget.share * looks
    assert play.trainings


def test_a_budget_of_a_month_counts_the_last_thirty_days(board):
    policy = RulesPolicy(train=ALWAYS, budget=EAGER.model_copy(update={"trainings": 3}), shortest=0)

    assert len(Player(board, policy).play().trainings) == 3


def test_a_cooldown_keeps_trainings_apart(board):
    policy = RulesPolicy(train=ALWAYS, budget=EAGER, shortest=0, cooldown=timedelta(days=4))
    looks = [trained.look for trained in Player(board, policy).play().trainings]

    assert np.diff(looks).min() == 4


def test_a_new_version_serves_from_the_next_cell_on(board):
    policy = RulesPolicy(train=ALWAYS, budget=EAGER, shortest=0, windows=("recent",))
    play = Player(board, policy).play()

    for trained in play.trainings:
        cell = board.matrix.looks[trained.look].serves
        assert play.losses[cell] == pytest.approx(float(board.matrix.losses[1, trained.look, cell]))


@pytest.mark.parametrize("policy", [committee(price=0.1), single(price=0.1)])
@pytest.mark.parametrize("delay", [1, 4])
def test_labels_that_have_not_arrived_change_no_decision(policy, delay):
    matrix = tiny(40, delay=delay)
    middle = 15
    now = np.datetime64(matrix.looks[middle].now.replace(tzinfo=None), "us")
    target = np.where(matrix.arrived > now, matrix.target + 100, matrix.target)
    losses = np.abs(matrix.outputs - target).mean(axis=-1).astype("float32")
    changed = replace(matrix, target=target, losses=losses)

    one, other = (Player(Board(each), policy, keep=True).play() for each in (matrix, changed))

    decided = middle - one.first + 1
    assert decided > 5
    assert one.actions[:decided] == other.actions[:decided]
    for mine, theirs in zip(one.choices[:decided], other.choices[:decided], strict=True):
        assert (mine.weights, mine.shift, mine.signals) == (theirs.weights, theirs.shift, theirs.signals)
    assert one.choices[decided + delay + 1].signals != other.choices[decided + delay + 1].signals


def test_labels_that_come_late_are_waited_for():
    matrix = tiny()
    late = matrix.arrived.copy()
    late[10] += np.timedelta64(5 * 24, "h")
    board = Board(replace(matrix, arrived=late))
    place = next(place for place, look in enumerate(matrix.looks) if look.judged[0] == 10)

    assert board.ready[place] == place + 5
    assert board.ready[place + 1] == place + 1


def test_forced_looks_train_whatever_the_policy_says(board):
    never = Compare(signal="age", at_least=1e9)
    play = Player(board, committee(train=never), forced=frozenset({5, 9})).play()

    assert [trained.look for trained in play.trainings] == [5, 9]
    assert play.actions[5 - play.first] == "retrain"
    assert [board.matrix.windows[trained.model[0]] for trained in play.trainings] == ["all", "recent"]


def test_a_window_that_the_matrix_lacks_is_named(board):
    with pytest.raises(HistoryUnusable, match="trains on the window 'mix', and the matrix has all, recent"):
        Player(board, CommitteePolicy()).play()


def test_the_first_champion_is_the_first_model_there_is():
    matrix = tiny()
    seconds = matrix.seconds.copy()
    seconds[:, :3] = np.nan

    assert first_champion(Board(replace(matrix, seconds=seconds))) == (0, 3)
    with pytest.raises(HistoryUnusable, match="no look of tiny had rows enough"):
        first_champion(Board(replace(matrix, seconds=np.full_like(seconds, np.nan))))
