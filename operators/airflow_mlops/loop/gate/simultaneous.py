"""Many estimates on the same rows, bounded together against what the largest of them reaches by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.gate.bootstrap import sum_by
from airflow_mlops.loop.gate.students import below, degrees, quantile

if TYPE_CHECKING:
    import numpy as np

_DRAWS = 4000
# Far out, where one slice of many is judged, a mean of a hundred losses that lean is no longer Student's t with 99
# degrees; simulated searches keep their level with a fifth of them.
_ROWS_A_DEGREE = 5
_NORMAL = 1e6


def errors_together(
    influence: np.ndarray, units: np.ndarray, *, is_block: bool, false_alarms: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard error of each estimate, and how many of them a bound has to be away from it.

    Parameters
    ----------
    influence : ndarray of shape (n_rows, n_estimates)
        By how much each row moves each estimate; zero for rows that have no part in it. Columns add up to zero.
    units : ndarray of shape (n_rows,)
        What counts as one piece of evidence: the row's number, or that of its block.
    is_block : bool
        Whether units are blocks of time.
    false_alarms : float
        Share of cases in which one bound or more may be on the wrong side.
    seed : int
        Of the draws.

    Returns
    -------
    error, width : ndarray of shape (n_estimates,)
        Where a unit or none has a part in an estimate the width is infinite.

    Notes
    -----
    The correlation of the estimates is that of their influences, row by row: slices that share rows count as one in
    part. The largest of normal variables of this correlation says which level each estimate may be tested at, and
    Student's t at this level, with the degrees of freedom of each estimate's own units, how wide its bound is. A
    bootstrap of the largest studentized estimate is of no use with a handful of blocks.

    References
    ----------
    Hothorn, Bretz, Westfall (2008), Simultaneous Inference in General Parametric Models, Biometrical Journal 50(3): the
    largest of correlated estimates.
    """
    import numpy as np

    totals = sum_by(influence, units)
    count = (sum_by((influence != 0).astype("float64"), units) > 0).sum(axis=0)
    squares = (totals**2).sum(axis=0)
    error = np.sqrt(squares * count / np.maximum(count - 1, 1))
    level = level_of_each(influence, false_alarms, seed)
    df = np.array([degrees(int(units_in), is_block=is_block) for units_in in count])
    df = df if is_block else np.maximum(df / _ROWS_A_DEGREE, 1.0)
    width = np.where(count > 1, quantile(1 - level, df), np.inf)
    # The skewness of a handful of blocks is noise.
    return error, width if is_block else _for_skewness(width, totals, np.maximum(count, 2))


def _for_skewness(width: np.ndarray, totals: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Widen bounds from below where a few units far below the mean decide; Student's t would cry wolf.

    References
    ----------
    Hall (1992), On the Removal of Skewness by Transformation, Journal of the Royal Statistical Society B 54(1): the
    cubic transformation of a studentized mean, here turned round.
    """
    import numpy as np

    scale = np.sqrt((totals**2).sum(axis=0) / count)
    third = (totals**3).sum(axis=0) / count
    skewed = np.divide(third, scale**3, out=np.zeros_like(scale), where=scale > 0) / np.sqrt(count)
    leaning = np.minimum(skewed, -1e-9)
    return np.maximum(width, 3 / leaning * (np.cbrt(1 + leaning * (width - leaning / 6)) - 1))


def level_of_each(influence: np.ndarray, false_alarms: float, seed: int = 0) -> float:
    """Return the level of a single estimate at which all of them together keep ``false_alarms``."""
    import numpy as np

    scale = np.sqrt((influence**2).sum(axis=0))
    used = influence[:, scale > 0] / scale[scale > 0]
    if used.shape[1] < 2:
        return false_alarms
    values, vectors = np.linalg.eigh(used.T @ used)
    root = vectors * np.sqrt(np.maximum(values, 0))
    largest = (np.random.default_rng(seed).normal(size=(_DRAWS, len(values))) @ root.T).max(axis=1)
    found = float(below(-np.quantile(largest, 1 - false_alarms), _NORMAL))
    return min(false_alarms, max(found, false_alarms / used.shape[1]))
