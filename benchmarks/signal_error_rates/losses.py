"""Realised quality, and what persistence makes of single looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from airflow_mlops.loop.signals import Quality
from airflow_mlops.loop.verdicts import Level, persistent, quality
from benchmarks.signal_error_rates.worlds import day_effects

START, WEEK = datetime(2013, 1, 1, tzinfo=UTC), timedelta(weeks=1)
FIRST, CHANGES = 5, 12
WORLDS = [("normal", 0.0), ("heavy", 0.0), ("normal", 0.3), ("normal", 0.6)]
DEVIATIONS = (0.02, 0.05, 0.1)
WORSE = (0.05, 0.1, 0.2, 0.4)


def windows(tail: str, correlation: float, deviation: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the losses of windows around a level of 0.5."""
    values = day_effects(count, correlation, rng)
    if tail == "heavy":  # Student's t with three degrees of freedom, at the same deviation
        values = rng.standard_t(3, count) / np.sqrt(3)
    return 0.5 * (1 + deviation * values)


def looks(losses: np.ndarray, worse: float, count: int) -> list[bool | None]:
    """Judge the last windows, each against the level and noise of those before it; they are worse by a share."""
    found = []
    for place in range(len(losses) - count, len(losses)):
        # First losses after a training are windows of their own, earlier ones.
        level = Level.of(losses[: FIRST * 4 : 4].tolist(), losses[place - CHANGES - 1 : place].tolist())
        loss = float(losses[place] * (1 + worse))
        signal = quality(Quality(START, START + WEEK, "loss", 1000, 1000, 1.0, loss, {}), level)
        found.append(signal.verdict != "stable" if signal.verdict != "unknown" else None)
    return found


def table(scale: float) -> list[dict[str, object]]:
    """Judge windows in which nothing changed, and windows that lose more."""
    rows = []
    for tail, correlation in WORLDS:
        for deviation in DEVIATIONS:
            rng = np.random.default_rng(4)
            repeats = max(40, round(scale * 1500))
            row: dict[str, object] = {
                "windows": f"{tail}, correlation {correlation:g}",
                "deviation": deviation,
                "promised": 0.01,
            }
            for worse in (0.0, *WORSE):
                judged = [looks(windows(tail, correlation, deviation, 34, rng), worse, 1)[0] for _ in range(repeats)]
                row["alarms" if not worse else f"{worse:.0%} worse: found"] = float(np.mean([bool(x) for x in judged]))
            rows.append(row)
    return rows


def persistence_table(scale: float) -> list[dict[str, object]]:
    """Count looks that are called drifted, by how often single looks are beyond, and how much they hang together."""
    rows = []
    for beyond, of in ((1, 1), (2, 3), (3, 5)):
        for rate in (0.01, 0.05, 0.2, 0.5, 0.9):
            row: dict[str, object] = {"k of n": f"{beyond} of {of}", "a look is beyond": rate}
            for correlation in (0.0, 0.4, 0.8):
                rng = np.random.default_rng(5)
                latent = day_effects(max(500, round(40_000 * scale)), correlation, rng)
                alone = (latent > np.quantile(latent, 1 - rate)).tolist()
                judged = [
                    persistent(alone[place - of : place], beyond=beyond, of=of) for place in range(of, len(alone))
                ]
                row[f"drifted, correlation {correlation:g}"] = judged.count("drifted") / len(judged)
            rows.append(row)
    return rows
