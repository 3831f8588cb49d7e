"""A twentieth of the flights: enough to train a small model on each week, and to ask it about every row."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from airflow_mlops.demo.flights import read_flights

if TYPE_CHECKING:
    import pyarrow as pa

SHARE = 20
_UNTIL = datetime(2013, 7, 1, tzinfo=UTC)


@cache
def half_a_year() -> pa.Table:
    """Return every twentieth flight up to July that has arrived."""
    import pyarrow.compute as pc

    rows = read_flights(datetime(2012, 12, 31, tzinfo=UTC), _UNTIL)
    rows = rows.filter(pc.is_valid(rows["late"]))
    return rows.take(list(range(0, len(rows), SHARE)))


def read_few(start: datetime, end: datetime) -> pa.Table:
    """Read those scheduled to leave in a window."""
    import pyarrow.compute as pc

    rows = half_a_year()
    times = rows["scheduled"]
    return rows.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))
