"""Rows whose truth is known: heavy tails, atoms, many and rare categories, and days that resemble each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

KINDS = ("normal", "heavy", "atoms", "few", "many", "rare")
PER_DAY = 100


@dataclass(frozen=True)
class World:
    """How rows are drawn: what rows of a day share, as a share of variance, and how a day resembles the one before."""

    shared: float = 0.0
    correlation: float = 0.0

    @property
    def name(self) -> str:
        """Say it in words."""
        if not self.shared:
            return "independent rows"
        return f"days share {self.shared:.0%}" + (f", correlation {self.correlation:g}" if self.correlation else "")

    def latent(self, rows: int, rng: np.random.Generator, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Draw standard normal values, and the day of each."""
        days = np.arange(rows) // PER_DAY
        values = np.sqrt(1 - self.shared) * rng.standard_normal(rows)
        if self.shared:
            daily = day_effects(int(days[-1]) + 1, self.correlation, rng)
            values = values + np.sqrt(self.shared) * daily[days]
        return values + shift, days


def day_effects(days: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Draw standard normal effects of days, each resembling the one before."""
    found = rng.standard_normal(days)
    for day in range(1, days):
        found[day] = correlation * found[day - 1] + np.sqrt(1 - correlation**2) * found[day]
    return found


def as_kind(kind: str, latent: np.ndarray) -> tuple[np.ndarray, int]:
    """Turn normal values into those of a kind of column; the second is the number of categories, 0 for numbers."""
    share = ndtr(latent)
    if kind == "normal":
        return latent, 0
    if kind == "heavy":  # Student's t with two degrees of freedom
        share = np.clip(share, 1e-12, 1 - 1e-12)
        return (2 * share - 1) / np.sqrt(2 * share * (1 - share)), 0
    if kind == "atoms":  # seven rows of ten are zero
        return np.maximum(latent - 0.52, 0.0), 0
    if kind == "rare":
        return (share > 0.99).astype(int), 2
    # Of 5 or 100 categories the first are frequent.
    count = 5 if kind == "few" else 100
    return np.minimum((share**2 * count).astype(int), count - 1), count
