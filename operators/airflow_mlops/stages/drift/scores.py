"""Scores of two samples, equal to those of Evidently's default methods.

Samples come as distinct values with a count on each side, so that one pass over a column serves every method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Evidently takes distances for references of more rows than this, and tests for smaller ones.
LARGE_REFERENCE_ROWS = 1000
# A numeric column with no more distinct values than this is compared by the frequency of each value.
FEW_VALUES = 5

DEFAULT_THRESHOLDS = {"wasserstein": 0.1, "jensenshannon": 0.1, "ks": 0.05, "chisquare": 0.05, "z": 0.05}


def default_method(*, is_numerical: bool, reference_rows: int, distinct_values: int) -> str:
    """Choose the method as Evidently does.

    Parameters
    ----------
    is_numerical : bool
        Numerical or categorical.
    reference_rows : int
        Rows of the reference that have a value.
    distinct_values : int
        Different values in reference and current together.

    References
    ----------
    Evidently 0.7.23, ``evidently.legacy.calculations.stattests.registry._get_default_stattest``.
    """
    has_many_values = is_numerical and distinct_values > FEW_VALUES
    if reference_rows > LARGE_REFERENCE_ROWS:
        return "wasserstein" if has_many_values else "jensenshannon"
    if has_many_values:
        return "ks"
    return "chisquare" if distinct_values > 2 else "z"


def is_beyond(method: str, score: float, threshold: float) -> bool:
    """Tell whether a score means drift; on the threshold itself only ``chisquare`` and ``z`` do not."""
    if method == "ks":
        return score <= threshold
    if method in ("chisquare", "z"):
        return score < threshold
    return score >= threshold


def wasserstein(values: np.ndarray, reference: np.ndarray, current: np.ndarray, *, deviation: float) -> float:
    """Measure the area between two distribution functions, in standard deviations of the reference.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Distinct values, ascending.
    reference, current : ndarray of shape (n_values,)
        How often each value occurs.
    deviation : float
        Standard deviation of the reference, dividing by n. At least 0.001 is taken, as Evidently does.

    References
    ----------
    SciPy documentation, ``scipy.stats.wasserstein_distance``: in one dimension the distance is the integral of the
    absolute difference of the two distribution functions.
    """
    import numpy as np

    apart = np.abs(np.cumsum(reference) / reference.sum() - np.cumsum(current) / current.sum())
    return float(np.sum(apart[:-1] * np.diff(values)) / max(deviation, 0.001))


def jensen_shannon(reference: np.ndarray, current: np.ndarray) -> float:
    """Measure the Jensen-Shannon distance of two frequency tables, in nats: 0 to sqrt(ln 2) = 0.83.

    Parameters
    ----------
    reference, current : ndarray of shape (n_values,)
        How often each value occurs.

    References
    ----------
    SciPy documentation, ``scipy.spatial.distance.jensenshannon``: the square root of the mean of the two
    Kullback-Leibler divergences from the mixture.
    """
    import numpy as np

    shares = reference / reference.sum(), current / current.sum()
    mixture = (shares[0] + shares[1]) / 2
    divergences = [
        np.sum(np.log(share / mixture, where=share > 0, out=np.zeros_like(share)) * share) for share in shares
    ]
    return float(np.sqrt(max(sum(divergences), 0.0) / 2))


def chi_square(reference: np.ndarray, current: np.ndarray) -> float:
    """Give the p-value that the current values are drawn from the reference's frequencies.

    As in Evidently the reference's frequencies count as known. They are a sample too, so alarms are too frequent.

    References
    ----------
    SciPy documentation, ``scipy.stats.chisquare``.
    """
    import numpy as np
    from scipy.special import chdtrc

    expected = reference * (current.sum() / reference.sum())
    with np.errstate(divide="ignore"):
        statistic = np.sum((current - expected) ** 2 / expected)
    return float(chdtrc(len(current) - 1, statistic))


def two_proportions(reference: np.ndarray, current: np.ndarray) -> float:
    """Give the two-sided p-value that two samples have the same share of the first of at most two values.

    References
    ----------
    Evidently 0.7.23, ``evidently.legacy.calculations.stattests.z_stattest``: z-test with the pooled share.
    """
    import numpy as np
    from scipy.special import ndtr

    if len(reference) == 1:
        return 1.0
    rows = reference.sum(), current.sum()
    shares = reference[0] / rows[0], current[0] / rows[1]
    pooled = (reference[0] + current[0]) / sum(rows)
    z = (shares[0] - shares[1]) / np.sqrt(pooled * (1 - pooled) * (1 / rows[0] + 1 / rows[1]))
    return float(2 * (1 - ndtr(abs(z))))


def kolmogorov_smirnov(reference: np.ndarray, current: np.ndarray) -> float:
    """Give the two-sided p-value of the two-sample Kolmogorov-Smirnov test.

    Parameters
    ----------
    reference, current : ndarray of shape (n_rows,)
        The values themselves.

    References
    ----------
    SciPy documentation, ``scipy.stats.ks_2samp``: exact for up to 10,000 rows, asymptotic beyond, or where the exact
    computation fails.
    """
    import warnings

    from scipy.stats import ks_2samp

    with warnings.catch_warnings():
        # Falling back to the asymptotic value is what Evidently's users get too.
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(ks_2samp(reference, current).pvalue)
