"""When a history is looked at, and the stretches of time that a replay cannot cut any finer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.loop.labels import require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from airflow_mlops.spec import ModelSpec


def looks_of(
    rows: pd.DataFrame, spec: ModelSpec, *, first: datetime, step: timedelta | None = None
) -> tuple[datetime, ...]:
    """Return the times at which the monitor looks at a history, as long as there are rows to answer.

    Parameters
    ----------
    rows : DataFrame
        The history; only its times are read.
    spec : ModelSpec
        Its data.time and monitor.window.
    first : datetime
        The first look, with a zone: leave enough rows before it for a first training.
    step : timedelta, optional
        From look to look; default monitor.window.

    Raises
    ------
    HistoryUnusable
        There are no rows, ``first`` has no zone, the step is not positive, or every row comes before the first look.
    MissingColumns
        The history has no column of times.
    """
    step = step or spec.monitor_window
    if first.tzinfo is None or step <= timedelta(0):
        raise HistoryUnusable(f"looks need a first time with a zone and a positive step; got {first} and {step}.")
    start, end = span_of(rows, spec)
    count = (end - first) // step + 1
    if count < 1:
        raise HistoryUnusable(
            f"nothing to replay: the rows run from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}, and none comes from "
            f"the first look at {first:%Y-%m-%d %H:%M} on. Give an earlier first look or more rows."
        )
    return tuple(first + index * step for index in range(count))


def span_of(rows: pd.DataFrame, spec: ModelSpec) -> tuple[datetime, datetime]:
    """Return the first and the last time of a history.

    Raises
    ------
    HistoryUnusable
        There is no row with a time.
    MissingColumns
        The history has no column of times.
    """
    import pandas as pd

    require_columns(rows, [spec.data.time], where="the history")
    times = pd.to_datetime(rows[spec.data.time], utc=True)
    if times.isna().all():
        raise HistoryUnusable(f"nothing to replay: none of {len(rows)} rows has a time in {spec.data.time!r}.")
    return times.min().to_pydatetime(warn=False), times.max().to_pydatetime(warn=False)


def judged_window(now: datetime, spec: ModelSpec) -> tuple[datetime, datetime]:
    """Return the window whose labels have become due at a look: monitor.window long, data.label_delay back."""
    end = now - spec.data.label_delay
    return end - spec.monitor_window, end


def cuts_of(looks: Sequence[datetime], spec: ModelSpec, *, end: datetime) -> list[datetime]:
    """Return the times that bound cells: every look, both ends of its judged window, and the end of the history.

    Parameters
    ----------
    looks : sequence of datetime
        Rising, with a zone.
    spec : ModelSpec
        Its data.label_delay and monitor.window.
    end : datetime
        The last row's time; it lies inside the last cell.
    """
    bounds = {moment for now in looks for moment in (now, *judged_window(now, spec))}
    return sorted(bounds | {max(end + timedelta(microseconds=1), looks[-1] + timedelta(microseconds=1))})


def count_looks(count: int) -> str:
    """Write a number of looks for a sentence."""
    return "1 look" if count == 1 else f"{count} looks"


def checked_looks(looks: Sequence[datetime]) -> tuple[datetime, ...]:
    """Return looks in UTC.

    Raises
    ------
    HistoryUnusable
        There is none, one has no zone, or they do not rise.
    """
    if not looks:
        raise HistoryUnusable("a replay needs at least one look; see looks_of.")
    if naive := [each for each in looks if each.tzinfo is None]:
        raise HistoryUnusable(f"the look at {naive[0]} has no time zone; give it one.")
    for earlier, later in pairwise(looks):
        if later <= earlier:
            raise HistoryUnusable(f"looks have to rise, but {later} comes after {earlier}; sort them, each once.")
    return tuple(each.astimezone(UTC) for each in looks)
