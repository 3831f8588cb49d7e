"""Thresholds that were calibrated on past windows: the rate of false alarms that they turn out to have."""

from __future__ import annotations

import numpy as np

from airflow_mlops.loop.calibration import calibrate
from benchmarks.signal_error_rates.worlds import day_effects

# How many past windows there are, and how often that is drawn.
WINDOWS = {20: 300, 48: 300, 99: 200, 299: 60}
NEXT = 50


def table(scale: float) -> list[dict[str, object]]:
    """Calibrate on windows, and count alarms in the next fifty of the same kind."""
    rows = []
    for tail, correlation in (("light", 0.0), ("heavy", 0.0), ("heavy", 0.4), ("heavy", 0.8)):
        for columns in (1, 10, 50):
            for windows, usual in WINDOWS.items():
                rng = np.random.default_rng(3)
                repeats = max(20, round(scale * usual))
                found = [_rate(tail, correlation, columns, windows, rng) for _ in range(repeats)]
                rows.append(
                    {
                        "effects": f"{tail} tails, correlation {correlation:g}",
                        "columns": columns,
                        "past windows": windows,
                        "promised": max(0.01, 1 / (windows + 1)),
                        "alarms": float(np.mean([rate for rate, _ in found])),
                        "rate within the stated interval": float(np.mean([inside for _, inside in found])),
                    }
                )
    return rows


def _rate(tail: str, correlation: float, columns: int, windows: int, rng: np.random.Generator) -> tuple[float, bool]:
    """Draw columns that hang together, each with a size of its own, and windows that resemble the one before."""
    drawn = np.array([day_effects(windows + NEXT, correlation, rng) for _ in range(columns)])
    common = day_effects(windows + NEXT, correlation, rng)
    latent = np.sqrt(0.7) * drawn + np.sqrt(0.3) * common
    spread = 0.3 if tail == "light" else 0.9
    odds = rng.uniform(0.05, 0.5, (columns, 1)) * np.exp(spread * latent)
    effects = odds / (1 + odds)
    past, after = effects[:, :windows], effects[:, windows:]
    found = calibrate({str(place): values.tolist() for place, values in enumerate(past)}, false_alarms=0.01)
    limits = np.array(list(found.thresholds.values()))[:, None]
    alarms = int((after >= limits).any(axis=0).sum())
    # The rate itself is not seen, only alarms in fifty windows: as far as these can tell.
    low, high = found.low - 1.96 * _spread(found.low), found.high + 1.96 * _spread(found.high)
    return alarms / NEXT, low <= alarms / NEXT <= high


def _spread(rate: float) -> float:
    return float(np.sqrt(rate * (1 - rate) / NEXT))
