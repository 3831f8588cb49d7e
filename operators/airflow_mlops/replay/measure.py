"""How good a play was: its loss between that of never training again and that of training at every look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.play import first_champion

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.replay.board import Board
    from airflow_mlops.replay.play import Play


def mean_loss(board: Board, losses: np.ndarray) -> float:
    """Average the losses of cells, each cell by its rows' share of time: every window counts the same."""
    import numpy as np

    known = np.isfinite(losses)
    return float(losses[known].mean())


def never(board: Board) -> np.ndarray:
    """Return the loss of the first champion in each cell it would have served."""
    import numpy as np

    window, look = first_champion(board, "all")
    losses = board.matrix.losses[window, look].astype("float64").copy()
    losses[: board.matrix.looks[look].serves] = np.nan
    return losses


def every(board: Board, window: str) -> np.ndarray:
    """Return the loss of training at every look, with one training window."""
    import numpy as np

    matrix = board.matrix
    place, champion = matrix.windows.index(window), first_champion(board, "all")
    found = np.full(len(matrix.cells), np.nan)
    model = champion
    for look in range(champion[1], len(matrix.looks)):
        if look > champion[1] and matrix.trained[place, look]:
            model = (place, look)
        until = matrix.looks[look + 1].serves if look + 1 < len(matrix.looks) else len(matrix.cells)
        for cell in range(matrix.looks[look].serves, until):
            found[cell] = matrix.losses[model][cell]
    return found


def gain_kept(board: Board, play: Play | np.ndarray) -> float:
    """Return how much of what training at every look gains over never training a play kept.

    Parameters
    ----------
    board : Board
        The history; its matrix has the training windows "all" and "recent".
    play : Play or ndarray of shape (n_cells,)
        What was served, or its losses.

    Returns
    -------
    float
        0 is never training again, 1 is training at every look with the better of the two windows.

    Raises
    ------
    HistoryUnusable
        Training at every look changes nothing, so nothing can be kept of it.
    """
    losses = play if not hasattr(play, "losses") else play.losses
    nothing = mean_loss(board, never(board))
    most = min(mean_loss(board, every(board, window)) for window in ("all", "recent") if window in board.matrix.windows)
    if nothing == most:
        raise HistoryUnusable("training at every look gives the same loss as never training; there is nothing to keep.")
    return (nothing - mean_loss(board, losses)) / (nothing - most)
