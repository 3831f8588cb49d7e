"""McNemar's test of two error rates on the same rows, and its forms for a margin and for blocks of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.gate.bootstrap import unit_residuals
from airflow_mlops.loop.gate.bounds import Bounds
from airflow_mlops.loop.gate.students import below, degrees, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# A normal distribution is Student's t with this many degrees of freedom.
_NORMAL = 1e6


def mcnemar(
    challenger: np.ndarray,
    opponents: Sequence[tuple[np.ndarray, float]],
    units: np.ndarray,
    *,
    is_block: bool,
    confidence: float,
) -> list[Bounds]:
    """Bound a challenger's error rate against each opponent's.

    Parameters
    ----------
    challenger : ndarray of shape (n_rows,)
        1 where it errs, else 0.
    opponents : sequence of (ndarray, float)
        Their errors, and the factor by which their rate is multiplied in what is tested.
    units : ndarray of shape (n_rows,)
        What counts as one piece of evidence: the row's number, or that of its block.
    is_block : bool
        Whether units are blocks of time.
    confidence : float
        One-sided.

    Notes
    -----
    With factor 1 the p-value is the exact conditional one with mid-p, otherwise that of the score statistic of a ratio
    of paired rates. With blocks both give way to the mean difference over its spread between blocks.

    References
    ----------
    McNemar (1947), Note on the Sampling Error of the Difference between Correlated Proportions or Percentages,
    Psychometrika 12(2). Fagerland, Lydersen, Laake (2013), The McNemar Test for Binary Matched-Pairs Data: Mid-p and
    Asymptotic Are Better than Exact Conditional, BMC Medical Research Methodology 13:91. Nam, Blackwelder (2002),
    Analysis of the Ratio of Marginal Probabilities in a Matched-Pair Setting, Statistics in Medicine 21(5): the score
    statistic. Bonett, Price (2012), Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based
    on Paired Data, Journal of Educational and Behavioral Statistics 37(4): the interval. Durkalski, Palesch, Lipsitz,
    Rust (2003), The Analysis of Clustered Matched-Pair Data, Statistics in Medicine 22(15): the differences of a block
    count as one.
    """
    judge_one = _by_block if is_block else _by_row
    return [judge_one(challenger, errors, factor, units, confidence) for errors, factor in opponents]


def _by_row(challenger: np.ndarray, opponent: np.ndarray, factor: float, _: np.ndarray, confidence: float) -> Bounds:
    import numpy as np

    table = np.bincount((2 * challenger + opponent).astype(int), minlength=4)
    neither, theirs, mine, both = (int(count) for count in table)
    rows = len(challenger)
    low, high = _difference(mine, theirs, rows, confidence)
    p = mid_p(mine, theirs) if factor == 1 else ratio_p(both, mine, theirs, neither, factor)
    excess = (both + mine - factor * (both + theirs)) / rows
    bound = _bound(excess, p, (factor * (mine + theirs)) ** 0.5 / rows, confidence)
    return Bounds(float(challenger.mean()), float(opponent.mean()), low, high, bound, p)


def _bound(excess: float, p: float, error: float, confidence: float) -> float:
    """Return the upper bound of an excess with the standard error that its p-value implies, or ``error``."""
    ratio = float(quantile(p, _NORMAL)) if 0 < p < 1 else 0.0
    if ratio != 0 and excess != 0:
        error = abs(excess / ratio)
    return excess + float(quantile(confidence, _NORMAL)) * error


def mid_p(mine: int, theirs: int) -> float:
    """Return the mid-p value of the challenger erring alone this rarely, were it as likely as the opponent to do so."""
    from scipy.stats import binom

    count = mine + theirs
    return float(binom.cdf(mine, count, 0.5) - 0.5 * binom.pmf(mine, count, 0.5)) if count else 0.5


def ratio_p(both: int, mine: int, theirs: int, neither: int, factor: float) -> float:
    """Return the p-value of the score test of a challenger's rate being ``factor`` times the opponent's, or more."""
    rows = both + mine + theirs + neither
    excess = both + mine - factor * (both + theirs)
    alone = _alone(both, mine, theirs, neither, factor)
    if alone <= 0:
        return float(excess >= 0)
    return float(below(excess / (rows * factor * alone) ** 0.5, _NORMAL))


def _alone(both: int, mine: int, theirs: int, neither: int, factor: float) -> float:
    """Return the likeliest share of rows on which one errs alone, where the ratio of the rates is ``factor``.

    The likeliest shares are ``count / (rows + tilt * weight)``; the tilt is that at which the weighted shares add up to
    nothing. Where it would have to lie beyond the edge at which a sort of rows that was not seen gets a share, that
    sort gets what is missing: two models that never differed on few errors are not shown to be alike.
    """
    from scipy.optimize import brentq

    rows = both + mine + theirs + neither
    low, high = -float(rows), rows / factor

    def of_others(tilt: float) -> float:
        return both * (1 - factor) / (rows + tilt * (1 - factor))

    if mine == 0 and (missing := factor * theirs / (rows - low * factor) - of_others(low)) >= 0:
        return missing + theirs / (rows - low * factor)
    if theirs == 0 and (missing := mine / (rows + high) + of_others(high)) >= 0:
        return mine / (rows + high) + missing / factor

    def unbalanced(tilt: float) -> float:
        return mine / (rows + tilt) - factor * theirs / (rows - tilt * factor) + of_others(tilt)

    # It falls from one edge to the other, and changes its sign between them.
    inside = 1e-12 * (high - low)
    tilt = brentq(unbalanced, low + inside, high - inside)
    return mine / (rows + tilt) + theirs / (rows - tilt * factor)


def _difference(mine: int, theirs: int, rows: int, confidence: float) -> tuple[float, float]:
    first, second = (mine + 1) / (rows + 2), (theirs + 1) / (rows + 2)
    difference = first - second
    width = float(quantile(confidence, _NORMAL)) * ((first + second - difference**2) / (rows + 2)) ** 0.5
    return max(-1.0, difference - width), min(1.0, difference + width)


def _by_block(
    challenger: np.ndarray, opponent: np.ndarray, factor: float, units: np.ndarray, confidence: float
) -> Bounds:
    import numpy as np

    columns = np.column_stack([challenger - opponent, challenger - factor * opponent])
    (difference, excess), errors, _, sizes = unit_residuals(columns, units)
    df = degrees(len(sizes), is_block=True)
    width = float(quantile(confidence, df)) * errors
    p = float(below(excess / errors[1], df)) if errors[1] > 0 else float(excess >= 0)
    return Bounds(
        float(challenger.mean()),
        float(opponent.mean()),
        float(difference - width[0]),
        float(difference + width[0]),
        float(excess + width[1]),
        p,
    )
