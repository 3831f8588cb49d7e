"""How much of a window's labels has arrived, how much is usual by then, and which windows are measured again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

# A look measures no more earlier windows again than this, whatever monitor.reopen says: each takes as long as its own.
MOST_REOPENED = 8
STEPS = 20


@dataclass(frozen=True, slots=True)
class Maturity:
    """Of the ``rows`` of [``start``, ``end``) so many are ``labelled``."""

    start: datetime
    end: datetime
    rows: int
    labelled: int

    @property
    def share(self) -> float:
        """Share of the rows whose label is known, 0 where there are no rows."""
        return self.labelled / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class MaturityAt:
    """The ``share`` of a window's labels that had arrived at ``age``, the time since the window's end."""

    age: timedelta
    share: float


class Measured(Protocol):
    """A window as it was measured: a `history.Window`, or the `signals.Quality` of a look."""

    @property
    def start(self) -> datetime: ...  # noqa: D102
    @property
    def end(self) -> datetime: ...  # noqa: D102
    @property
    def maturity(self) -> float: ...  # noqa: D102


def maturity_curve(
    times: pd.Series, arrived: pd.Series, *, start: datetime, end: datetime, now: datetime, steps: int = STEPS
) -> tuple[MaturityAt, ...]:
    """Tell how the share of a window's labels grew from the window's end up to now.

    Parameters
    ----------
    times : Series of shape (n_rows,)
        Event times, with a zone. Rows outside of the window are passed over.
    arrived : Series of shape (n_rows,)
        When the label of each row became known, with a zone; null where it is not: see `labels.label_arrivals`.
    start, end : datetime
        The window; ``end`` is left out.
    now : datetime
        What arrived after it does not exist yet.
    steps : int, default=20
        Equal steps of time between the window's end and now.

    Returns
    -------
    tuple of MaturityAt
        ``steps`` + 1 points, the first at the window's end; none where the window has no rows or has not ended.
    """
    inside = arrived[(times >= start) & (times < end)]
    if inside.empty or now < end:
        return ()
    ages = [step * (now - end) / steps for step in range(steps + 1)]
    return tuple(MaturityAt(age, float((inside <= end + age).mean())) for age in dict.fromkeys(ages))


def expected_maturity(curves: Iterable[Sequence[MaturityAt]], age: timedelta) -> float | None:
    """Return the median share that past windows had at an age; None where none of them is as old.

    Parameters
    ----------
    curves : iterable of sequence of MaturityAt
        From `maturity_curve`. Between two points a curve stands where the earlier one is.
    age : timedelta
        Time since the window's end.
    """
    known = [curve for curve in curves if curve and curve[0].age <= age <= curve[-1].age]
    shares = [[point.share for point in curve if point.age <= age][-1] for curve in known]
    return median(shares) if shares else None


def describe(maturity: Maturity, *, now: datetime, expected: float | None = None) -> str:
    """Say how much of a window has arrived: "72 % of week 18 of 2013 has arrived (...)".

    Parameters
    ----------
    maturity : Maturity
        Of the window.
    now : datetime
        The moment it was measured.
    expected : float or None
        What `expected_maturity` gives.
    """
    name = window_name(maturity.start, maturity.end)
    if not maturity.rows:
        return f"{name} has no rows, so no label is waited for"
    counts = f"{maturity.labelled:,} of {maturity.rows:,} labels, {_length(now - maturity.end)} after its end"
    usual = "" if expected is None else f"; {_percent(expected)} is usual by then"
    return f"{_percent(maturity.share)} of {name} has arrived ({counts}{usual})"


def window_name(start: datetime, end: datetime) -> str:
    """Name a window as people do: a week of the calendar, a month, a day, or its bounds."""
    is_midnight = (start.hour, start.minute, start.second) == (0, 0, 0)
    if is_midnight and end - start == timedelta(weeks=1) and start.isoweekday() == 1:
        year, week, _ = start.isocalendar()
        return f"week {week} of {year}"
    if is_midnight and start.day == 1 and end == (start + timedelta(days=31)).replace(day=1):
        return f"{start:%B %Y}"
    if is_midnight and end - start == timedelta(days=1):
        return f"{start:%Y-%m-%d}"
    form = "%Y-%m-%d" if is_midnight and end - start > timedelta(days=1) else "%Y-%m-%d %H:%M"
    return f"{start.strftime(form)} to {end.strftime(form)}"


def open_windows(
    windows: Iterable[Measured],
    *,
    now: datetime,
    limit: timedelta,
    before: datetime | None = None,
    most: int = MOST_REOPENED,
) -> list[tuple[datetime, datetime]]:
    """Find the earlier windows that a look must measure again, because more of their labels may have arrived.

    Parameters
    ----------
    windows : iterable of Measured
        In the order they were measured; of one window the last measurement counts.
    now : datetime
        The moment of the look.
    limit : timedelta
        Windows that ended longer ago are closed: they are judged with the labels they have. ``ModelSpec.label_wait``.
    before : datetime, optional
        Start of the window the look judges itself; one that reaches beyond is no earlier window.
    most : int, default=8
        No more than this, the newest.

    Returns
    -------
    list of (start, end)
        Oldest first; none overlaps another.
    """
    latest = {(window.start, window.end): window.maturity for window in windows}
    kept: list[tuple[datetime, datetime]] = []
    for start, end in sorted(latest, key=lambda bounds: bounds[::-1], reverse=True):
        if (before is None or end <= before) and (not kept or end <= kept[-1][0]):
            kept.append((start, end))
    waiting = [bounds for bounds in kept if latest[bounds] < 1 and now - bounds[1] <= limit]
    return waiting[:most][::-1]


def _percent(share: float) -> str:
    # Rounded down, so that what is not complete is never said to be.
    return f"{int(100 * share + 1e-9)} %"


def _length(age: timedelta) -> str:
    days, hours = age / timedelta(days=1), age / timedelta(hours=1)
    return f"{days:.0f} days" if days >= 2 else f"{hours:.0f} hours"
