"""How a window is covered by parts.

Bounds of parts are multiples of their length since 1970-01-01T00:00Z, so that every run, whenever it starts, means the
same parts. Where a window begins or ends between two bounds, its first or last part is cut there and is a part of its
own: no row outside the window is in a snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The stretch of time of a part.

    Attributes
    ----------
    start, end : datetime
        In UTC; ``start`` is included, ``end`` is not.
    is_whole : bool
        Whether it goes from bound to bound; else it was cut at an edge of its window.
    """

    start: datetime
    end: datetime
    is_whole: bool = True

    def __str__(self) -> str:
        """Write both ends."""
        return f"{self.start.isoformat()} to {self.end.isoformat()}"


def aligned(moment: datetime, length: timedelta) -> datetime:
    """Return the last bound of parts up to a moment."""
    return moment - (moment - EPOCH) % length


def spans_of(start: datetime, end: datetime, length: timedelta) -> list[Span]:
    """Cover a window by parts, in order of time.

    Parameters
    ----------
    start, end : datetime
        Bounds with a zone; ``start`` is included, ``end`` is not.
    length : timedelta
        Of a part, positive.
    """
    spans = []
    here, end = start.astimezone(UTC), end.astimezone(UTC)
    while here < end:
        bound = aligned(here, length)
        stop = min(bound + length, end)
        spans.append(Span(here, stop, is_whole=here == bound and stop == bound + length))
        here = stop
    return spans


def newest_parts(moment: datetime, length: timedelta, late: timedelta) -> tuple[datetime, datetime]:
    """Return the bounds of the last part that has ended and of those before it whose late rows may have come since."""
    end = aligned(moment.astimezone(UTC), length)
    return aligned(end - late, length) - length, end


def whole(span: Span, length: timedelta) -> Span:
    """Return the whole part that a part was cut from."""
    bound = aligned(span.start, length)
    return Span(bound, bound + length)


def runs_of(spans: Iterable[Span]) -> list[list[Span]]:
    """Put spans that follow each other without a gap together: one read of the source brings them all."""
    runs: list[list[Span]] = []
    for span in spans:
        if runs and runs[-1][-1].end == span.start:
            runs[-1].append(span)
        else:
            runs.append([span])
    return runs
