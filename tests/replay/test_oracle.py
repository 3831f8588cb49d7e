"""The dynamic programme finds what trying everything finds."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from airflow_mlops.replay.board import Board
from airflow_mlops.replay.measure import by_look, mean_loss
from airflow_mlops.replay.oracle import oracle
from tests.replay.tiny import tiny


@pytest.fixture(scope="module")
def board():
    return Board(tiny(11))


def lost(board, models):
    """Return the mean loss of a sequence of models, the first champion's before them."""
    matrix = board.matrix
    losses = matrix.losses[0, 0].astype("float64").copy()
    losses[: matrix.looks[0].serves] = np.nan
    for window, look in models:
        losses[matrix.looks[look].serves :] = matrix.losses[window, look, matrix.looks[look].serves :]
    return mean_loss(board, losses)


def every_sequence(board, count):
    looks = range(1, len(board.matrix.looks))
    for places in combinations(looks, count):
        for windows in product((0, 1), repeat=count):
            yield list(zip(windows, places, strict=True))


def test_no_sequence_of_so_many_trainings_is_better(board):
    found = oracle(board)

    for count in range(len(board.matrix.looks)):
        best = min(lost(board, models) for models in every_sequence(board, count))
        assert found.losses[count] == pytest.approx(best, abs=1e-9)


def test_the_sequence_it_names_has_the_loss_it_says(board):
    found = oracle(board)

    for most in range(len(board.matrix.looks)):
        models = found.trainings(most)
        assert len(models) <= most
        assert lost(board, models) == pytest.approx(found.loss(most), abs=1e-9)
    assert found.loss() == min(found.losses)


def test_more_trainings_allowed_are_never_worse(board):
    losses = [oracle(board).loss(most) for most in range(len(board.matrix.looks))]

    assert (np.diff(losses) <= 1e-12).all()


def test_by_look_averages_what_each_decision_answers(board):
    losses = np.arange(11.0)

    found = by_look(board, losses)

    assert found[0] == board.matrix.looks[0].serves
    assert found[-1] == losses[board.matrix.looks[-1].serves :].mean()
