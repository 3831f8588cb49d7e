"""Scores of two columns under Evidently's methods, from frequencies of values and from distribution functions."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

from airflow_mlops.stages.drift.distribution import aligned

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.stages.drift.distribution import Distribution

# SciPy's test is exact up to so many rows.
_EXACT_ROWS = 10_000
# Evidently's number of permutations; its p-value, and ours, is a share of so many.
_PERMUTATIONS = 1000


def wasserstein(then: Distribution, now: Distribution, *, deviation: float) -> float:
    """Measure the area between two distribution functions, in standard deviations of the reference.

    Parameters
    ----------
    then, now : Distribution
        Of the reference and of now.
    deviation : float
        Standard deviation of the reference, dividing by n. At least 0.001 is taken, as Evidently does.

    References
    ----------
    SciPy documentation, ``scipy.stats.wasserstein_distance``: in one dimension the distance is the integral of the
    absolute difference of the two distribution functions.
    """
    import numpy as np

    points, before, on = aligned(then, now)
    # From one point to the next the difference is a line, which may cross zero.
    start, end = on[:-1], before[1:]
    total = np.abs(start) + np.abs(end)
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = np.nan_to_num((start**2 + end**2) / total / 2)
    heights = np.where(start * end >= 0, total / 2, crossing)
    return float(np.sum(heights * np.diff(points)) / max(deviation, 0.001))


def kolmogorov_smirnov(then: Distribution, now: Distribution) -> float:
    """Give the two-sided p-value of the two-sample Kolmogorov-Smirnov test.

    References
    ----------
    SciPy documentation, ``scipy.stats.ks_2samp``: exact for up to 10,000 rows, else by Hodges (1958), The significance
    probability of the Smirnov two-sample test, Arkiv for Matematik 3(5).
    """
    import warnings

    import numpy as np
    from scipy.stats import ks_2samp, kstwo

    rows = max(then.rows, now.rows), min(then.rows, now.rows)
    if rows[0] <= _EXACT_ROWS:
        with warnings.catch_warnings():
            # Falling back to the asymptotic value is what Evidently's users get too.
            warnings.simplefilter("ignore", RuntimeWarning)
            return float(ks_2samp(then.sample(then.rows), now.sample(now.rows)).pvalue)
    _, before, on = aligned(then, now)
    distance = max(np.abs(before).max(), np.abs(on).max())
    return float(np.clip(kstwo.sf(distance, np.round(rows[0] / (rows[0] + rows[1]) * rows[1])), 0, 1))


def jensen_shannon(reference: np.ndarray, current: np.ndarray) -> float:
    """Measure the Jensen-Shannon distance of two frequency tables, in nats: 0 to sqrt(ln 2) = 0.83.

    Parameters
    ----------
    reference, current : ndarray of shape (n_values,)
        How often each value, or each bin, occurs.

    References
    ----------
    SciPy documentation, ``scipy.spatial.distance.jensenshannon``: the square root of the mean of the two
    Kullback-Leibler divergences from the mixture.
    """
    import numpy as np

    shares = reference / reference.sum(), current / current.sum()
    mixture = (shares[0] + shares[1]) / 2
    divergences = [
        np.sum(share * np.log(np.divide(share, mixture, where=share > 0, out=np.ones_like(share)))) for share in shares
    ]
    return float(np.sqrt(max(sum(divergences), 0.0) / 2))


def stability_index(reference: np.ndarray, current: np.ndarray) -> float:
    """Give the population stability index of two frequency tables, empty ones filled as Evidently does.

    References
    ----------
    Evidently 0.7.23, ``evidently.legacy.calculations.stattests.psi`` and ``.utils.get_binned_data``.
    """
    import numpy as np

    then, now = _filled(reference), _filled(current)
    return float(np.sum((then - now) * np.log(then / now)))


def kullback_leibler(reference: np.ndarray, current: np.ndarray) -> float:
    """Give the Kullback-Leibler divergence of the reference from now, empty ones filled as Evidently does.

    References
    ----------
    SciPy documentation, ``scipy.stats.entropy``: both tables are made to sum to one.
    """
    import numpy as np

    then, now = _filled(reference), _filled(current)
    then, now = then / then.sum(), now / now.sum()
    return float(np.sum(then * np.log(then / now)))


def hellinger(reference: np.ndarray, current: np.ndarray) -> float:
    """Measure the Hellinger distance of two frequency tables, 0 to 1.

    References
    ----------
    Evidently 0.7.23, ``evidently.legacy.calculations.stattests.hellinger_distance``.
    """
    import numpy as np

    overlap = np.sqrt(reference / reference.sum() * (current / current.sum())).sum()
    return sqrt(1.0 - min(max(float(overlap), 0.0), 1.0))


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
    return float(chdtrc(len(current) - 1, statistic)) if len(current) > 1 else 1.0


def g_test(reference: np.ndarray, current: np.ndarray) -> float:
    """Give the p-value of the likelihood-ratio test that now follows the reference's frequencies.

    Evidently compares numbers of rows, and raises where the two sides have different ones; here those of the reference
    are scaled first, which is the same where they are equal.

    References
    ----------
    SciPy documentation, ``scipy.stats.power_divergence`` with ``lambda_="log-likelihood"``.
    """
    import numpy as np
    from scipy.special import chdtrc, xlogy

    expected = reference * (current.sum() / reference.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = 2 * np.sum(np.where(current > 0, xlogy(current, current / expected), 0.0))
    return float(chdtrc(len(current) - 1, max(statistic, 0.0))) if len(current) > 1 else 1.0


def two_proportions(reference: np.ndarray, current: np.ndarray) -> float:
    """Give the two-sided p-value that two samples have the same share of the first of their values.

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


