"""The test of DeLong, DeLong and Clarke-Pearson for two areas under the ROC curve on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.loop.gate.bounds import Bounds
from airflow_mlops.loop.gate.students import below, degrees, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# With fewer rows of either class the variance of an area is a guess.
FEWEST_OF_CLASS = 20


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a test of rankings compares.

    Attributes
    ----------
    positive : ndarray of bool of shape (n_rows,)
        Which rows are of the second class.
    challenger, baseline, champion : ndarray of shape (n_rows,)
        Score of each row, such as its probability of the second class; None where there is no champion.
    """

    positive: np.ndarray
    challenger: np.ndarray
    baseline: np.ndarray
    champion: np.ndarray | None = None


def delong(
    positive: np.ndarray,
    challenger: np.ndarray,
    opponents: Sequence[tuple[np.ndarray, float]],
    units: np.ndarray,
    *,
    is_block: bool,
    confidence: float,
) -> list[Bounds]:
    """Bound the loss ``1 - AUC`` of a challenger against each opponent's.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_rows,)
        Which rows are of the second class; both classes have rows.
    challenger : ndarray of shape (n_rows,)
        Its scores.
    opponents : sequence of (ndarray, float)
        Scores, and the factor by which their loss is multiplied in what is tested.
    units : ndarray of shape (n_rows,)
        What counts as one piece of evidence: the row's number, or that of its block.
    is_block : bool
        Whether units are blocks of time.
    confidence : float
        One-sided.

    References
    ----------
    DeLong, DeLong, Clarke-Pearson (1988), Comparing the Areas under Two or More Correlated Receiver Operating
    Characteristic Curves, Biometrics 44(3). Sun, Xu (2014), Fast Implementation of DeLong's Algorithm, IEEE Signal
    Processing Letters 21(11): by ranks. Obuchowski (1997), Nonparametric Analysis of Clustered ROC Curve Data,
    Biometrics 53(2): sums of a block's components where rows of a block go together. Welch (1947), Biometrika 34:
    degrees of freedom of the two classes' variances together.
    """
    loss, influence = auc_losses(positive, challenger)
    found = []
    for scores, factor in opponents:
        other, others = auc_losses(positive, scores)
        error, df = _error(influence - others, positive, units, is_block=is_block)
        width = float(quantile(confidence, df)) * error
        excess = loss - factor * other
        spread, df = _error(influence - factor * others, positive, units, is_block=is_block)
        p = float(below(excess / spread, df)) if spread > 0 else float(excess >= 0)
        bound = excess + float(quantile(confidence, df)) * spread
        found.append(Bounds(loss, other, loss - other - width, loss - other + width, bound, p))
    return found


def auc_losses(positive: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Return ``1 - AUC`` and by how much each row moves it: DeLong's components over the size of the row's class."""
    import numpy as np
    from scipy.stats import rankdata

    of_class = np.where(positive, positive.sum(), (~positive).sum())
    within = np.empty(len(scores))
    within[positive] = rankdata(scores[positive])
    within[~positive] = rankdata(scores[~positive])
    # Share of the other class that a row is ranked above, ties counted half.
    beyond = (rankdata(scores) - within) / (len(scores) - of_class)
    wrong = np.where(positive, 1 - beyond, beyond)
    loss = float(wrong[positive].mean())
    return loss, (wrong - loss) / of_class


def _error(influence: np.ndarray, positive: np.ndarray, units: np.ndarray, *, is_block: bool) -> tuple[float, float]:
    """Return the standard error of a sum of influences, and its degrees of freedom."""
    import numpy as np

    if is_block:
        totals = np.bincount(units, influence)
        return float(np.sqrt(len(totals) / (len(totals) - 1) * (totals**2).sum())), degrees(len(totals), is_block=True)
    parts, df = [], 0.0
    for rows in (influence[positive], influence[~positive]):
        variance = float((rows**2).sum()) * len(rows) / (len(rows) - 1)
        parts.append(variance)
        df += variance**2 / (len(rows) - 1)
    total = sum(parts)
    return total**0.5, total**2 / df if df > 0 else 1.0
