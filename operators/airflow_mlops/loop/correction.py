"""One number added to what is served, from the newest labels: it takes back a level that has moved since training.

References
----------
Cox (1958), Two further applications of a model for binary regression, Biometrika 45(3/4): recalibration in the large,
an intercept on the logit. The ridge is the posterior mode under a normal prior with mean zero (Hoerl, Kennard 1970).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

_STEPS = 25
_CLOSE = 1e-6


def correction(task: str, output: np.ndarray, target: np.ndarray, *, rows: float) -> float | tuple[float, ...]:
    """Measure the shift that fits the newest labels best, drawn towards none.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
        What the outputs are.
    output : ndarray of shape (n_rows,) or (n_rows, n_classes)
        Logits, log-probabilities, or predictions, without a correction.
    target : ndarray of shape (n_rows,)
        What happened: numbers, or for classes their places.
    rows : float
        Labelled rows that count as much as "no correction".

    Returns
    -------
    float or tuple of float
        To be added to the outputs; of classes one each, and their mean is zero.
    """
    import numpy as np

    if task == "multiclass":
        return tuple(_shifts(output, target, rows).tolist()) if len(target) else (0.0,) * output.shape[1]
    if len(target) == 0:
        return 0.0
    if task == "regression":
        return float(np.median(target - output)) * len(target) / (len(target) + rows)
    return float(_shift(output, target, rows))


def unit(task: str, target: np.ndarray) -> float:
    """Return what a move of answers by one is: a logit, or a mean absolute deviation of a regression's target.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
        What the answers are.
    target : ndarray of shape (n_rows,)
        What happened.
    """
    import numpy as np

    return float(np.abs(target - np.median(target)).mean()) or 1.0 if task == "regression" else 1.0


def distance(one: float | Sequence[float], other: float | Sequence[float] | None) -> float:
    """Return the largest difference of two corrections; None is none, and so is one of other classes."""
    if isinstance(one, int | float):
        return abs(one - other) if isinstance(other, int | float) else abs(one)
    others = other if isinstance(other, list | tuple) and len(other) == len(one) else (0.0,) * len(one)
    return max(abs(mine - theirs) for mine, theirs in zip(one, others, strict=True))


def _shift(output: np.ndarray, target: np.ndarray, rows: float) -> float:
    """Maximise the likelihood with a ridge of rows / 2 on half of the square: Newton's method, on one number."""
    from scipy.special import expit

    ridge, shift, happened = rows / 2, 0.0, float(target.sum())
    for _ in range(_STEPS):
        said = expit(output + shift)
        slope = float(said.sum()) - happened + ridge * shift
        step = slope / (float((said * (1 - said)).sum()) + ridge)
        shift -= step
        if abs(step) < _CLOSE:
            break
    return shift


def _shifts(output: np.ndarray, target: np.ndarray, rows: float) -> np.ndarray:
    import numpy as np
    from scipy.special import softmax

    classes = output.shape[1]
    happened = np.bincount(target.astype("int64"), minlength=classes)
    ridge, shift = rows / 2, np.zeros(classes)
    for _ in range(_STEPS):
        said = softmax(output + shift, axis=1)
        slope = said.sum(axis=0) - happened + ridge * shift
        curve = np.diag(said.sum(axis=0) + ridge) - said.T @ said
        step = np.linalg.solve(curve, slope)
        shift = shift - step
        if np.abs(step).max() < _CLOSE:
            break
    return shift - shift.mean()
