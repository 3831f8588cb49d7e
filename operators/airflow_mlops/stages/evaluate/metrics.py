"""Metrics by kind of task, for all rows and by slice."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import GateMisuse
from airflow_mlops.stages.evaluate.predictions import Predictions, row_losses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

# A slice column with more values shows its largest; the others are what min_slice_rows is for.
MOST_SLICES = 30


def score(task: str, target: np.ndarray, predictions: Predictions) -> dict[str, float]:
    """Compute the metrics of a task; one that is not defined on these rows is left out.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
        Binary: the second class is the positive one, the threshold is one half.
    target : ndarray of shape (n_rows,)
        What happened.
    predictions : Predictions
        What was said.

    Returns
    -------
    dict of str to float
        Binary: log_loss, brier, roc_auc, average_precision, accuracy, f1. Multiclass: log_loss, accuracy, f1_macro.
        Regression: mae, rmse, median_absolute_error, and r2.

    References
    ----------
    scikit-learn User Guide, "Metrics and scoring", for all but log_loss and brier, which are the means of `row_losses`.
    """
    import math

    found = (
        _regression(target, predictions.labels) if task == "regression" else _classification(task, target, predictions)
    )
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _classification(task: str, target: np.ndarray, predictions: Predictions) -> dict[str, float]:
    found = {"accuracy": float((predictions.labels == target).mean())}
    if predictions.probabilities is not None:
        found["log_loss"] = float(row_losses("log_loss", target, predictions).mean())
    return found | (_binary if task == "binary" else _multiclass)(target, predictions)


def _binary(target: np.ndarray, predictions: Predictions) -> dict[str, float]:
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    positive = predictions.classes[1]
    happened, said = target == positive, predictions.labels == positive
    hits = float((happened & said).sum())
    found = {"f1": 2 * hits / max(float(happened.sum() + said.sum()), 1.0)}
    if predictions.probabilities is not None:
        found["brier"] = float(row_losses("brier", target, predictions).mean())
        probability = predictions.probabilities[:, 1]
        # Ranking needs both classes among the rows.
        if happened.any() and not happened.all() and np.isfinite(probability).all():
            found["roc_auc"] = float(roc_auc_score(happened, probability))
            found["average_precision"] = float(average_precision_score(happened, probability))
    return found


def _multiclass(target: np.ndarray, predictions: Predictions) -> dict[str, float]:
    from sklearn.metrics import f1_score

    return {"f1_macro": float(f1_score(target, predictions.labels, average="macro", zero_division=0))}


def _regression(target: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    import numpy as np

    error = predicted - target
    spread = float(((target - target.mean()) ** 2).sum())
    found = {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "median_absolute_error": float(np.median(np.abs(error))),
    }
    return found | ({"r2": float(1 - (error**2).sum() / spread)} if spread > 0 else {})


def further_scores(names: Sequence[str], model: Any, rows: pd.DataFrame, target: np.ndarray) -> dict[str, float]:
    """Compute metrics by the names of scikit-learn's scorers; greater is better in all of them.

    Raises
    ------
    GateMisuse
        scikit-learn knows no scorer of that name, or it does not fit the task.
    """
    from sklearn.metrics import get_scorer, get_scorer_names

    found = {}
    for name in names:
        if name not in get_scorer_names():
            near = difflib.get_close_matches(name, get_scorer_names(), n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise GateMisuse(f"evaluate.metrics {name!r} is no scorer of scikit-learn{hint}")
        try:
            found[name] = float(get_scorer(name)(model, rows, target))
        except (ValueError, TypeError, AttributeError) as error:
            raise GateMisuse(
                f"evaluate.metrics {name!r} cannot be computed for this task ({error}); take another."
            ) from error
    return found


def by_slice(
    rows: pd.DataFrame, losses: Mapping[str, np.ndarray], columns: Sequence[str], *, min_rows: int
) -> list[dict[str, Any]]:
    """Average each model's loss over the rows that share a value.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        Raw rows.
    losses : mapping of str to ndarray of shape (n_rows,)
        Loss of each row, by who made it.
    columns : sequence of str
        Columns whose values make the slices; nulls make one too. A column of many numbers is cut at its quartiles.
    min_rows : int
        Smaller slices are left out.

    Returns
    -------
    list of dict
        ``column``, ``value``, ``rows`` and one mean loss for each key of ``losses``; largest slices first, at most 30 a
        column.
    """
    import pandas as pd

    frame = pd.DataFrame(dict(losses))
    found = []
    for column in columns:
        grouped = frame.groupby(_values(rows[column]).to_numpy(), observed=True)
        means = grouped.mean().assign(rows=grouped.size())
        kept = means[means["rows"] >= min_rows].sort_values("rows", ascending=False, kind="stable").head(MOST_SLICES)
        for value, row in kept.iterrows():
            facts = {name: float(row[name]) for name in losses}
            found.append({"column": column, "value": str(value), "rows": int(row["rows"]), **facts})
    return found


def _values(column: pd.Series) -> pd.Series:
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(column) and not is_bool_dtype(column) and column.nunique() > MOST_SLICES:
        column = pd.qcut(column, 4, duplicates="drop")
    return column.astype("object").where(column.notna(), "(null)").astype(str)
