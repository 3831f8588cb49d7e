"""Rules over parts: how long they are, how late their rows may come, and when each is brought in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.data_sections import IngestSpec
    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]
    Found = tuple[str, Location, str]

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A schedule that fits parts does so for this many of its runs: more than a year of days.
_RUNS = 400


def parts(spec: ModelSpec) -> Iterator[Broken]:
    """Check that parts cover the window, that late rows find theirs, and that each has a run."""
    ingest = spec.ingest
    if ingest.part is None:
        yield from _without_parts(ingest)
        return
    part, window = ingest.part, ingest.window
    if part <= timedelta(0):
        yield ("ingest", "part"), "a part of no length holds no rows"
        return
    if part > window:
        yield (
            ("ingest", "part"),
            f"parts of {format_duration(part)} are longer than the window of {format_duration(window)} (ingest.window) "
            "that they make up; give shorter ones, or leave this out",
        )
    if part % _DAY and _DAY % part:
        yield (
            ("ingest", "part"),
            f"{format_duration(part)} neither divide a day nor are whole days, so parts would begin at another hour "
            "each day; give 1h, 6h, 12h, 1d or 7d",
        )
    elif ingest.schedule is not None:
        yield from _runs(ingest.schedule, part)
    if ingest.late and ingest.late >= window:
        yield (
            ("ingest", "late"),
            f"rows that may come {format_duration(ingest.late)} late have every part of a window of "
            f"{format_duration(window)} (ingest.window) read again each time; give less, or leave out ingest.part",
        )


def _without_parts(ingest: IngestSpec) -> Iterator[Broken]:
    if ingest.schedule is not None:
        yield (
            ("ingest", "schedule"),
            "is for a DAG with a run a part, but ingest.part is not given; give it, such as 1d, or leave this out",
        )
    if ingest.late:
        yield (
            ("ingest", "late"),
            "says which parts are read again, but ingest.part is not given, so the whole window is; leave this out",
        )


def _runs(schedule: str, part: timedelta) -> Iterator[Broken]:
    from croniter import croniter

    times = croniter(schedule, datetime(2024, 1, 1, tzinfo=UTC))
    moments = [times.get_next(datetime) for _ in range(_RUNS)]
    for before, after in pairwise(moments):
        between = (after - _EPOCH) // part - (before - _EPOCH) // part
        if between != 1:
            what = (
                "bring the same part" if between == 0 else f"leave {between - 1} parts between them that no run brings"
            )
            yield (
                ("ingest", "schedule"),
                f"{schedule!r} does not run once a part of {format_duration(part)}: the runs of "
                f"{before:%Y-%m-%d %H:%M} and {after:%Y-%m-%d %H:%M} {what}; let each part have its run",
            )
            return


def never_late(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where a part that has been read once is final, however late its rows come."""
    if spec.ingest.part is not None and not spec.ingest.late:
        yield (
            "warning",
            ("ingest", "late"),
            "is not given, so rows that come after their part was read are never seen; say how late they may be",
        )
