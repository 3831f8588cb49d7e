"""A label that arrives after a decision has no say in it, even where its window was judged before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from airflow_mlops.replay.board import Board
from airflow_mlops.replay.plays import Table, play
from airflow_mlops.spec.loop_sections import ExcessLossPolicy
from airflow_mlops.spec.policy_sections import CommitteePolicy, SinglePolicy
from tests.replay.tiny import tiny

MIDDLE, LATE_DAYS = 22, 12


def late_matrix():
    """Every fourth label comes twelve days late."""
    matrix = tiny(40, change=12)
    arrived = matrix.arrived.copy()
    arrived[:, ::4] += np.timedelta64(LATE_DAYS, "D")
    return replace(matrix, arrived=arrived)


def otherwise(matrix):
    """Let every label that arrives after a look in the middle say something else."""
    now = np.datetime64(matrix.looks[MIDDLE].now.replace(tzinfo=None), "us")
    target = np.where(matrix.arrived > now, matrix.target + 100, matrix.target)
    losses = np.abs(matrix.outputs - target).mean(axis=-1).astype("float32")
    return replace(matrix, target=target, losses=losses)


def decided(each):
    return (each.to_dict() if hasattr(each, "to_dict") else each.action, getattr(each, "weights", None))


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(
    "policy",
    [
        CommitteePolicy(windows=("all", "recent"), price=0.1),
        SinglePolicy(windows=("all", "recent"), price=0.1),
        ExcessLossPolicy(threshold=0.1, cooldown="1d"),
    ],
    ids=lambda policy: policy.kind,
)
def test_a_label_that_comes_late_changes_no_decision_before_it(flights_spec, policy, gated):
    gate = flights_spec.evaluate.gate.model_copy(update={"min_rows": 20, "block": None})
    evaluate = flights_spec.evaluate.model_copy(update={"gate": gate})
    monitor = flights_spec.monitor.model_copy(update={"min_labels": 10})
    spec = flights_spec.model_copy(update={"evaluate": evaluate, "monitor": monitor})
    matrix = late_matrix()

    one, other = (
        play(Table(Board(each, maturity=0.7), spec, gated), policy, keep=True) for each in (matrix, otherwise(matrix))
    )

    known = MIDDLE - one.first + 1
    assert "retrain" in one.actions[:known]
    assert one.actions[:known] == other.actions[:known]
    assert [decided(each) for each in one.choices[:known]] == [decided(each) for each in other.choices[:known]]
    assert [decided(each) for each in one.choices] != [decided(each) for each in other.choices]


def test_labels_that_came_in_time_are_all_that_counts():
    matrix = late_matrix()
    board = Board(matrix, maturity=0.7)

    place = next(place for place, look in enumerate(matrix.looks) if look.judged[0] == 20)
    assert board.known.is_partial[20]
    in_time = np.arange(matrix.target.shape[1]) % 4 > 0
    expected = np.abs(matrix.outputs[1, 4, 20, in_time] - matrix.target[20, in_time]).mean()
    assert board.members[1, 4, place] == pytest.approx(expected)
    assert not Board(tiny()).known.is_partial.any()
