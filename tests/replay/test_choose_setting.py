"""What a training is charged with follows from the first stretch of a history, and not from what is judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from airflow_mlops.replay.board import Board
from airflow_mlops.replay.choose_setting import choose_setting
from airflow_mlops.replay.measure import by_look
from airflow_mlops.replay.plays import Table, play
from airflow_mlops.spec.policy_sections import SinglePolicy
from tests.replay.tiny import tiny

POLICY = SinglePolicy(windows=("all", "recent"), price=0.5)


def charged(spec, matrix):
    """Return what one training was charged with in the stretches that are judged."""
    table = Table(Board(matrix), spec, gated=False)
    found, done = choose_setting(table, POLICY, jobs=1), play(table, POLICY)
    lost = by_look(table.board, done.losses)
    judged = np.flatnonzero(np.isfinite(lost))[-found.windows :]
    trainings = sum(trained.look in judged for trained in done.trainings)
    assert trainings
    return (found.kept * found.windows - lost[judged].sum()) / trainings


def test_later_losses_have_no_say_in_the_price_of_a_training(flights_spec):
    matrix = tiny(60)
    target = matrix.target.copy()
    target[50:] *= 30
    losses = np.abs(matrix.outputs - target).mean(axis=-1).astype("float32")

    found = charged(flights_spec, replace(matrix, target=target, losses=losses))

    assert found == pytest.approx(charged(flights_spec, matrix))
