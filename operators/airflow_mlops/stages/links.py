"""The loss of each row from outputs on the scale on which a committee averages them, `link_of`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.stages.evaluate.predictions import CLIP

if TYPE_CHECKING:
    import numpy as np


def losses_of(task: str, target: np.ndarray, outputs: np.ndarray, metric: str, *, clip: float = CLIP) -> np.ndarray:
    """Return the loss of each row from outputs on the link scale; as `row_losses` gives it from probabilities.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
        Kind of target.
    target : ndarray of shape (n_rows,)
        Numbers of the classes, counted from 0, or what a regression had to say. Not a number: no such row.
    outputs : ndarray of shape (..., n_rows) or (..., n_rows, n_classes)
        On the link scale; the second for several classes.
    metric : {"log_loss", "brier", "zero_one", "mean_absolute_error", "mean_squared_error"}
        See `row_losses`.
    clip : float, default=1e-6
        Probabilities are clipped here in log loss.

    Returns
    -------
    ndarray of shape (..., n_rows)
        Not a number where target or output is none.
    """
    import numpy as np

    outputs = np.asarray(outputs, dtype="float64")
    if task == "regression":
        error = outputs - target
        return np.abs(error) if metric == "mean_absolute_error" else error**2
    if task == "binary":
        return _binary(target, outputs, metric, clip)
    return _multiclass(target, outputs, metric, clip)


def _binary(target: np.ndarray, logits: np.ndarray, metric: str, clip: float) -> np.ndarray:
    import numpy as np

    if metric == "zero_one":
        wrong = ((logits > 0) != (target > 0.5)).astype("float64")
        return np.where(np.isnan(logits) | np.isnan(target), np.nan, wrong)
    # The logit of what happened; its logistic function is the probability that was given to it.
    toward = np.where(target > 0.5, logits, -logits) + 0 * target
    if metric == "brier":
        return (1 / (1 + np.exp(np.clip(toward, -500, 500)))) ** 2
    bound = np.log((1 - clip) / clip)
    return np.log1p(np.exp(-np.clip(toward, -bound, bound)))


def _multiclass(target: np.ndarray, logarithms: np.ndarray, metric: str, clip: float) -> np.ndarray:
    import numpy as np

    is_there = ~np.isnan(target)
    happened = np.where(is_there, target, 0).astype(int)
    places = np.broadcast_to(happened[..., None], (*logarithms.shape[:-1], 1))
    if metric == "zero_one":
        found = (logarithms.argmax(axis=-1) != happened).astype("float64")
        return np.where(is_there & np.isfinite(logarithms).all(axis=-1), found, np.nan)
    probabilities = np.exp(logarithms - logarithms.max(axis=-1, keepdims=True))
    probabilities = probabilities / probabilities.sum(axis=-1, keepdims=True)
    given = np.take_along_axis(probabilities, places, axis=-1)[..., 0]
    if metric == "brier":
        found = (probabilities**2).sum(axis=-1) - 2 * given + 1
    else:
        found = -np.log(np.clip(given, clip, 1 - clip))
    return np.where(is_there, found, np.nan)
