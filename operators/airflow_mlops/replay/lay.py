"""A table to play policies on, laid from the rows and labels of a history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.board import Board
from airflow_mlops.replay.build import build_matrix
from airflow_mlops.replay.measures import Measures
from airflow_mlops.replay.plays import Table, windows_of
from airflow_mlops.replay.report import FEWEST_LOOKS
from airflow_mlops.replay.streams import count_looks, looks_of, span_of
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy

# Before its holdout, the first champion has so many windows to learn from.
FIRST_WINDOWS = 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a backtest gets.

    ``max_train_rows`` are drawn for a training, all where it is None; every model answers ``sample_rows`` of each cell;
    ``jobs`` processes work.
    """

    max_train_rows: int | None = 20_000
    sample_rows: int = 500
    jobs: int = 2


def lay(
    rows: pd.DataFrame,
    labels: Sequence[pd.DataFrame],
    spec: ModelSpec,
    policies: Sequence[Policy],
    *,
    bounds: Bounds | None = None,
    gated: bool = True,
    signals: bool = False,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Train every model that the policies could ask for, or open where that was done before.

    Parameters
    ----------
    rows : DataFrame
        The history, as *ingest* gives it.
    labels : sequence of DataFrame
        Where the spec has ``data.labels``.
    spec : ModelSpec
        Of the model.
    policies : sequence of Policy
        Their training windows.
    bounds : Bounds, optional
        Sizes.
    gated : bool, default=True
        Let versions pass the gates before they serve.
    signals : bool, default=False
        Measure what the default rule of ``warn`` names, too. What rules in the spec name is measured anyway.
    folder : Path, optional
        Where matrices are kept.
    progress : callable, optional
        Told how many models are done, and how many there are.

    Raises
    ------
    HistoryUnusable
        There are no rows, fewer than ten looks, or no training is possible.
    MissingColumns
        A column of the spec is not in the rows.
    """
    bounds = bounds or Bounds()
    matrix = build_matrix(
        rows,
        labels,
        spec,
        looks=_looks(rows, spec),
        windows=windows_of(spec, policies),
        folder=folder,
        jobs=bounds.jobs,
        sample_rows=bounds.sample_rows,
        max_train_rows=bounds.max_train_rows,
        progress=progress,
    )
    board = Board(matrix, maturity=spec.monitor.maturity)
    return Table(board, spec, gated, Measures(rows, spec, board, folder=folder, warnings=signals))


def _looks(rows: pd.DataFrame, spec: ModelSpec) -> tuple[datetime, ...]:
    """Return a look every monitor.window, from where a first champion has rows to learn from and to be judged on."""
    start, end = span_of(rows, spec)
    head = max(spec.evaluate.holdout, spec.data.label_delay) + FIRST_WINDOWS * spec.monitor_window
    first = _whole(start, spec.monitor_window) + min(head, spec.ingest.window)
    needed = FEWEST_LOOKS + 1
    found: Any = looks_of(rows, spec, first=first) if first <= end else ()
    if len(found) < needed:
        length = format_duration(spec.monitor_window)
        raise HistoryUnusable(
            f"the history of {spec.name} from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} has "
            f"{count_looks(len(found))} of {length} (monitor.window) from a first training on, and fewer than {needed} "
            "tell no policy from another; give a longer history (--from, --to), or a shorter monitor.window."
        )
    return found


def _whole(start: datetime, window: timedelta) -> datetime:
    """Go back to the hour, so that looks do not depend on which row was the first."""
    return start.replace(minute=0, second=0, microsecond=0) if window >= timedelta(hours=1) else start
