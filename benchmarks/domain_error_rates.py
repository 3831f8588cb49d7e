"""How often a classifier tells two windows apart where nothing has changed, on real flights of one month.

Two ways of drawing, as in ``benchmarks.drift_error_rates``: random rows, and all flights of random days. A false alarm
is an interval of the area under the ROC curve that lies above one half.

Run: ``python -m benchmarks.domain_error_rates``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.stages.drift.domain import tell_apart
from airflow_mlops.stages.drift.effects import days_of
from benchmarks.drift_error_rates import COLUMNS, asked, drawn

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.stages.drift.domain import Domain

ROW_SIZES = [(1000, 1000), (5000, 2000)]
DAY_SIZES = [(7, 7), (21, 7)]
# Columns that do not change with the weather of a day; with it, days differ and are rightly told apart.
CALM = ["carrier", "origin", "dest", "distance", "sched_dep_time", "sched_arr_time"]


def main() -> None:
    """Print the table."""
    repeats, random, month = asked(__doc__, repeats=200)
    print("| drawn | columns | told apart | area under the curve, mean |")
    print("|---|---|---|---|")
    for name, columns in (("without weather and weekday", CALM), ("all", COLUMNS)):
        for unit, (then, now), pairs in drawn(month, ROW_SIZES, DAY_SIZES, repeats, random):
            found = [each for pair in pairs if (each := apart(*pair, columns)) is not None]
            told = np.mean([each.is_told_apart for each in found])
            auc = np.mean([each.auc for each in found])
            print(f"| {then:,} against {now:,} {unit} | {name} | {told:.1%} | {auc:.3f} |", flush=True)


def apart(then: pd.DataFrame, now: pd.DataFrame, columns: list[str]) -> Domain | None:
    """Ask the classifier, with the days in order."""
    then, now = then.sort_values("scheduled"), now.sort_values("scheduled")
    return tell_apart(then, now, columns, days=(days_of(then["scheduled"]), days_of(now["scheduled"])), seed=1)


if __name__ == "__main__":
    main()
