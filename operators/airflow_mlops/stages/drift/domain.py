"""Whether rows of now can be told from rows of then by all columns together: a classifier is asked."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from airflow_mlops.stages.drift.effects import frame_kind, known_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

# Most rows of each side: the area under the curve is then known to better than 0.01.
MOST_ROWS = 20_000
_FEWEST_ROWS = 100
# Each side is cut into stretches of time, which are held out in turn, two at a time: rows that are neighbours in time
# are on one side of the cut, but for those next to it.
_STRETCHES, _FOLDS = 10, 5
# Student's quantile of four degrees of freedom, one fewer than folds: 95 %, both sides.
_QUANTILE = 2.776
# Categories beyond so many of the most frequent ones are one: the classifier has 255 bins a column.
_MOST_CATEGORIES = 200


@dataclass(frozen=True, slots=True)
class Domain:
    """How well a classifier tells rows of now from rows of then.

    Attributes
    ----------
    auc : float
        Area under the ROC curve on rows it was not fitted on: 0.5 where nothing can be told, 1 where everything can.
    low, high : float
        Interval of it, 95 %.
    reference_rows, rows : int
        Rows of either side.
    columns : tuple of str
        By which; those without values on a side, of text, or of times are not among them.
    """

    auc: float
    low: float
    high: float
    reference_rows: int
    rows: int
    columns: tuple[str, ...]

    @property
    def is_told_apart(self) -> bool:
        """Whether the interval lies above one half."""
        return self.low > 0.5


def tell_apart(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[str],
    *,
    days: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> Domain | None:
    """Fit a classifier to tell two windows apart, and ask it of rows of other days.

    It is reported beside the columns and decides nothing.

    Parameters
    ----------
    reference, current : DataFrame of shape (n_rows, n_columns)
        Rows of then and of now; of more than 20,000 an even sample is taken. Not modified.
    columns : sequence of str
        By which.
    days : tuple of two ndarray of int
        The day of each row. Whole stretches of days are held out, because rows of a day resemble each other.
    seed : int
        Of the classifier.

    Returns
    -------
    Domain or None
        None where a side has fewer than 100 rows, or no column holds numbers or categories on both.

    References
    ----------
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, ICLR. Nadeau and Bengio (2003), Inference for
    the generalization error, Machine Learning 52: the variance of a mean over training sets that overlap.
    """
    import numpy as np

    kept = [_even(len(side)) for side in (reference, current)]
    reference, current = reference.iloc[kept[0]], current.iloc[kept[1]]
    sizes = len(reference), len(current)
    usable = [name for name in columns if _is_usable(reference[name], current[name])]
    if min(sizes) < _FEWEST_ROWS or not usable:
        return None
    encoded = [_encoded(reference[name], current[name]) for name in usable]
    rows = np.column_stack([values for values, _ in encoded])
    is_now, folds = np.repeat([0, 1], sizes), np.concatenate([_folds(days[side][kept[side]]) for side in (0, 1)])
    areas = [
        _area(rows, is_now, folds == fold, [is_category for _, is_category in encoded], seed=seed)
        for fold in range(_FOLDS)
    ]
    area = float(np.mean(areas))
    reach = _QUANTILE * sqrt(np.var(areas, ddof=1) * (1 / _FOLDS + 1 / (_FOLDS - 1)))
    return Domain(area, max(0.0, area - reach), min(1.0, area + reach), *sizes, tuple(usable))


def _even(rows: int) -> np.ndarray:
    import numpy as np

    return np.arange(rows) if rows <= MOST_ROWS else np.arange(MOST_ROWS) * rows // MOST_ROWS


def _is_usable(reference: pd.Series, current: pd.Series) -> bool:
    kinds = {frame_kind(side) for side in (reference, current)}
    return kinds <= {"numerical", "categorical"} and all(known_rows(side).any() for side in (reference, current))


def _encoded(reference: pd.Series, current: pd.Series) -> tuple[np.ndarray, bool]:
    """Turn a column into numbers with NaN for nulls; texts into codes, the most frequent first."""
    import numpy as np
    import pandas as pd

    both = pd.concat([reference, current], ignore_index=True)
    if pd.api.types.is_numeric_dtype(both):
        values = both.to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan), False
    order = both.astype(object).value_counts().index
    codes = pd.Categorical(both.astype(object), categories=order).codes.astype(float)
    return np.where(codes < 0, np.nan, np.minimum(codes, _MOST_CATEGORIES)), True


def _folds(days: np.ndarray) -> np.ndarray:
    """Give each row the fold it is held out in: by its stretch of days, or of rows where there are too few days."""
    import numpy as np

    different, places = np.unique(days, return_inverse=True)
    if len(different) < _STRETCHES:
        places, different = np.arange(len(days)), days
    return places * _STRETCHES // len(different) % _FOLDS


def _area(rows: np.ndarray, is_now: np.ndarray, is_held: np.ndarray, is_categorical: list[bool], *, seed: int) -> float:
    """Return the area under the curve on held-out rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    model = HistGradientBoostingClassifier(
        max_iter=50, early_stopping=False, categorical_features=is_categorical, random_state=seed
    )
    model.fit(rows[~is_held], is_now[~is_held])
    return float(roc_auc_score(is_now[is_held], model.predict_proba(rows[is_held])[:, 1]))
