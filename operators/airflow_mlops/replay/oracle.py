"""The best that any sequence of trainings could have done, known only afterwards, by a dynamic programme."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.replay.measure import stretches
from airflow_mlops.replay.play import first_champion

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.replay.board import Board, Model


@dataclass(frozen=True)
class Oracle:
    """The best sequences of trainings where the newest version serves, for each number of trainings.

    Attributes
    ----------
    losses : ndarray of shape (n_looks + 1,)
        Mean loss with exactly so many trainings after the first champion's; infinite where they cannot be made.
    """

    losses: np.ndarray
    _chosen: np.ndarray
    _models: tuple[Model, ...]

    def at_most(self, trainings: int) -> int:
        """Return how many of at most so many trainings are best; the fewest of equals."""
        return int(self.losses[: trainings + 1].argmin())

    def loss(self, trainings: int | None = None) -> float:
        """Return the lowest mean loss with at most so many trainings; default: as many as are good."""
        most = len(self.losses) - 1 if trainings is None else min(trainings, len(self.losses) - 1)
        return float(self.losses[self.at_most(most)])

    def trainings(self, most: int | None = None) -> list[Model]:
        """Return window and look of the trainings of the best sequence, in time."""
        count = self.at_most(len(self.losses) - 1 if most is None else most)
        found, model = [], int(self._chosen[-1, count])
        while count:
            found.append(self._models[model])
            count -= 1
            # What served before this training is what was best with one fewer up to its look.
            model = int(self._chosen[self._models[model][1], count])
        return found[::-1]


def oracle(board: Board) -> Oracle:
    """Find the best sequence of trainings, of any training window, for every number of them.

    The loss from a look on depends on the version that serves alone, so the best past of each version and number of
    trainings is all that has to be kept from look to look: exact, in looks x trainings x versions steps.

    Parameters
    ----------
    board : Board
        The history.

    Returns
    -------
    Oracle
        Of versions served one at a time, the newest: a committee, re-election or correction may do better.

    Raises
    ------
    HistoryUnusable
        There is no first champion.

    References
    ----------
    Bellman (1957), Dynamic Programming, chapter III: the principle of optimality.
    """
    import numpy as np

    matrix, champion = board.matrix, first_champion(board)
    windows, looks, first = len(matrix.windows), len(matrix.looks), champion[1]
    models = tuple((window, look) for look in range(looks) for window in range(windows))
    # Rows: trainings so far. Columns: the version that serves.
    total = np.full((looks - first, len(models)), np.inf)
    total[0, models.index(champion)] = 0.0
    chosen = np.zeros((looks + 1, looks - first), dtype="int64")
    for look, cells in enumerate(stretches(board)):
        if look > first:
            chosen[look] = total.argmin(axis=1)
            before = total.min(axis=1)
            for window in np.flatnonzero(matrix.trained[:, look]).tolist():
                total[1:, look * windows + window] = before[:-1]
        if look >= first:
            total += _lost(board, slice(*cells))
    chosen[-1] = total.argmin(axis=1)
    is_known = matrix.rows[matrix.looks[first].serves :] > 0
    return Oracle(total.min(axis=1) / board.lengths[matrix.looks[first].serves :][is_known].sum(), chosen, models)


def _lost(board: Board, cells: slice) -> np.ndarray:
    """Return what each model loses in some cells, by their length; infinite where it has trained on one of them."""
    import numpy as np

    lengths = np.where(board.matrix.rows[cells] > 0, board.lengths[cells], 0.0)
    losses = np.where(lengths > 0, board.matrix.losses[:, :, cells], 0.0)
    return np.nan_to_num((losses @ lengths).T.ravel(), nan=np.inf)
