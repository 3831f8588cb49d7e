"""The studentized bootstrap of a mean, by rows or by blocks of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.gate.bounds import Bounds
from airflow_mlops.loop.gate.students import below, degrees, quantile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

# Resamples are drawn in pieces of about this many numbers, 32 MB, so that memory does not grow with rows.
_PIECE = 4_000_000


def bootstrap(
    challenger: np.ndarray,
    opponents: Sequence[tuple[np.ndarray, float]],
    units: np.ndarray,
    *,
    is_block: bool,
    confidence: float,
    resamples: int,
    seed: int,
) -> list[Bounds]:
    """Bound a challenger's mean loss against each opponent's, with one set of resamples for all.

    Parameters
    ----------
    challenger : ndarray of shape (n_rows,)
        Its losses.
    opponents : sequence of (ndarray, float)
        Losses, and the factor by which they are multiplied in what is tested.
    units : ndarray of shape (n_rows,)
        What each row is resampled with, 0 to n_units - 1.
    is_block : bool
        Whether units are blocks of time and not rows.
    confidence : float
        One-sided.
    resamples, seed : int
        Of the bootstrap.
    """
    import numpy as np

    plain = [challenger - loss for loss, _ in opponents]
    tested = [challenger - factor * loss for loss, factor in opponents]
    low, high, p = mean_bounds(
        np.column_stack(plain + tested),
        units,
        is_block=is_block,
        confidence=confidence,
        resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    count = len(opponents)
    return [
        Bounds(
            float(challenger.mean()),
            float(loss.mean()),
            float(low[place]),
            float(high[place]),
            float(high[count + place]),
            float(p[count + place]),
        )
        for place, (loss, _) in enumerate(opponents)
    ]


def mean_bounds(
    differences: np.ndarray,
    units: np.ndarray,
    *,
    is_block: bool,
    confidence: float,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bound the mean of each column from below and above by one studentized bootstrap for all of them.

    Parameters
    ----------
    differences : ndarray of shape (n_rows, n_columns)
        What to bound.
    units : ndarray of shape (n_rows,)
        What each row is resampled with, 0 to n_units - 1.
    is_block : bool
        Whether units are blocks of time and not rows.
    confidence : float
        One-sided.
    resamples : int
        Of the bootstrap.
    rng : Generator
        Draws them.

    Returns
    -------
    low, high, p : ndarray of shape (n_columns,)
        ``p`` is that of the hypothesis that the mean is zero or more.

    Notes
    -----
    Resampled means are divided by their own standard error: plain percentiles are too narrow for the handful of blocks
    that a holdout has. A bound is never closer than Student's t would put it, with the degrees of freedom of
    `students.degrees`: a bootstrap of seven blocks knows nothing of what neighbours share.

    References
    ----------
    Efron, Tibshirani (1993), An Introduction to the Bootstrap, section 12.5 (bootstrap-t).
    Cameron, Gelbach, Miller (2008), Bootstrap-Based Improvements for Inference with Clustered Errors, Review of
    Economics and Statistics 90(3): resampling whole clusters, studentized.
    """
    import numpy as np

    mean, error, residuals, sizes = unit_residuals(differences, units)
    studentized = np.concatenate(
        [_studentized(residuals, sizes, drawn) for drawn in _draws(resamples, len(sizes), rng)]
    )
    df = degrees(len(sizes), is_block=is_block)
    widest = float(quantile(confidence, df))
    lower, upper = np.quantile(studentized, [1 - confidence, confidence], axis=0)
    observed = np.divide(mean, error, out=np.zeros_like(mean), where=error > 0)
    share = ((studentized <= observed).sum(axis=0) + 1) / (resamples + 1)
    # No spread at all: the mean is known, and zero is not below zero.
    p = np.where(error > 0, np.maximum(share, below(observed, df)), np.where(mean < 0, 0.0, 1.0))
    return mean - np.maximum(upper, widest) * error, mean - np.minimum(lower, -widest) * error, p


def unit_residuals(differences: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean of each column, its standard error between units, their residuals, and their sizes.

    A unit's residual is what it adds to the total beyond what its size explains; shape (n_units, n_columns).
    """
    import numpy as np

    sizes = np.bincount(units).astype("float64")
    mean = differences.mean(axis=0)
    residuals = sum_by(differences, units) - sizes[:, None] * mean
    count = len(sizes)
    error = np.sqrt(count * (residuals**2).sum(axis=0) / max(count - 1, 1)) / len(units)
    return mean, error, residuals, sizes


def sum_by(columns: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Add up the rows of each unit, shape (n_units, n_columns)."""
    import numpy as np

    count = int(units.max()) + 1
    if count == len(units):
        found = np.empty_like(columns, dtype="float64")
        found[units] = columns
        return found
    return np.column_stack([np.bincount(units, column, count) for column in columns.T])


def _draws(resamples: int, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield how often each unit was drawn, shape (n_resamples, n_units), in pieces."""
    import numpy as np

    size = max(1, min(resamples, _PIECE // max(count, 1)))
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype("float64")


def _studentized(residuals: np.ndarray, sizes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return each resample's mean residual over its own standard error, shape (n_resamples, n_columns)."""
    import numpy as np

    count = drawn.shape[1]
    total = (drawn @ sizes)[:, None]
    shift = drawn @ residuals / total
    spread = drawn @ residuals**2 - 2 * shift * (drawn @ (residuals * sizes[:, None]))
    spread += shift**2 * (drawn @ sizes**2)[:, None]
    error = np.sqrt(np.maximum(spread, 0) * count / max(count - 1, 1)) / total
    # A resample of one unit only, or losses that are all alike: no spread, and nothing to divide by.
    return np.divide(shift, error, out=np.zeros_like(shift), where=error > 1e-300)
