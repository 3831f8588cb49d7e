"""Rows that come in days: how alike they are, and what that takes from their number."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_FEWEST_FOR_LAGS = 10


def design_effects(
    codes: tuple[np.ndarray, np.ndarray],
    days: tuple[np.ndarray | None, np.ndarray | None],
    *,
    values: int,
    cumulative: bool,
    leading: bool = False,
) -> tuple[float, float]:
    """Return how many rows of days that resemble each other say as much as one independent row, then and now.

    It is measured on the side of more days, and carried over to the other by its rows a day; one for rows without days.

    Parameters
    ----------
    codes : tuple of two ndarray of int
        Value of each row, 0 to ``values - 1``.
    days : tuple of two ndarray of int or None
        Day of each row.
    values : int
        How many values there are.
    cumulative : bool
        Look at the shares up to each value, not of each.
    leading : bool, default=False
        Of the division of the values in two that days move most, instead of all shares in the mean.

    References
    ----------
    Rao, Scott (1981), The Analysis of Categorical Data from Complex Sample Surveys, Journal of the American Statistical
    Association 76(374): the mean design effect of the shares. Newey, West (1987), Econometrica 55(3): days that
    resemble the days before.
    """
    import numpy as np

    known = [
        (len(np.unique(day)), len(day), code, day) for code, day in zip(codes, days, strict=True) if day is not None
    ]
    if not known or max(known, key=lambda side: side[0])[0] < 2:
        return 1.0, 1.0
    count, rows, code, day = max(known, key=lambda side: side[0])
    by_day = _by_day(code, day, values, cumulative=cumulative)
    measured = leading_effect(by_day) if leading else design_effect(by_day)
    # Two standard errors more: an effect that is measured too small alarms, too large it waits for more rows.
    measured = 1 + (measured - 1) * (1 + 2 * sqrt(2 / sureness(count)))
    alike = (measured - 1) / max(rows / count - 1, 1e-9)
    per_day = [len(one) / len(np.unique(one)) if one is not None else rows / count for one in days]
    then, now = (1 + max(0.0, alike * (each - 1)) for each in per_day)
    return max(1.0, then), max(1.0, now)


def _by_day(codes: np.ndarray, days: np.ndarray, values: int, *, cumulative: bool) -> tuple[np.ndarray, np.ndarray]:
    """Count rows, and rows of each value, day by day in the order of time."""
    import numpy as np

    _, place = np.unique(days, return_inverse=True)
    count = int(place.max()) + 1
    table = np.bincount(place * values + codes, minlength=count * values).reshape(count, values).astype(float)
    rows = table.sum(axis=1)
    return rows, (table.cumsum(axis=1)[:, :-1] if cumulative else table)


def design_effect(by_day: tuple[np.ndarray, np.ndarray]) -> float:
    """Divide the variance of shares by that of independent rows; at least one.

    Parameters
    ----------
    by_day : tuple of ndarray of shape (n_days,) and (n_days, n_shares)
        Rows of each day, and those of each kind.
    """
    rows, counted = by_day
    shares = counted.sum(axis=0) / rows.sum()
    expected = float((shares * (1 - shares)).sum() * rows.sum())
    beyond = counted - rows[:, None] * shares
    return max(1.0, float(long_run_variance(beyond).sum()) / expected) if expected > 0 else 1.0


def leading_effect(by_day: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the design effect of the division of kinds in two that days move most, or one of fewer than ten days.

    The division is found on one half of the days and measured on the other, so that chance finds none.

    Parameters
    ----------
    by_day : tuple of ndarray of shape (n_days,) and (n_days, n_kinds)
        As in `design_effect`.
    """
    import numpy as np

    rows, counted = by_day
    middle = len(rows) // 2
    if middle < _FEWEST_FOR_LAGS // 2 or counted.shape[1] < 2:
        return 1.0
    beyond = counted - rows[:, None] * (counted.sum(axis=0) / rows.sum())
    found = []
    for here, there in ((slice(None, middle), slice(middle, None)), (slice(middle, None), slice(None, middle))):
        _, directions = np.linalg.eigh(beyond[here] @ beyond[here].T)
        side = beyond[here].T @ directions[:, -1] > 0
        found.append(design_effect((rows[there], counted[there][:, side].sum(axis=1, keepdims=True))))
    return sum(found) / 2


def long_run_variance(totals: np.ndarray) -> np.ndarray:
    """Return the variance of the sum of daily totals that resemble the day before.

    Parameters
    ----------
    totals : ndarray of shape (n_days, n_sums)
        Centred, in the order of time; at least two days.

    References
    ----------
    Newey, West (1987), A Simple, Positive Semi-Definite, Heteroskedasticity and Autocorrelation Consistent Covariance
    Matrix, Econometrica 55(3). As many lags as the cube root of the number of days.
    """
    days = len(totals)
    lags = _lags(days)
    found = (totals**2).sum(axis=0)
    for lag in range(1, lags + 1):
        found = found + 2 * (1 - lag / (lags + 1)) * (totals[lag:] * totals[:-lag]).sum(axis=0)
    # Some directions may come out below zero by rounding alone.
    return found.clip(min=0) * days / (days - 1)


def sureness(days: int) -> float:
    """Return the degrees of freedom of a variance that `long_run_variance` measured on so many days.

    References
    ----------
    Priestley (1981), Spectral Analysis and Time Series: equivalent degrees of freedom of Bartlett's window, of which
    frequency zero has half.
    """
    return max(1.0, 1.5 * days / (_lags(days) + 1) if _lags(days) else days - 1.0)


def _lags(days: int) -> int:
    # Few days are all taken as independent: a lag of three is measured on what differs from it by nothing.
    return round(days ** (1 / 3)) if days >= _FEWEST_FOR_LAGS else 0


def mean_error(values: np.ndarray, days: np.ndarray | None = None) -> float:
    """Return the standard error of a mean of rows, or of days whose rows resemble each other.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        At least two, such as losses.
    days : ndarray of int of shape (n_rows,), optional
        The day of each row; of one day alone, rows are taken as independent.
    """
    import numpy as np

    beyond = values - values.mean()
    independent = float(np.sqrt((beyond**2).sum() / (len(values) - 1) / len(values)))
    if days is None:
        return independent
    _, place = np.unique(days, return_inverse=True)
    totals = np.bincount(place, weights=beyond)[:, None]
    if len(totals) < 2:
        return independent
    return max(independent, float(np.sqrt(long_run_variance(totals)[0])) / len(values))