def total_variation(reference: np.ndarray, current: np.ndarray, *, seed: int = 0) -> float:
    """Give the share of permutations of all rows whose total variation is not below that found.

    Evidently shuffles the rows; frequencies of shuffled rows are drawn here from the multivariate hypergeometric
    distribution that they have. Either is a share of 1,000 draws, so two of them differ by up to 0.06.

    References
    ----------
    Evidently 0.7.23, ``evidently.legacy.calculations.stattests.tvd_stattest``.
    """
    import numpy as np

    both, rows = reference + current, (reference.sum(), current.sum())
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(
        both.astype(np.int64), int(rows[0]), size=_PERMUTATIONS, method="marginals"
    )
    found = np.abs(reference / rows[0] - current / rows[1]).sum() / 2
    by_chance = np.abs(drawn / rows[0] - (both - drawn) / rows[1]).sum(axis=1) / 2
    return float(np.mean(found <= by_chance + 1e-12))


def sturges(first: float, last: float, size: float, *, is_whole: bool) -> np.ndarray:
    """Give the edges of the bins that NumPy makes of so many values by Sturges' rule.

    Parameters
    ----------
    first, last : float
        Smallest and largest value.
    size : float
        How many values.
    is_whole : bool
        Whether they are of an integer type; then no bin is narrower than one.

    References
    ----------
    NumPy documentation, ``numpy.histogram_bin_edges``.
    """
    import numpy as np

    width = (last - first) / (float(np.log2(size)) + 1.0)
    if is_whole and 0 < width < 1:
        width = 1.0
    bins = ceil((last - first) / width) if width else 1
    if first == last:
        first, last = first - 0.5, last + 0.5
    return np.linspace(first, last, bins + 1)


def _filled(counts: np.ndarray) -> np.ndarray:
    """Turn counts into shares, with a small one where there is nothing."""
    import numpy as np

    shares = counts / counts.sum()
    least = shares[shares > 0].min()
    return np.where(shares > 0, shares, least / 10**6 if least <= 0.0001 else 0.0001)
