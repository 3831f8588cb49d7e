"""Worlds to judge in: losses, errors and scores of two models, drawn so that their true losses are known.

Each draw has one column a repetition. The challenger's expected loss is ``ratio`` times the champion's, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.special import log_expit, ndtri

if TYPE_CHECKING:
    from collections.abc import Callable

# How alike two models of one kind are: correlation of what they say of a row beyond its class.
ALIKE = 0.97
# Standard deviations of a difference in loss, of a row and of a day, and the correlation of a day with the next one;
# `benchmarks.day_effects` measures them on flights.
NOISE, DAY_SHIFT, PERSISTENCE = 0.15, 0.05, 0.4
DAYS, BLOCK_DAYS = 28, 4
RARE = 0.02
MEAN = 0.5
# Of the champion: one less the area under its ROC curve.
AREA_LOSS = 0.2
_BURN_IN = 200


@dataclass(frozen=True)
class World:
    """What is drawn, and how rows hang together: "independent", "in a row" or "by day"."""

    name: str
    draw: Callable[[np.random.Generator, int, int, float], tuple[np.ndarray, np.ndarray]]
    rows_are: str = "independent"


def days_of(rows: int) -> np.ndarray:
    """Return the day of each row: days of equal size."""
    return np.arange(rows) * DAYS // rows


def blocks_of(rows: int) -> np.ndarray:
    """Return the block of each row, as by default: seven of four days."""
    return days_of(rows) // BLOCK_DAYS


def in_a_row(rng: np.random.Generator, rows: int, repeats: int, correlation: float) -> np.ndarray:
    """Draw standard normal series with a correlation of neighbours."""
    shocks = rng.normal(0, np.sqrt(1 - correlation**2), (rows + _BURN_IN, repeats))
    return lfilter([1], [1, -correlation], shocks, axis=0)[_BURN_IN:]


def by_day(rng: np.random.Generator, rows: int, repeats: int) -> np.ndarray:
    """Draw what each day adds to its rows, standard normal."""
    return in_a_row(rng, DAYS, repeats, PERSISTENCE)[days_of(rows)]


def _class_losses(share: float, distance: float) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Draw log losses of two calibrated models whose classes lie ``distance`` apart, the challenger's by the ratio."""

    def draw(rng: np.random.Generator, rows: int, repeats: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
        mine = distance_for(share, ratio * expected_log_loss(share, distance))
        positive = rng.random((rows, repeats)) < share
        common = rng.normal(size=(rows, repeats))
        losses = []
        for apart in (mine, distance):
            noise = np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * rng.normal(size=(rows, repeats))
            losses.append(_log_loss(positive, noise, share, apart))
        return losses[0], losses[1]

    return draw


def _log_loss(positive: np.ndarray, noise: np.ndarray, share: float, distance: float) -> np.ndarray:
    logit = distance * (noise + np.where(positive, distance / 2, -distance / 2)) + np.log(share / (1 - share))
    return -log_expit(np.where(positive, logit, -logit))


def expected_log_loss(share: float, distance: float) -> float:
    """Return the expected log loss of a calibrated model of two normal classes, by Gauss-Hermite quadrature."""
    places, weights = np.polynomial.hermite_e.hermegauss(100)
    weights = weights / weights.sum()
    yes = _log_loss(np.ones(100, bool), places, share, distance) @ weights
    no = _log_loss(np.zeros(100, bool), places, share, distance) @ weights
    return float(share * yes + (1 - share) * no)


@cache
def distance_for(share: float, loss: float) -> float:
    """Return how far apart the classes of a model with this expected log loss lie."""
    return float(brentq(lambda apart: expected_log_loss(share, apart) - loss, 1e-3, 8))


def _student(rng: np.random.Generator, rows: int, repeats: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw absolute errors of t with 2.5 degrees of freedom."""
    scale = np.sqrt(2.5 / rng.chisquare(2.5, (rows, repeats)))
    mine, theirs = _alike(rng, rows, repeats)
    return ratio * np.abs(mine * scale), np.abs(theirs * scale)


def _lognormal(rng: np.random.Generator, rows: int, repeats: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw absolute errors that are lognormal; the largest of a thousand is forty times the median."""
    mine, theirs = _alike(rng, rows, repeats)
    return ratio * np.exp(1.2 * mine), np.exp(1.2 * theirs)


def _alike(rng: np.random.Generator, rows: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = rng.normal(size=(2, rows, repeats))
    return first, ALIKE * first + np.sqrt(1 - ALIKE**2) * second


def _moved(shift: Callable[..., np.ndarray]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Draw exponential losses of a champion, and the same moved by the ratio and by a series."""

    def draw(rng: np.random.Generator, rows: int, repeats: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
        champion = rng.exponential(MEAN, (rows, repeats))
        return champion + (ratio - 1) * MEAN + shift(rng, rows, repeats), champion

    return draw


def _daily(rng: np.random.Generator, rows: int, repeats: int) -> np.ndarray:
    return DAY_SHIFT * by_day(rng, rows, repeats) + rng.normal(0, NOISE, (rows, repeats))


LOSSES = (
    World("balanced classes", _class_losses(0.5, 1.5)),
    World("rare classes", _class_losses(RARE, 2.5)),
    World("heavy tails: t", _student),
    World("heavy tails: lognormal", _lognormal),
    World("autocorrelated: 0.5", _moved(lambda rng, *size: NOISE * in_a_row(rng, *size, 0.5)), "in a row"),
    World("autocorrelated: 0.8", _moved(lambda rng, *size: NOISE * in_a_row(rng, *size, 0.8)), "in a row"),
    World("days that differ", _moved(_daily), "by day"),
)


def _latent(kind: str) -> Callable[..., np.ndarray]:
    """Return how standard normal rows are drawn."""
    if kind == "in a row":
        return lambda rng, *size: in_a_row(rng, *size, 0.8)
    if kind == "by day":
        part = DAY_SHIFT
        return lambda rng, *size: np.sqrt(part) * by_day(rng, *size) + np.sqrt(1 - part) * rng.normal(size=size)
    return lambda rng, *size: rng.normal(size=size)


def _errors(rate: float, kind: str = "independent") -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Draw errors, 0 or 1, of two models with these rates."""

    def draw(rng: np.random.Generator, rows: int, repeats: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
        latent = _latent(kind)
        common = rng.normal(size=(rows, repeats))
        found = []
        for each in (ratio * rate, rate):
            own = np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * latent(rng, rows, repeats)
            found.append((own < ndtri(each)).astype("float64"))
        return found[0], found[1]

    return draw


ERRORS = (
    World("balanced classes", _errors(0.25)),
    World("rare classes", _errors(RARE)),
    World("autocorrelated: 0.8", _errors(0.25, "in a row"), "in a row"),
    World("days that differ", _errors(0.25, "by day"), "by day"),
)


def _scores(share: float, kind: str = "independent") -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Draw scores of two models, the champion's area 0.8; a ``share`` of the rows is of class two.

    The area of two normal classes ``d`` apart is the normal distribution at ``d / sqrt(2)``.
    """

    def draw(rng: np.random.Generator, rows: int, repeats: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
        latent, positive = _latent(kind), positives(rows, share)
        common = rng.normal(size=(rows, repeats))
        found = []
        for loss in (ratio * AREA_LOSS, AREA_LOSS):
            own = np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * latent(rng, rows, repeats)
            found.append(own + np.where(positive, -np.sqrt(2) * ndtri(loss), 0.0)[:, None])
        return found[0], found[1]

    return draw


def positives(rows: int, share: float) -> np.ndarray:
    """Return which rows are of class two: as many as the share says, spread over all days."""
    order = np.random.default_rng(0).permutation(rows)
    return order < round(share * rows)


RANKS = {
    0.5: (
        World("balanced classes", _scores(0.5)),
        World("autocorrelated: 0.8", _scores(0.5, "in a row"), "in a row"),
        World("days that differ", _scores(0.5, "by day"), "by day"),
    ),
    RARE: (World("rare classes", _scores(RARE)),),
}
