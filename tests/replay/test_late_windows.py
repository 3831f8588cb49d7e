"""A window whose labels come after those of later ones takes its place among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from airflow_mlops.replay.board import Board
from airflow_mlops.replay.play import Player
from airflow_mlops.spec.policy_sections import CommitteePolicy
from tests.replay.tiny import tiny

LATE, DAYS = 12, 3


def test_the_newest_loss_is_that_of_the_newest_window():
    matrix = tiny()
    arrived = matrix.arrived.copy()
    arrived[LATE] += np.timedelta64(24 * DAYS, "h")
    play = Player(Board(replace(matrix, arrived=arrived)), CommitteePolicy(windows=("all",)), keep=True).play()
    read = [choice.signals.get("quality") for choice in play.choices]
    for place, quality in enumerate(read, play.first):
        first, _ = matrix.looks[place].judged
        if quality is not None and first != LATE:
            assert quality.value == pytest.approx(play.losses[first])
    # Until its labels are there, the window before it is the newest.
    at = next(place for place, look in enumerate(matrix.looks) if look.judged[0] == LATE)
    assert read[at - play.first].value == pytest.approx(play.losses[LATE - 1])
