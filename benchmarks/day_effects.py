"""Measure on real flights how far days differ in what one model is better by than another.

    python -m benchmarks.day_effects

A challenger is trained on 59 days and judged on the 56 that follow: against a champion trained the same way 30 days
earlier, and against one of the same rows with another setting. The variance of the paired difference in log loss is
split into that between days and that within them (analysis of variance, one way, random effects).
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.stages.evaluate.predictions import predict, row_losses
from airflow_mlops.stages.features import build_features
from airflow_mlops.stages.train import train

FLIGHTS = Path(__file__).parents[1] / "dags" / "specs" / "flights.yaml"
TRAINED, EARLIER, JUDGED = pd.Timedelta("59D"), pd.Timedelta("30D"), pd.Timedelta("56D")
MONTHS = (4, 5, 7, 9, 11)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    spec = load_spec(FLIGHTS)
    other = spec.model_copy(
        update={"train": spec.train.model_copy(update={"params": {**spec.train.params, "l2_regularization": 1.0}})}
    )
    year = read_flights(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2014, 1, 1, 5, tzinfo=UTC)).to_pandas()
    year = year[year[spec.data.target].notna()]
    print("| judged from | champion | its loss | challenger's | SD of a row | SD of a day | from day to day |")
    print("|---|---|---|---|---|---|---|")
    for month in MONTHS:
        now = pd.Timestamp(2013, month, 1, 5, tz="UTC")
        rows = between(year, now, now + JUDGED, spec)
        challenger = losses(between(year, now - TRAINED, now, spec), rows, spec)
        champions = {
            "30 days older": losses(between(year, now - TRAINED - EARLIER, now - EARLIER, spec), rows, spec),
            "other setting": losses(between(year, now - TRAINED, now, spec), rows, other),
        }
        day = ((rows[spec.data.time] - now) // pd.Timedelta("1D")).to_numpy()
        for name, champion in champions.items():
            row_sd, day_sd, persistence = effects(challenger - champion, day)
            print(
                f"| {now:%d %B} | {name} | {champion.mean():.3f} | {challenger.mean():.3f} | {row_sd:.2f} | "
                f"{day_sd:.3f} | {persistence:+.2f} |",
                flush=True,
            )


def between(year: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp, spec: ModelSpec) -> pd.DataFrame:
    """Return the rows of a stretch of time, as far as the year reaches."""
    time = year[spec.data.time]
    return year[(time >= start) & (time < end)]


def losses(trained_on: pd.DataFrame, judged_on: pd.DataFrame, spec: ModelSpec) -> np.ndarray:
    """Train as the train stage does, and return the log loss of each judged row."""
    matrix = build_features(trained_on, spec=spec)
    target: Any = trained_on[spec.data.target].to_numpy()
    frame = matrix.frame.assign(**{spec.data.target: target})
    model = train(frame, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical).model
    return row_losses("log_loss", judged_on[spec.data.target].to_numpy(), predict(model, judged_on, classes=(0, 1)))


def effects(difference: np.ndarray, day: np.ndarray) -> tuple[float, float, float]:
    """Return the standard deviation of a row within its day and of a day, and the correlation of a day with the next.

    References
    ----------
    Searle, Casella, McCulloch (1992), Variance Components, chapter 3: the estimator for groups of unequal size.
    """
    groups = pd.Series(difference).groupby(day)
    sizes, means = groups.size(), groups.mean()
    rows, days = len(difference), len(sizes)
    within = ((difference - groups.transform("mean")) ** 2).sum() / (rows - days)
    between_days = (sizes * (means - difference.mean()) ** 2).sum() / (days - 1)
    size = (rows - (sizes**2).sum() / rows) / (days - 1)
    return float(np.sqrt(within)), float(np.sqrt(max(between_days - within, 0) / size)), float(means.autocorr(1))


if __name__ == "__main__":
    main()
