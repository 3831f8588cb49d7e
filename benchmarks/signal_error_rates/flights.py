"""Estimated quality on real flights: each week's loss is estimated before its labels, and then measured.

A model is trained on up to 120 days, calibrated on the labels of the 47 days that follow, and asked for the week that
begins nine days later. *A week of these days* draws the rows of a week from days beside those of the calibration.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.loop.estimate import Answered, estimate_loss
from airflow_mlops.stages.drift.effects import days_of
from airflow_mlops.stages.evaluate.predictions import Predictions, row_losses

CATEGORIES = ["carrier", "origin", "dest"]
COLUMNS = [*CATEGORIES, "distance", "sched_dep_time", "sched_arr_time", "weekday", "temp", "humid", "wind_speed",
           "precip", "pressure", "visib"]  # fmt: skip
FIRST, LAST, WEEK = 84, 357, 7
CALIBRATION, GAP, TRAINING = 47, 9, 120
ROWS = 15_000
METRICS = ("log_loss", "zero_one", "brier")


def table(scale: float) -> list[dict[str, object]]:
    """Estimate the weeks from April on, fewer of them at a smaller scale."""
    flights = read_flights(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2014, 1, 1, 5, tzinfo=UTC)).to_pandas()
    flights = flights.dropna(subset=["late"])
    rows = flights[COLUMNS].apply(lambda column: pd.factorize(column)[0] if column.name in CATEGORIES else column)
    target, days = flights["late"].astype(int).to_numpy(), days_of(flights["scheduled"])
    days = days - days.min()
    starts = range(FIRST, LAST, max(WEEK, round(WEEK / scale)))
    found: dict[tuple[str, str], list[tuple[bool, float, float, float]]] = {}
    for start in starts:
        for drawn, metric, judged in _week(rows, target, days, start):
            found.setdefault((drawn, metric), []).append(judged)
    return [
        {
            "weeks": f"{drawn} ({len(judged)})",
            "loss": metric,
            "95 % interval holds it": float(np.mean([each[0] for each in judged])),
            "mean error of the estimate": f"{np.mean([abs(each[1] - each[2]) for each in judged]):.3f}",
            "error of 'as before'": f"{np.mean([abs(each[1] - each[3]) for each in judged]):.3f}",
            "correlation with what was measured": f"{np.corrcoef(np.array(judged)[:, 1:3].T)[0, 1]:.2f}",
        }
        for (drawn, metric), judged in found.items()
    ]


def _week(
    rows: pd.DataFrame, target: np.ndarray, days: np.ndarray, start: int
) -> list[tuple[str, str, tuple[bool, float, float, float]]]:
    rng = np.random.default_rng(start)
    begin = start - GAP - CALIBRATION
    trained = np.flatnonzero((days < begin) & (days >= begin - TRAINING))
    trained = rng.choice(trained, min(len(trained), ROWS), replace=False)
    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=20, learning_rate=0.15, random_state=0)
    model.fit(rows.iloc[trained], target[trained])

    def answered(place: np.ndarray) -> Answered:
        return Answered(model.predict_proba(rows.iloc[place]), days[place], target[place])

    known = (days >= begin) & (days < begin + CALIBRATION)
    beside = np.isin(days, rng.choice(np.arange(begin, begin + CALIBRATION), WEEK, replace=False))
    sides = {
        "the next week": (known, (days >= start) & (days < start + WEEK)),
        "a week of these days": (known & ~beside, known & beside),
    }
    judged = []
    for name, (then, now) in sides.items():
        past, later = answered(np.flatnonzero(then)), answered(np.flatnonzero(now))
        for metric in METRICS:
            estimate = estimate_loss(metric, Answered(later.said, later.days), past)
            if estimate is None:
                raise RuntimeError("the labelled past is long enough for an estimate")
            real, before = _loss(metric, later), _loss(metric, past)
            judged.append((name, metric, (estimate.low <= real <= estimate.high, real, estimate.loss, before)))
    return judged


def _loss(metric: str, found: Answered) -> float:
    if found.happened is None:
        raise RuntimeError("what happened is known")
    said = Predictions(found.said.argmax(axis=1), (0, 1), found.said)
    return float(row_losses(metric, found.happened, said).mean())
