"""From two frames to a drift report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MissingColumns, NothingToCompare
from airflow_mlops.stages.drift.report import ColumnDrift, DriftReport
from airflow_mlops.stages.drift.scores import (
    DEFAULT_THRESHOLDS,
    chi_square,
    default_method,
    is_beyond,
    jensen_shannon,
    kolmogorov_smirnov,
    two_proportions,
    wasserstein,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec.data_sections import DriftSpec

PREDICTION = "prediction"

# Evidently takes an integer column with no more distinct values than this for a categorical one.
_FEW_INTEGERS = 10


def drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: Sequence[str],
    spec: DriftSpec,
    *,
    sensitive: Sequence[str] = (),
    predictions: tuple[Any, Any] | None = None,
) -> DriftReport:
    """Compare two windows column by column, with the methods and thresholds Evidently has as defaults.

    The thresholds are Evidently's conventions, not calibrated to a rate of false alarms; see the documentation of this
    stage for what they amount to on real data. A column without any value on a side has no score and a finding instead.

    Parameters
    ----------
    reference : DataFrame of shape (n_reference, n_columns)
        Rows the model was trained on. Not modified.
    current : DataFrame of shape (n_current, n_columns)
        Rows to be judged. Not modified.
    columns : sequence of str
        Which columns; `spec.columns` go before them.
    spec : DriftSpec
        Columns, a threshold for all of them, and the share of drifted columns that makes the set drifted.
    sensitive : sequence of str, default=()
        Columns that are left out.
    predictions : tuple of two arrays, optional
        What the model answers for rows of then and rows of now; their numbers may differ from those of the frames.

    Returns
    -------
    DriftReport
        Scores equal to Evidently's, and a verdict.

    Raises
    ------
    MissingColumns
        A column is not in one of the frames.
    NothingToCompare
        No column has a score.

    References
    ----------
    Evidently documentation, "Data drift": default methods by column type and size of the reference.
    """
    wanted = list(spec.columns or columns)
    chosen = [column for column in wanted if column not in sensitive]
    for frame, where in ((reference, "the reference"), (current, "the current snapshot")):
        if missing := [column for column in chosen if column not in frame]:
            raise MissingColumns(missing, present=list(map(str, frame.columns)), where=where)
    compared = tuple(_compare(name, reference[name], current[name], threshold=spec.threshold) for name in chosen)
    if all(column.score is None for column in compared):
        raise NothingToCompare(
            f"none of {len(chosen)} columns can be compared: {'; '.join(c.finding or '' for c in compared[:3])}. Name "
            "columns with values in drift.columns, or give another reference."
        )
    return DriftReport(
        compared,
        share_threshold=spec.share,
        reference_rows=len(reference),
        current_rows=len(current),
        prediction=_compare_predictions(predictions, threshold=spec.threshold),
        left_out=tuple(column for column in wanted if column in sensitive),
    )


def _compare_predictions(predictions: tuple[Any, Any] | None, *, threshold: float | None) -> ColumnDrift | None:
    import pandas as pd

    if predictions is None:
        return None
    return _compare(PREDICTION, pd.Series(predictions[0]), pd.Series(predictions[1]), threshold=threshold)


def _compare(name: str, reference: pd.Series, current: pd.Series, *, threshold: float | None) -> ColumnDrift:
    kind = column_kind(current)
    if kind in ("text", "unknown"):
        # A short window can make a column of names look like text, or be empty; what it was at training time counts.
        kind = column_kind(reference)
    then, now = reference[known_rows(reference)], current[known_rows(current)]
    found = ColumnDrift(name, kind=kind, method="none", reference_rows=len(then), current_rows=len(now))
    if not (len(then) and len(now)):
        side = "current window" if len(then) else "reference"
        return replace(found, method="null", finding=f"{name} has no value in the {side}")
    if kind not in ("numerical", "categorical"):
        return replace(found, finding=f"{name} holds {kind} values, which are not compared")
    if kind == "numerical" and not (holds_numbers(then) and holds_numbers(now)):
        return replace(found, finding=f"{name} was {then.dtype} in the reference and is {now.dtype} now")
    method, score = _score(then, now, is_numerical=kind == "numerical")
    return _judged(found, method, score, threshold=threshold)


def _judged(found: ColumnDrift, method: str, score: float, *, threshold: float | None) -> ColumnDrift:
    default = DEFAULT_THRESHOLDS[method]
    limit = default if threshold is None else threshold
    return replace(
        found,
        method=method,
        score=score,
        threshold=limit,
        drifted=is_beyond(method, score, limit),
        exceeds_evidently_default=is_beyond(method, score, default),
    )


def _score(then: pd.Series, now: pd.Series, *, is_numerical: bool) -> tuple[str, float]:
    values, reference, current = _count(then, now)
    method = default_method(is_numerical=is_numerical, reference_rows=len(then), distinct_values=len(values))
    if method == "wasserstein":
        return method, wasserstein(values, reference, current, deviation=float(then.std(ddof=0)))
    if method == "jensenshannon":
        return method, jensen_shannon(reference, current)
    if method == "ks":
        return method, kolmogorov_smirnov(then.to_numpy(), now.to_numpy())
    if method == "chisquare":
        return method, chi_square(reference, current)
    return method, two_proportions(reference, current)


def _count(then: pd.Series, now: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count distinct values of two samples on a common scale; numbers come in ascending order."""
    import numpy as np
    import pandas as pd

    is_numeric = holds_numbers(then) and holds_numbers(now)
    if is_numeric:
        both = np.concatenate([then.to_numpy(dtype=float), now.to_numpy(dtype=float)])
    else:
        both = np.concatenate([then.to_numpy(dtype=object), now.to_numpy(dtype=object)])
    # Hashing first and sorting the few distinct values is several times faster than sorting all rows.
    codes, values = pd.factorize(both)
    if is_numeric:
        order = np.argsort(values)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        codes, values = rank[codes], values[order]
    reference = np.bincount(codes[: len(then)], minlength=len(values))
    current = np.bincount(codes[len(then) :], minlength=len(values))
    return values, reference, current


def column_kind(column: pd.Series) -> str:
    """Type a column as Evidently does: ``numerical``, ``categorical``, ``text``, ``datetime`` or ``unknown``.

    Unsigned integers count as integers, and booleans with gaps as categorical; Evidently leaves both out.

    References
    ----------
    Evidently 0.7.23, ``evidently.core.datasets.infer_column_type``.
    """
    name = column.dtype.name.lower()
    if name.startswith("float"):
        return "numerical"
    if name.startswith(("int", "uint")):
        return "categorical" if column.nunique() <= _FEW_INTEGERS else "numerical"
    if name.startswith("datetime"):
        return "datetime"
    if name in ("bool", "boolean", "category"):
        return "categorical"
    known = column.dropna()
    if known.empty or not all(isinstance(known.iloc[end], str | bool) for end in (0, -1)):
        return "unknown"
    return "text" if isinstance(known.iloc[0], str) and known.nunique() > len(known) * 0.5 else "categorical"


def known_rows(column: pd.Series) -> np.ndarray:
    """Tell which rows have a value that is neither null nor infinite."""
    import numpy as np

    return np.isfinite(column.to_numpy()) if column.dtype.kind == "f" else column.notna().to_numpy()


def holds_numbers(column: pd.Series) -> bool:
    """Tell whether a column is of numbers; yes and no are none."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) and not is_bool_dtype(column)
