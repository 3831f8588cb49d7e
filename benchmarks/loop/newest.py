"""Triggers that serve the newest version, trained on all history, replayed on a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from airflow_mlops.replay.board import Serving
from airflow_mlops.replay.measure import mean_loss, trained_at
from airflow_mlops.replay.play import first_champion
from airflow_mlops.stages.links import losses_of

if TYPE_CHECKING:
    from airflow_mlops.replay.board import Board, Model


class Trigger(Protocol):
    """Says at each look whether to train; it is told of every training."""

    def asks(self, look: int, champion: Model, errors: np.ndarray) -> bool:
        """Say whether to train.

        Parameters
        ----------
        look : int
            Place of the look.
        champion : (int, int)
            What serves.
        errors : ndarray of shape (n_rows,)
            Of what was served, on the rows whose labels became enough at this look.
        """

    def trained(self) -> None:
        """Hear that another version serves."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a trigger did."""

    loss: float
    trainings: int


def replay(board: Board, trigger: Trigger) -> Replayed:
    """Let a trigger train, and return the loss of serving each version until the next."""
    matrix = board.matrix
    champion = first_champion(board)
    place = matrix.windows.index("all")
    served: dict[int, Model] = {}
    waiting: list[int] = []
    trainings: list[int] = []
    serves = matrix.looks[champion[1]].serves
    for look in range(champion[1] + 1, len(matrix.looks)):
        served |= dict.fromkeys(range(serves, matrix.looks[look].serves), champion)
        serves = matrix.looks[look].serves
        waiting.append(look)
        due = [window for window in waiting if board.ready[window] <= look]
        waiting = [window for window in waiting if board.ready[window] > look]
        if trigger.asks(look, champion, _errors(board, due, served)):
            trainings.append(look)
            if matrix.trained[place, look]:
                champion = (place, look)
                trigger.trained()
    return Replayed(mean_loss(board, trained_at(board, "all", trainings)), len(trainings))


def _errors(board: Board, windows: list[int], served: dict[int, Model]) -> np.ndarray:
    """Return 0 and 1 for classes; of a regression absolute errors in mean absolute deviations of its target."""
    matrix, found = board.matrix, [np.empty(0)]
    metric = "mean_absolute_error" if matrix.task == "regression" else "zero_one"
    for window in windows:
        for cell in range(*matrix.looks[window].judged):
            if cell in served and matrix.rows[cell]:
                output, target = board.outputs(Serving(((served[cell], 1.0),)).weights, [cell])
                found.append(losses_of(matrix.task, target, output, metric, clip=matrix.clip) / _scale(board))
    return np.concatenate(found)


def _scale(board: Board) -> float:
    """Return what makes errors comparable between streams: known from the windows before the first champion served."""
    matrix = board.matrix
    if matrix.task != "regression":
        return 1.0
    known = matrix.target[: matrix.looks[0].serves]
    known = known[np.isfinite(known)]
    return float(np.abs(known - np.median(known)).mean()) or 1.0 if len(known) else 1.0
