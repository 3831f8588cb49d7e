"""How far one column has moved, as a size between 0 and 1 with an interval, and how far it moves by chance.

Two distances on one scale: for numbers the Kolmogorov-Smirnov distance (the largest gap between two distribution
functions), for categories the total variation (the share of rows that would have to change their category). Neither
changes with the unit, with heavy tails, or when values occur many times. Rows of a day resemble each other; what that
takes from the number of rows is measured and taken off.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING

from airflow_mlops.loop.clusters import design_effects

if TYPE_CHECKING:
    import numpy as np

KS, TOTAL_VARIATION = "ks", "total_variation"
# Mean of the Kolmogorov distribution: what sqrt(n) times the distance is on average where nothing has moved.
_KOLMOGOROV_MEAN = 0.8687
# Where the shares of a numeric column are looked at for how alike the rows of a day are.
_CUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Effect:
    """How far a column has moved.

    Attributes
    ----------
    column : str
        Which.
    method : {"ks", "total_variation"}
        Distance, 0 to 1.
    value : float
        Of the two samples. It is above that of the worlds they come from by ``bias`` or less on average.
    low, high : float
        Interval of the distance of these worlds, 95 %.
    reference_rows, rows : int
        Rows with a value.
    pairs : float
        ``n m / (n + m)`` with the rows that independent ones would have to be to say as much: see `design_effects`.
    independent : float
        The same, rows taken as independent.
    bias, independent_bias : float
        Mean of the value where nothing has moved, for either.
    """

    column: str
    method: str
    value: float
    low: float
    high: float
    reference_rows: int
    rows: int
    pairs: float
    independent: float
    bias: float
    independent_bias: float

    def noise_limit(self, rate: float, *, independent: bool = False) -> float:
        """Return what the value stays below with probability ``1 - rate`` or more where nothing has moved.

        Parameters
        ----------
        rate : float
            Of false alarms, 0 to 1.
        independent : bool, default=False
            Take rows of a day as independent.

        References
        ----------
        Wei, Dudley (2012), Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities, Statistics & Probability Letters 82(3),
        for numbers. McDiarmid (1989), On the method of bounded differences, for categories: one row of n changes the
        distance by 1 / n at most.
        """
        pairs, bias = (self.independent, self.independent_bias) if independent else (self.pairs, self.bias)
        if self.method == KS:
            return min(1.0, sqrt(log(2 / rate) / 2 / pairs))
        return min(1.0, bias + sqrt(log(1 / rate) / 2 / pairs))


def numeric_effect(
    column: str,
    then: np.ndarray,
    now: np.ndarray,
    *,
    days: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
) -> Effect:
    """Measure the Kolmogorov-Smirnov distance of two samples.

    Parameters
    ----------
    column : str
        Its name.
    then, now : ndarray of float of shape (n_rows,)
        Finite values, at least one a side.
    days : tuple of two ndarray of int or None
        The day of each row, or of another stretch whose rows resemble each other; None takes rows as independent.
    """
    import numpy as np

    ordered = np.sort(then), np.sort(now)
    # Only at observed values can the gap be largest; ties are taken on both sides of both samples alike.
    at = np.concatenate(ordered)
    shares = [np.searchsorted(side, at, side="right") / len(side) for side in ordered]
    value = float(np.abs(shares[0] - shares[1]).max())
    cuts = np.unique(np.quantile(then, _CUTS))
    codes = [np.searchsorted(cuts, side, side="left") for side in (then, now)]
    effects = design_effects((codes[0], codes[1]), days, values=len(cuts) + 1, cumulative=True)
    pairs, independent = _pairs(len(then), len(now), effects)
    biases = _KOLMOGOROV_MEAN / sqrt(pairs), _KOLMOGOROV_MEAN / sqrt(independent)
    return _effect(column, KS, value, (len(then), len(now)), (pairs, independent), biases)


def category_effect(
    column: str,
    codes: tuple[np.ndarray, np.ndarray],
    values: int,
    *,
    days: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
) -> Effect:
    """Measure the total variation of two samples of categories.

    Parameters
    ----------
    column : str
        Its name.
    codes : tuple of two ndarray of int
        The category of each row, 0 to ``values - 1``, then and now; at least one row a side.
    values : int
        How many categories both have together.
    days : tuple of two ndarray of int or None
        As in `numeric_effect`.
    """
    import numpy as np

    counts = [np.bincount(side, minlength=values) for side in codes]
    sizes = len(codes[0]), len(codes[1])
    value = float(np.abs(counts[0] / sizes[0] - counts[1] / sizes[1]).sum() / 2)
    mean, leading = (
        design_effects(codes, days, values=values, cumulative=False, leading=each) for each in (False, True)
    )
    alike, independent = _pairs(*sizes, mean)
    pairs = min(alike, _pairs(*sizes, leading)[0])
    shares = (counts[0] + counts[1]) / sum(sizes)
    # Half of the mean absolute difference of two normal shares, summed over the categories.
    spread = float(np.sqrt(shares * (1 - shares)).sum() / 2 * np.sqrt(2 / np.pi))
    biases = min(1.0, spread / sqrt(alike)), min(1.0, spread / sqrt(independent))
    return _effect(column, TOTAL_VARIATION, value, sizes, (pairs, independent), biases)


def _effect(
    column: str,
    method: str,
    value: float,
    sizes: tuple[int, int],
    pairs: tuple[float, float],
    biases: tuple[float, float],
) -> Effect:
    # 95 %, both sides: by McDiarmid's inequality the value is so near to its mean, and the mean lies between the
    # distance of the worlds (Jensen's inequality) and that plus the bias.
    reach = sqrt(log(2 / 0.05) / 2 / pairs[0])
    low, high = max(0.0, value - biases[0] - reach), min(1.0, value + reach)
    return Effect(column, method, value, low, high, *sizes, *pairs, *biases)


def _pairs(reference_rows: int, rows: int, effects: tuple[float, float]) -> tuple[float, float]:
    then, now = reference_rows / effects[0], rows / effects[1]
    return then * now / (then + now), reference_rows * rows / (reference_rows + rows)
