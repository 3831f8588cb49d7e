"""What several models say of the same rows, brought to one form, and the loss of each row."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import GateMisuse
from airflow_mlops.spec.vocabulary import LOSSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

# A probability of zero for what happened would be an infinite loss, and one such row would decide alone.
CLIP = 1e-6


@dataclass(frozen=True, slots=True)
class Predictions:
    """One model's answers.

    ``labels`` has the prediction of each row. ``probabilities`` has shape (n_rows, n_classes), columns in the order of
    ``classes``; None for a regression, or a classifier that gives labels only.
    """

    labels: np.ndarray
    classes: tuple[Any, ...] = ()
    probabilities: np.ndarray | None = None


def predict(model: Any, rows: pd.DataFrame, *, classes: Sequence[Any] = ()) -> Predictions:
    """Ask a model for all it knows of ``rows``.

    Parameters
    ----------
    model : estimator
        Takes raw columns.
    rows : DataFrame of shape (n_rows, n_columns)
        Raw rows. Not modified.
    classes : sequence, optional
        Classes of the task; a class that the model never saw gets probability zero. None for a regression.
    """
    import numpy as np

    estimator, seen = _last_step(model, rows)
    labels = np.asarray(estimator.predict(seen))
    if not len(classes):
        return Predictions(labels.astype("float64"))
    if not hasattr(estimator, "predict_proba"):
        return Predictions(labels, tuple(classes))
    given = np.asarray(estimator.predict_proba(seen), dtype="float64")
    probabilities = np.zeros((len(rows), len(classes)))
    places = {label: index for index, label in enumerate(classes)}
    for column, label in enumerate(np.asarray(estimator.classes_).tolist()):
        if label in places:
            probabilities[:, places[label]] = given[:, column]
    return Predictions(labels, tuple(classes), probabilities)


def _last_step(model: Any, rows: pd.DataFrame) -> tuple[Any, Any]:
    """Transform once for the two questions that follow, where the model is a pipeline."""
    from sklearn.pipeline import Pipeline

    if not isinstance(model, Pipeline) or len(model.steps) < 2:
        return model, rows
    return model.steps[-1][1], model[:-1].transform(rows)


def all_classes(target: np.ndarray, *models: Any) -> tuple[Any, ...]:
    """Return every class that a model or the held-out rows know, the first model's first and in its order."""
    known = [label for model in models for label in model.classes_.tolist()]
    return tuple(dict.fromkeys([*known, *sorted(set(target.tolist()))]))


def default_loss(task: str, *predictions: Predictions) -> str:
    """Return the loss that decides by default: log loss, absolute error, or errors where a model gives labels only."""
    if task == "regression":
        return "mean_absolute_error"
    return "log_loss" if all(each.probabilities is not None for each in predictions) else "zero_one"


def row_losses(metric: str, target: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Return the loss of each row; its mean is the metric.

    Parameters
    ----------
    metric : {"log_loss", "brier", "zero_one", "mean_absolute_error", "mean_squared_error"}
        In log loss probabilities are clipped at 1e-6. The Brier score is the squared error of the probabilities, summed
        over classes, halved for two classes.
    target : ndarray of shape (n_rows,)
        What happened.
    predictions : Predictions
        What was said.

    Raises
    ------
    GateMisuse
        ``metric`` is no loss of this kind of task, or needs probabilities that the model does not give.
    """
    import numpy as np

    kind = "classification" if predictions.classes else "regression"
    _require_loss(metric, kind)
    if metric == "zero_one":
        return (predictions.labels != target).astype("float64")
    if kind == "regression":
        error = predictions.labels - target
        return np.abs(error) if metric == "mean_absolute_error" else error**2
    if predictions.probabilities is None:
        raise GateMisuse(
            f"evaluate.gate.metric {metric!r} needs probabilities, and a model gives labels only; take 'zero_one'."
        )
    places = {label: index for index, label in enumerate(predictions.classes)}
    columns = np.array([places[label] for label in target.tolist()], dtype=int)
    if metric == "log_loss":
        return -np.log(np.clip(predictions.probabilities[np.arange(len(target)), columns], CLIP, 1 - CLIP))
    squares = ((predictions.probabilities - np.eye(len(places))[columns]) ** 2).sum(axis=1)
    return squares / 2 if len(places) == 2 else squares


def _require_loss(metric: str, kind: str) -> None:
    if metric not in LOSSES[kind]:
        near = difflib.get_close_matches(metric, LOSSES[kind], n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise GateMisuse(
            f"evaluate.gate.metric {metric!r} is no loss of a {kind}; take {', '.join(LOSSES[kind])}{hint}"
        )
