"""One stream made ready: the matrix of its models, those of the first window, and the rows that peers look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.replay.board import Board
from airflow_mlops.replay.build import build_matrix
from benchmarks.loop.first_window import FirstWindow, first_window
from benchmarks.loop.looked_at import LookedAt, looked_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec
    from benchmarks.streams import Stream

WINDOWS = ("all", "recent", "mix")


@dataclass(frozen=True)
class Arena:
    """All that the rows of the table need of one stream.

    Attributes
    ----------
    board : Board
        The matrix.
    first : FirstWindow
        Further models of the first window.
    seen : LookedAt or None
        Rows of batches and of training sets; None where no peer looks at rows.
    notes : tuple of str
        What was changed, left out or impossible.
    """

    name: str
    spec: ModelSpec
    batches: int
    board: Board
    first: FirstWindow
    seen: LookedAt | None
    notes: tuple[str, ...]


def prepared(
    stream: Stream, cache: Path, *, jobs: int, peers: bool, progress: Callable[[int, int], None] | None = None
) -> Arena:
    """Build, or open, everything that is trained on a stream.

    Parameters
    ----------
    stream : Stream
        What was read.
    cache : Path
        Where matrices and the first window's models are kept.
    jobs : int
        Processes that train.
    peers : bool
        Whether rows are drawn for peers.
    progress : callable, optional
        Told how many models are done, and how many there are.

    Raises
    ------
    HistoryUnusable
        No training is possible.
    """
    matrix = build_matrix(
        stream.rows,
        stream.labels,
        stream.spec,
        windows=WINDOWS,
        folder=cache,
        jobs=jobs,
        progress=progress,
        **stream.settings,
    )
    board = Board(matrix)
    return Arena(
        name=stream.name,
        spec=stream.spec,
        batches=stream.count,
        board=board,
        first=first_window(stream, board, cache / f"{matrix.digest[:16]}.first.npz"),
        seen=looked_at(stream, board) if peers else None,
        notes=(*stream.notes, *matrix.notes),
    )
