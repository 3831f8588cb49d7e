"""Evidently's methods by name: which are for which columns, which is the default, and from where a score is drift."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from airflow_mlops.stages.drift import scores
from airflow_mlops.stages.drift.distribution import Distribution
from airflow_mlops.stages.drift.tables import distinct_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from airflow_mlops.stages.profile import ColumnProfile

# Evidently takes distances for references of more rows than this, and tests for smaller ones.
LARGE_REFERENCE_ROWS = 1000
# A numeric column with no more distinct values than this is compared by the frequency of each value.
FEW_VALUES = 5

DEFAULT_THRESHOLDS = {
    "wasserstein": 0.1,
    "jensenshannon": 0.1,
    "psi": 0.1,
    "kl_div": 0.1,
    "hellinger": 0.1,
    "TVD": 0.1,
    "ks": 0.05,
    "chisquare": 0.05,
    "z": 0.05,
    "g_test": 0.1,
}
# Of which a small score means drift.
P_VALUES = frozenset({"ks", "chisquare", "z", "g_test", "TVD"})

NUMERICAL_ONLY = frozenset({"wasserstein", "ks"})
CATEGORICAL_ONLY = frozenset({"chisquare", "z", "g_test", "TVD"})

_OF_TABLES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "jensenshannon": scores.jensen_shannon,
    "psi": scores.stability_index,
    "kl_div": scores.kullback_leibler,
    "hellinger": scores.hellinger,
    "TVD": scores.total_variation,
    "chisquare": scores.chi_square,
    "z": scores.two_proportions,
    "g_test": scores.g_test,
}


def default_method(then: ColumnProfile, now: ColumnProfile, *, is_numerical: bool) -> str:
    """Choose the method as Evidently does: by kind, rows of the reference with a value, and different values of both.

    References
    ----------
    Evidently 0.7.23, ``evidently.legacy.calculations.stattests.registry._get_default_stattest``.
    """
    is_large = then.known > LARGE_REFERENCE_ROWS
    if is_large and not is_numerical:
        return "jensenshannon"
    distinct = distinct_of(then, now)
    has_many_values = is_numerical and distinct > FEW_VALUES
    if is_large:
        return "wasserstein" if has_many_values else "jensenshannon"
    if has_many_values:
        return "ks"
    return "chisquare" if distinct > 2 else "z"


def is_applicable(method: str, *, is_numerical: bool) -> bool:
    """Tell whether Evidently has a method for numerical, or for categorical, columns."""
    return method not in (CATEGORICAL_ONLY if is_numerical else NUMERICAL_ONLY)


def score(
    method: str,
    then: ColumnProfile,
    now: ColumnProfile,
    *,
    is_numerical: bool,
    counted: tuple[np.ndarray, np.ndarray] | None = None,
) -> float:
    """Score two columns that have values.

    Parameters
    ----------
    method : str
        One of `DEFAULT_THRESHOLDS`.
    then, now : ColumnProfile
        Of the reference and of now.
    is_numerical : bool
        Numerical or categorical.
    counted : tuple of two ndarray of shape (n_values,), optional
        How often each category is there, for columns whose profiles have not counted them.
    """
    if method == "wasserstein":
        # Where no float holds the square of a deviation, Evidently has an infinite one.
        deviation = inf if then.deviation is None else then.deviation
        return scores.wasserstein(Distribution.of(then), Distribution.of(now), deviation=deviation)
    if method == "ks":
        return scores.kolmogorov_smirnov(Distribution.of(then), Distribution.of(now))
    reference, current = counted or tables_of(then, now, method, is_numerical=is_numerical)
    return _OF_TABLES[method](reference, current)


def is_beyond(method: str, found: float, threshold: float) -> bool:
    """Tell whether a score means drift; on the threshold itself a distance and ``ks`` do, the other tests do not."""
    if method == "ks":
        return found <= threshold
    return found < threshold if method in P_VALUES else found >= threshold
