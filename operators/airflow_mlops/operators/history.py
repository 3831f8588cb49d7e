"""The rows of a history, read through a spec's sources exactly as *ingest* reads a window of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors import EmptyWindow, HistoryUnusable
from airflow_mlops.operators.ingest import Part

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from airflow_mlops.spec import ModelSpec


# So many windows of the monitor are replayed, where nothing else is said.
WINDOWS = 120


def history_start(spec: ModelSpec, end: datetime) -> datetime:
    """Return where a history begins by default: 120 windows before its end, and what a first training reads."""
    return end - spec.ingest.window - WINDOWS * spec.monitor_window


def read_history(spec: ModelSpec, start: datetime, end: datetime) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Read rows and labels of a stretch of time.

    Returns
    -------
    rows : DataFrame
        Of [``start``, ``end``).
    labels : list of DataFrame
        What arrived in that time, where labels have a source of their own; else empty.

    Raises
    ------
    HistoryUnusable
        The times are the wrong way round, or there is no row or label between them.
    """
    if start >= end:
        raise HistoryUnusable(
            f"there is no time from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}; turn --from and --to round."
        )
    rows = _read(spec, "rows", start, end)
    return rows, [_read(spec, "labels", start, end)] if spec.data.labels else []


def _read(spec: ModelSpec, part: str, start: datetime, end: datetime) -> pd.DataFrame:
    from airflow_mlops.hooks.source import SourceHook
    from airflow_mlops.stages.ingest import ingest

    wanted = Part.of(spec, part)
    raw = SourceHook(wanted.source, base_dir=spec.base_dir).read(start, end, wanted.time)
    try:
        table, _ = ingest(raw, time=wanted.time, key=wanted.key_columns, columns=wanted.columns, start=start, end=end)
    except EmptyWindow as error:
        seen = f"; its times run from {error.span[0]} to {error.span[1]}" if error.span else ""
        raise HistoryUnusable(
            f"nothing to replay: the source of {spec.name} has no {part} between {start:%Y-%m-%d %H:%M} and "
            f"{end:%Y-%m-%d %H:%M} ({error.rows_read} rows read{seen}). Give --from and --to."
        ) from error
    return table.to_pandas()
