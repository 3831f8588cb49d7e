"""The test of Diebold and Mariano, for losses in the order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.gate.bounds import Bounds
from airflow_mlops.loop.gate.students import below, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


def diebold_mariano(
    challenger: np.ndarray,
    opponents: Sequence[tuple[np.ndarray, float]],
    *,
    blocks: int | None,
    confidence: float,
) -> list[Bounds]:
    """Bound a challenger's mean loss against each opponent's, with a variance that neighbours in time may share.

    Parameters
    ----------
    challenger : ndarray of shape (n_rows,)
        Its losses, in the order of time.
    opponents : sequence of (ndarray, float)
        Losses, and the factor by which they are multiplied in what is tested.
    blocks : int, optional
        How many blocks of time the rows lie in; what lasts a block is then allowed for, too.
    confidence : float
        One-sided.

    References
    ----------
    Diebold, Mariano (1995), Comparing Predictive Accuracy, Journal of Business & Economic Statistics 13(3). Harvey,
    Leybourne, Newbold (1997), Testing the Equality of Prediction Mean Squared Errors, International Journal of
    Forecasting 13(2): Student's t in place of the normal distribution.
    """
    import numpy as np

    columns = np.column_stack([challenger - factor * loss for loss, each in opponents for factor in (1.0, each)])
    count = cosines(len(challenger), blocks)
    mean, error = series_error(columns, count)
    upper = mean + quantile(confidence, freedom(count)) * error
    lower = mean - quantile(confidence, freedom(count)) * error
    ratio = np.divide(mean, error, out=np.where(mean < 0, -np.inf, np.inf), where=error > 0)
    p = below(ratio, freedom(count))
    return [
        Bounds(
            float(challenger.mean()),
            float(loss.mean()),
            float(lower[2 * place]),
            float(upper[2 * place]),
            float(upper[2 * place + 1]),
            float(p[2 * place + 1]),
        )
        for place, (loss, _) in enumerate(opponents)
    ]


def cosines(rows: int, blocks: int | None) -> int:
    """Return how many of the slowest waves the variance is read from.

    Four tenths of the square root of the rows are fewer than the ``0.4 rows^(2/3)`` of the source, so that losses
    with a correlation of 0.8 keep the level from 200 rows on. Waves shorter than four blocks are left out, for they
    do not show what lasts a block.
    """
    most = max(2, int(0.4 * rows**0.5))
    return most if blocks is None else max(1, min(most, blocks // 2))


def freedom(cosines_read: int) -> float:
    """Return the degrees of freedom of such a variance: half of one fewer, as the slowest waves are a little too small.

    Without it days of which each resembles the next would pass 6 % at the margin in place of 5 %.
    """
    return cosines_read - 0.5


def series_error(columns: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each column and its standard error by equal-weighted cosines.

    References
    ----------
    Lazarus, Lewis, Stock, Watson (2018), HAR Inference: Recommendations for Practice, Journal of Business & Economic
    Statistics 36(4): the EWC estimator, whose ratio has Student's t with as many degrees of freedom as cosines.
    """
    import numpy as np
    from scipy.fft import dct

    waves = dct(columns, axis=0, norm="ortho")[1 : count + 1]
    # What is left of a constant by rounding is no spread.
    spread = np.ptp(columns, axis=0) > 0
    return columns.mean(axis=0), np.where(spread, np.sqrt((waves**2).mean(axis=0) / len(columns)), 0.0)
