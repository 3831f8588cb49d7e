"""How good a play was: its loss between that of never training again and that of training at every look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.replay.play import first_champion

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from airflow_mlops.replay.board import Board


def mean_loss(board: Board, losses: np.ndarray) -> float:
    """Average the losses of cells, each by its share of time: every window counts the same."""
    import numpy as np

    known = np.isfinite(losses)
    return float(np.average(losses[known], weights=board.lengths[known]))


def never(board: Board) -> np.ndarray:
    """Return the loss of the first champion in each cell it would have served."""
    import numpy as np

    window, look = first_champion(board)
    losses = board.matrix.losses[window, look].astype("float64").copy()
    losses[: board.matrix.looks[look].serves] = np.nan
    return losses


def every(board: Board, window: str) -> np.ndarray:
    """Return the loss of training at every look, with one training window."""
    return trained_at(board, window, range(len(board.matrix.looks)))


def trained_at(board: Board, window: str, looks: Iterable[int]) -> np.ndarray:
    """Return the loss of each cell where the newest version serves, trained at some looks.

    A look at which the training was impossible leaves what serves.
    """
    import numpy as np

    matrix = board.matrix
    place, model = matrix.windows.index(window), first_champion(board)
    found = np.full(len(matrix.cells), np.nan)
    found[matrix.looks[model[1]].serves :] = matrix.losses[model][matrix.looks[model[1]].serves :]
    for look in looks:
        if look > model[1] and matrix.trained[place, look]:
            first = matrix.looks[look].serves
            found[first:] = matrix.losses[place, look, first:]
    return found


def best_every(board: Board) -> np.ndarray:
    """Return the loss of training at every look, with the better of the windows "all" and "recent"."""
    windows = [window for window in ("all", "recent") if window in board.matrix.windows]
    return min((every(board, window) for window in windows), key=lambda losses: mean_loss(board, losses))


def stretches(board: Board) -> list[tuple[int, int]]:
    """Return first and last + 1 of the cells that what is decided at each look answers, to the next look."""
    serves = [look.serves for look in board.matrix.looks]
    return list(zip(serves, [*serves[1:], len(board.matrix.cells)], strict=True))


def by_look(board: Board, losses: np.ndarray) -> np.ndarray:
    """Average the losses of cells over what each look's decision answers; not a number where no row has a label.

    Parameters
    ----------
    board : Board
        The history.
    losses : ndarray of shape (n_cells,)
        Of a play, or of one model.

    Returns
    -------
    ndarray of shape (n_looks,)
    """
    import numpy as np

    found = np.full(len(board.matrix.looks), np.nan)
    for place, (first, last) in enumerate(stretches(board)):
        part = losses[first:last]
        known = np.isfinite(part)
        if known.any():
            found[place] = np.average(part[known], weights=board.lengths[first:last][known])
    return found


def kept(board: Board, loss: float) -> float | None:
    """Return how much of what training at every look gains over never training a mean loss keeps.

    0 is never training again, 1 is training at every look with the better of the two windows; None where these two
    give the same.
    """
    nothing, most = mean_loss(board, never(board)), mean_loss(board, best_every(board))
    return None if nothing == most else (nothing - loss) / (nothing - most)
