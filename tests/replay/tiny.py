"""A matrix made by hand: one window a day, labels so many days late, models whose losses are written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from airflow_mlops.replay.matrix import Cell, Look, Matrix

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROWS = 40


def tiny(days: int = 30, *, delay: int = 1, rows: int = ROWS, seed: int = 0, change: int | None = None) -> Matrix:
    """Make a regression whose level drifts a little each day, or jumps on one day.

    A model predicts the mean it was trained on: "all" of every day, "recent" of the newest labelled day. Look k is the
    end of day k + delay + 2, and its models know the labels up to day k + 2.
    """
    rng = np.random.default_rng(seed)
    level = np.cumsum(rng.normal(0, 0.3, days)) if change is None else np.where(np.arange(days) < change, 0.0, 5.0)
    target = level[:, None] + rng.normal(0, 1, (days, rows))
    first = 2 + delay
    looks = [Look(START + (day + 1) * DAY, (day - delay, day - delay + 1), day + 1) for day in range(first, days - 1)]
    outputs = np.full((2, len(looks), days, rows), np.nan, "float32")
    for place, look in enumerate(looks):
        unseen = look.judged[1]
        outputs[0, place, unseen:] = target[:unseen].mean()
        outputs[1, place, unseen:] = target[unseen - 1].mean()
    times = np.array([[np.datetime64(_naive(START + day * DAY), "us")] * rows for day in range(days)])
    return Matrix(
        name="tiny",
        task="regression",
        metric="mean_absolute_error",
        classes=(),
        clip=1e-6,
        windows=("all", "recent"),
        looks=tuple(looks),
        cells=tuple(Cell(START + day * DAY, START + (day + 1) * DAY, rows) for day in range(days)),
        losses=np.abs(outputs - target).mean(axis=-1).astype("float32"),
        outputs=outputs,
        target=target,
        times=times,
        arrived=times + np.timedelta64(24 * (1 + delay), "h"),
        rows=np.full(days, rows),
        unseen=np.array([look.judged[1] for look in looks]),
        seconds=np.full((2, len(looks)), 2.0),
        baseline=np.zeros((2, len(looks))),
        notes=(),
        digest="tiny",
    )


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
