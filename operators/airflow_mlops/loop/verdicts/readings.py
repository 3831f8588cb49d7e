"""Facts that are read off rather than estimated, as signals."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from airflow_mlops.loop.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from airflow_mlops.loop.signal import Verdict
    from airflow_mlops.loop.signals import DataCheck

DATA_QUALITY, FRESHNESS, AGE, RELATIVE_AGE = "data_quality", "freshness", "age", "relative_age"

# Rows that are so many times as old as usual are late; so many times, they have stopped.
LATE, STOPPED = 2.0, 4.0
# Looks whose newest row says how old one usually is.
FEWEST_USUAL = 3

_CHECKED: dict[str, tuple[float | None, Verdict]] = {
    "passed": (0.0, "stable"),
    "warning": (0.5, "watch"),
    "failed": (1.0, "drifted"),
    "missing": (None, "unknown"),
}


def readings(
    *,
    now: datetime,
    data_check: DataCheck,
    reasons: tuple[str, ...] = (),
    newest: datetime | None = None,
    usual: timedelta | None = None,
    age: timedelta | None = None,
    max_age: timedelta | None = None,
) -> dict[str, Signal]:
    """Give the signals ``data_quality``, ``freshness``, ``age`` and ``relative_age``.

    Parameters
    ----------
    now : datetime
        The moment of the look.
    data_check : {"passed", "warning", "failed", "missing"}
        Verdict on its rows; ``data_quality`` is 0, 0.5 or 1.
    reasons : tuple of str
        What the check found.
    newest : datetime, optional
        Time of the newest row.
    usual : timedelta, optional
        How old the newest row is at a usual look; without it the age of rows has no verdict. An hour is the least.
    age : timedelta, optional
        Of the champion.
    max_age : timedelta, optional
        From when on it is old; ``relative_age`` is the share of it that has passed.

    Returns
    -------
    dict of str to Signal
        By name; ``freshness`` and ``age`` in days.
    """
    value, verdict = _CHECKED[data_check]
    said = "; ".join(reasons) or f"the data check: {data_check}"
    old = age is not None and max_age is not None and age >= max_age
    days = None if age is None else _days(age)
    share = None if age is None or max_age is None else age / max_age
    return {
        DATA_QUALITY: Signal(DATA_QUALITY, value, verdict, limit=1.0, detail=said),
        FRESHNESS: _freshness(None if newest is None else now - newest, usual),
        AGE: Signal(
            AGE,
            days,
            _of_age(known=days is not None, old=old),
            limit=None if max_age is None else _days(max_age),
            detail="no version serves" if days is None else f"the champion has served for {days:.1f} days",
        ),
        RELATIVE_AGE: Signal(
            RELATIVE_AGE,
            share,
            _of_age(known=share is not None, old=old),
            limit=1.0,
            detail="there is no age to compare" if share is None else f"{share:.0%} of the maximum age",
        ),
    }


def usual_age(ages: Sequence[float | None]) -> timedelta | None:
    """Return how old the newest row usually is, from that of earlier looks in days; None of too few of them."""
    from datetime import timedelta

    known = [age for age in ages if age is not None]
    return timedelta(days=median(known)) if len(known) >= FEWEST_USUAL else None


def _freshness(lag: timedelta | None, usual: timedelta | None) -> Signal:
    from datetime import timedelta

    if lag is None:
        return Signal(FRESHNESS, None, "unknown", detail="there are no rows")
    said = f"the newest row is {_days(lag):.2f} days old"
    if usual is None:
        return Signal(FRESHNESS, _days(lag), "unknown", detail=f"{said}, and how old is usual is not known")
    least = max(usual, timedelta(hours=1))
    verdict: Verdict = "drifted" if lag >= STOPPED * least else "watch" if lag >= LATE * least else "stable"
    return Signal(
        FRESHNESS, _days(lag), verdict, limit=_days(STOPPED * least), detail=f"{said}, usual are {_days(usual):.2f}"
    )


def _of_age(*, known: bool, old: bool) -> Verdict:
    return "unknown" if not known else "drifted" if old else "stable"


def _days(length: timedelta) -> float:
    return length.total_seconds() / 86_400
