"""The newest rows of a snapshot, a stretch of time at a time: a fault of one week is a small share of a year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.facts import columns_of, duplicates
from airflow_mlops.stages.validate.suite.sets import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

# Each is described: of a longer snapshot only so many, the newest.
MOST_STRETCHES = 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one stretch of time.

    Attributes
    ----------
    rows : Table
    positions : ndarray of shape (n_rows,)
        Where the rows are in the snapshot.
    facts : dict
        Of these rows: ``columns``, ``rows``, ``start``, ``end`` and ``duplicates``.
    """

    rows: pa.Table
    positions: np.ndarray
    facts: dict[str, Any]

    @property
    def span(self) -> timedelta:
        """From its oldest row to its newest."""
        return datetime.fromisoformat(self.facts["end"]) - datetime.fromisoformat(self.facts["start"])

    def condition(self, time: str) -> str:
        """Write in DuckDB's SQL which rows of the whole snapshot lie between its oldest and its newest."""
        return f"{quoted(time)} BETWEEN '{self.facts['start']}' AND '{self.facts['end']}'"

    def __str__(self) -> str:
        """Name it by its days."""
        start, end = (datetime.fromisoformat(self.facts[name]) for name in ("start", "end"))
        return f"from {start:%Y-%m-%d} to {end:%Y-%m-%d}"


def new_stretches(table: pa.Table, spec: ModelSpec, reference: dict[str, Any] | None) -> Iterator[Stretch]:
    """Cut what is newer than the reference into stretches as long as ``monitor.window``, the newest first.

    Older rows are left out, for they were accepted when the champion was trained. There is no stretch where the
    snapshot is no longer than one, or nobody said how long one is: then it is one batch, of which a part may be wrong.

    Parameters
    ----------
    table : Table
        The snapshot's rows. Not modified.
    spec : ModelSpec
        Length of a stretch, and ``validate.min_rows``, which each has at least.
    reference : dict or None
        Facts of what the champion was trained on.
    """
    import numpy as np
    import pyarrow as pa

    time = spec.data.time
    is_known = time in table.column_names and pa.types.is_timestamp(table.schema.field(time).type)
    if reference is None or not reference["end"] or not is_known or spec.monitor.window is None:
        return
    moments = table.column(time).cast(pa.timestamp("us"), safe=False).to_numpy()
    order = np.argsort(moments, kind="stable")[: len(moments) - table.column(time).null_count]
    for first, last in _cuts(moments[order], utc(reference["end"]), spec):
        positions = np.sort(order[first:last])
        rows = table.take(positions)
        described = columns_of(rows, time=time, sensitive=spec.data.sensitive)
        yield Stretch(rows, positions, {**described, "duplicates": duplicates(rows, spec.data.key)})


def _cuts(moments: np.ndarray, covered: np.datetime64, spec: ModelSpec) -> Iterator[tuple[int, int]]:
    """Give first and last of each stretch among the sorted moments."""
    import numpy as np

    length, fewest = np.timedelta64(spec.monitor_window), spec.validate_.min_rows
    if not len(moments) or moments[-1] - moments[0] <= length:
        return
    oldest = max(moments[0], covered)
    least = int(np.searchsorted(moments, oldest))
    high = moments[-1]
    for _ in range(MOST_STRETCHES):
        if high <= oldest:
            return
        # What is left over at the older end is judged with a part of its neighbour, to be as long as the others.
        high = max(high, min(oldest + length, moments[-1]))
        last = int(np.searchsorted(moments, high, side="right"))
        first = min(int(np.searchsorted(moments, max(high - length, oldest))), last - fewest)
        if first < least:
            return
        yield first, last
        high = min(high - length, moments[first])


def utc(text: str) -> np.datetime64:
    """Read a time of facts, UTC where it has no zone."""
    import numpy as np

    moment = datetime.fromisoformat(text)
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment, "us")
