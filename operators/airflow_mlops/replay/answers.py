"""What served would have said of rows of then and of now: read off a matrix, shaped as a live look has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.clusters import mean_error
from airflow_mlops.loop.estimate import Answered
from airflow_mlops.loop.signals import Quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from airflow_mlops.replay.board import Board, Serving
    from airflow_mlops.replay.matrix import Matrix


@dataclass(frozen=True, slots=True)
class Said:
    """Answers to held-out rows whose label was known when the newest member was trained, and to the rows of a look.

    Probabilities of shape (n_rows, n_classes), or numbers; ``main`` is what prediction drift compares.
    """

    then: Answered
    now: Answered
    main: tuple[np.ndarray, np.ndarray]


def said_of(board: Board, serving: Serving, *, reference: int, look: int) -> Said:
    """Ask what serves about the rows of the monitor at a look, and about those held out at another.

    Parameters
    ----------
    board : Board
        The history.
    serving : Serving
        What answers.
    reference : int
        Look at which its newest member was trained: the other members have not seen what that one held out.
    look : int
        Now.
    """
    matrix, then = board.matrix, board.matrix.looks[reference]
    held = range(int(matrix.unseen[reference]), then.serves)
    known = _arrived(matrix, held) <= _stamp(then.now)
    past, happened = _answers(board, serving, held)
    happened = happened[known] if matrix.task == "regression" else happened[known].astype(int)
    current = range(matrix.looks[look].judged[0], matrix.looks[look].serves)
    now, _ = _answers(board, serving, current)
    past = past[known]
    return Said(
        Answered(past, _days(matrix, held)[known], happened),
        Answered(now, _days(matrix, current)),
        (_main(matrix, past), _main(matrix, now)),
    )


def quality_of(board: Board, servings: Sequence[tuple[int, Serving]], look: int) -> Quality:
    """Measure what was served in the judged window of a look, by the labels known at it.

    Parameters
    ----------
    board : Board
        The history.
    servings : sequence of (int, Serving)
        The first cell that each answered, oldest first; before the first nothing was served.
    look : int
        Now.
    """
    import numpy as np

    matrix, moment = board.matrix, board.matrix.looks[look]
    first, last = moment.judged
    cells = range(max(first, servings[0][0]), last)
    arrived = _arrived(matrix, cells) <= _stamp(moment.now)
    losses = np.concatenate([np.empty(0), *(board.row_losses(_serving(servings, cell), [cell]) for cell in cells)])
    # Each sampled row stands for so many of its cell.
    weight = np.repeat([_stands_for(matrix, cell) for cell in cells], [int(matrix.rows[cell]) for cell in cells])
    rows, labelled = round(float(weight.sum())), round(float(weight[arrived].sum()))
    each, days = losses[arrived], _days(matrix, cells)[arrived]
    return Quality(
        start=matrix.cells[first].start,
        end=matrix.cells[last - 1].end,
        metric=matrix.metric,
        rows=rows,
        labelled=labelled,
        maturity=labelled / rows if rows else 0.0,
        loss=float(each.mean()) if each.size else None,
        by_version={},
        error=mean_error(each, days) if each.size > 1 else None,
    )


def _serving(servings: Sequence[tuple[int, Serving]], cell: int) -> Serving:
    return next(serving for first, serving in reversed(servings) if first <= cell)


def _stands_for(matrix: Matrix, cell: int) -> float:
    """Tell how many rows a sampled row stands for: the sample of a cell is all that is labelled, or full."""
    sampled = int(matrix.rows[cell])
    return matrix.cells[cell].rows / sampled if sampled == matrix.target.shape[1] else 1.0


def _answers(board: Board, serving: Serving, cells: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, or the numbers of a regression, and the targets."""
    import numpy as np

    weights = [(model, weight) for model, weight in serving.weights if weight > 0]
    output, target = board.outputs(weights, cells)
    linked = np.asarray(output, dtype="float64") + np.asarray(serving.shift)
    if board.matrix.task == "regression":
        return linked, target
    if board.matrix.task == "binary":
        linked = np.column_stack([np.zeros(len(linked)), linked])
    chances = np.exp(linked - linked.max(axis=1, keepdims=True))
    return chances / chances.sum(axis=1, keepdims=True), target


def _main(matrix: Matrix, said: np.ndarray) -> np.ndarray:
    """Give the probability of the second class where there are two, else what is predicted; as the live look does."""
    import numpy as np

    if said.ndim == 1:
        return said
    return said[:, 1] if said.shape[1] == 2 else np.asarray(matrix.classes)[said.argmax(axis=1)]


def _arrived(matrix: Matrix, cells: Sequence[int]) -> np.ndarray:
    return _sampled(matrix, matrix.arrived, cells)


def _days(matrix: Matrix, cells: Sequence[int]) -> np.ndarray:
    """Give the number of the day, in UTC, of each sampled row."""
    return _sampled(matrix, matrix.times, cells).astype("datetime64[D]").astype("int64")


def _sampled(matrix: Matrix, values: np.ndarray, cells: Sequence[int]) -> np.ndarray:
    import numpy as np

    empty: Any = np.empty(0, values.dtype)
    return np.concatenate([empty, *(values[cell, : int(matrix.rows[cell])] for cell in cells)])


def _stamp(moment: Any) -> np.datetime64:
    """Return a time as arrays have it: UTC, without a zone."""
    from datetime import UTC

    import numpy as np

    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
