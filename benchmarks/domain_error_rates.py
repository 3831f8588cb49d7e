"""How often a classifier tells two windows apart where nothing has changed, on real flights of one month.

Two ways of drawing, as in ``benchmarks.drift_error_rates``: random rows, and all flights of random days. A false alarm
is an interval of the area under the ROC curve that lies above one half.

Run: ``python -m benchmarks.domain_error_rates``
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.stages.drift.domain import tell_apart
from airflow_mlops.stages.drift.effects import days_of
from benchmarks.drift_error_rates import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from airflow_mlops.stages.drift.domain import Domain

ROW_SIZES = [(1000, 1000), (5000, 2000)]
DAY_SIZES = [(7, 7), (21, 7)]
# Columns that do not change with the weather of a day; with it, days differ and are rightly told apart.
CALM = ["carrier", "origin", "dest", "distance", "sched_dep_time", "sched_arr_time"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200, help="pairs of windows a line")
    parser.add_argument("--seed", type=int, default=2013)
    options = parser.parse_args()
    month = read_flights(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 2, 1, 5, tzinfo=UTC)).to_pandas()
    print(f"{options.repeats} pairs a line, seed {options.seed}, {len(month):,} flights of January 2013\n")
    print("| drawn | columns | told apart | area under the curve, mean |")
    print("|---|---|---|---|")
    random = np.random.default_rng(options.seed)
    for name, columns in (("without weather and weekday", CALM), ("all", COLUMNS)):
        for drawn, pairs in settings(month, options.repeats, random):
            found = [each for then, now in pairs if (each := apart(then, now, columns)) is not None]
            told = np.mean([each.is_told_apart for each in found])
            print(f"| {drawn} | {name} | {told:.1%} | {np.mean([each.auc for each in found]):.3f} |", flush=True)


def apart(then: pd.DataFrame, now: pd.DataFrame, columns: list[str]) -> Domain | None:
    """Ask the classifier, with the days in order."""
    then, now = then.sort_values("scheduled"), now.sort_values("scheduled")
    return tell_apart(then, now, columns, days=(days_of(then["scheduled"]), days_of(now["scheduled"])), seed=1)


def settings(
    month: pd.DataFrame, repeats: int, random: np.random.Generator
) -> Iterator[tuple[str, Iterator[tuple[pd.DataFrame, pd.DataFrame]]]]:
    """Yield each setting with its pairs of windows."""
    for sizes in ROW_SIZES:
        yield f"{sizes[0]:,} against {sizes[1]:,} rows", (_rows(month, sizes, random) for _ in range(repeats))
    day = (month["scheduled"] - np.timedelta64(5, "h")).dt.date
    rows_of = dict(tuple(month.groupby(day).indices.items()))
    for sizes in DAY_SIZES:
        yield f"{sizes[0]} against {sizes[1]} days", (_days(month, rows_of, sizes, random) for _ in range(repeats))


def _rows(
    month: pd.DataFrame, sizes: tuple[int, int], random: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    order = random.permutation(len(month))[: sum(sizes)]
    return month.iloc[order[: sizes[0]]], month.iloc[order[sizes[0] :]]


def _days(
    month: pd.DataFrame, rows_of: dict[object, np.ndarray], sizes: tuple[int, int], random: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    days = random.permutation(list(rows_of))[: sum(sizes)]
    then, now = (np.concatenate([rows_of[one] for one in side]) for side in (days[: sizes[0]], days[sizes[0] :]))
    return month.iloc[then], month.iloc[now]


if __name__ == "__main__":
    main()
