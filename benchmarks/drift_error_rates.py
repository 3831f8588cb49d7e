"""How often drift is reported where there is none, on real flights of one month.

Two ways of drawing two windows from January 2013, between which nothing has changed:

*rows*: both windows are random rows of the month. No test has a reason to alarm.
*days*: each window is all flights of random days, no day in both. Rows of a day share its weather, so columns of
weather differ more than independent rows would. This is what a monitor meets.

Run: ``python -m benchmarks.drift_error_rates``
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.spec.data_sections import DriftSpec
from airflow_mlops.stages.drift import drift
from airflow_mlops.stages.profile import profile_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    # Two windows between which nothing has changed.
    Pair = tuple[pd.DataFrame, pd.DataFrame]

COLUMNS = [
    "carrier", "origin", "dest", "distance", "sched_dep_time", "sched_arr_time", "weekday", "temp", "dewp", "humid",
    "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib",
]  # fmt: skip

# Rows of reference and current; at 1,000 reference rows Evidently changes from tests to distances.
ROW_SIZES = [(500, 500), (1000, 1000), (1000, 5000), (2000, 500), (5000, 2000), (15000, 8000)]
DAY_SIZES = [(1, 1), (7, 1), (7, 7), (21, 7)]


@dataclass
class Rates:
    """What alarmed in the repeats of one setting."""

    repeats: int = 0
    sets: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    scored: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    rows: tuple[int, int] = (0, 0)

    def add(self, reference: pd.DataFrame, current: pd.DataFrame) -> None:
        """Compare two windows and count the alarms."""
        profiles = (profile_table(pa.Table.from_pandas(side[COLUMNS])) for side in (reference, current))
        report = drift(*profiles, COLUMNS, DriftSpec())
        self.repeats += 1
        self.sets += report.verdict == "drifted"
        self.columns.update(column.column for column in report.drifted)
        self.scored += len(report.compared)
        self.methods.update("p-value" if column.is_p_value else "distance" for column in report.compared)
        self.rows = (self.rows[0] + len(reference), self.rows[1] + len(current))

    def line(self, drawn: str) -> str:
        """Write one line of the table."""
        rows = [round(total / self.repeats) for total in self.rows]
        worst, alarms = self.columns.most_common(1)[0] if self.columns else ("none", 0)
        method = self.methods.most_common(1)[0][0]
        column_rate = sum(self.columns.values()) / self.scored
        return (
            f"| {drawn} | {rows[0]:,} | {rows[1]:,} | {method} | {column_rate:.1%} | "
            f"{worst} {alarms / self.repeats:.0%} | {self.sets / self.repeats:.1%} |"
        )


def main() -> None:
    """Print the table."""
    repeats, random, month = asked(__doc__, repeats=400)
    print("| drawn | reference rows | current rows | methods | a column alarms | worst column | the set alarms |")
    print("|---|---|---|---|---|---|---|")
    for unit, (then, now), pairs in drawn(month, ROW_SIZES, DAY_SIZES, repeats, random):
        rates = Rates()
        for pair in pairs:
            rates.add(*pair)
        print(rates.line("rows" if unit == "rows" else f"{then} against {now} days"), flush=True)


def asked(text: str, *, repeats: int) -> tuple[int, np.random.Generator, pd.DataFrame]:
    """Read the options, print them, and return repeats, the source of chance, and the month."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=repeats, help="pairs of windows a line")
    parser.add_argument("--seed", type=int, default=2013)
    options = parser.parse_args()
    month = read_flights(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 2, 1, 5, tzinfo=UTC)).to_pandas()
    print(f"{options.repeats} pairs a line, seed {options.seed}, {len(month):,} flights of January 2013\n")
    return options.repeats, np.random.default_rng(options.seed), month


def drawn(
    month: pd.DataFrame,
    row_sizes: Sequence[tuple[int, int]],
    day_sizes: Sequence[tuple[int, int]],
    repeats: int,
    random: np.random.Generator,
) -> Iterator[tuple[str, tuple[int, int], Iterator[Pair]]]:
    """Yield each size, in rows and then in days, with its pairs of windows."""
    for sizes in row_sizes:
        yield "rows", sizes, (_rows(month, sizes, random) for _ in range(repeats))
    day = (month["scheduled"] - np.timedelta64(5, "h")).dt.date
    rows_of = dict(tuple(month.groupby(day).indices.items()))
    for sizes in day_sizes:
        yield "days", sizes, (_days(month, rows_of, sizes, random) for _ in range(repeats))


def _rows(month: pd.DataFrame, sizes: tuple[int, int], random: np.random.Generator) -> Pair:
    order = random.permutation(len(month))[: sum(sizes)]
    return month.iloc[order[: sizes[0]]], month.iloc[order[sizes[0] :]]


def _days(
    month: pd.DataFrame, rows_of: dict[object, np.ndarray], sizes: tuple[int, int], random: np.random.Generator
) -> Pair:
    days = random.permutation(list(rows_of))[: sum(sizes)]
    then, now = (np.concatenate([rows_of[one] for one in side]) for side in (days[: sizes[0]], days[sizes[0] :]))
    return month.iloc[then], month.iloc[now]


if __name__ == "__main__":
    main()
