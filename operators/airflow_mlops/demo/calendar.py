"""The weeks of 2013 that the demonstration tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WEEK = timedelta(days=7)
# Midnight in New York: January and February are history.
START = datetime(2013, 3, 1, 5, tzinfo=UTC)
# Of the first telling; a fault is planted in the last of them.
TOLD_FIRST = 27
# How many each further telling adds, and after how many the year is over.
TOLD_NEXT, IN_ALL = 4, 43


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days of event time: ``start`` is included, ``end`` is not."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """Name it by its first day, as people do."""
        return f"{self.start:%d %B}".lstrip("0")


def week(number: int) -> Week:
    """Return a week by its number, the first after `START` being 0."""
    start = START + number * WEEK
    return Week(start, start + WEEK)


def next_weeks(told: int) -> range:
    """Return the numbers of the weeks that come next when so many have been told; none when the year is over."""
    if told < TOLD_FIRST:
        return range(told, TOLD_FIRST)
    return range(told, min(told + TOLD_NEXT, IN_ALL))
