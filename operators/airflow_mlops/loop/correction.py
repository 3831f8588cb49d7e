"""One number added to what is served, from the newest labels: it takes back a level that has moved since training.

References
----------
Cox (1958), Two further applications of a model for binary regression, Biometrika 45(3/4): recalibration in the large,
an intercept on the logit. The ridge is the posterior mode under a normal prior with mean zero (Hoerl, Kennard 1970).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_STEPS = 25
_CLOSE = 1e-6


def correction(task: str, output: np.ndarray, target: np.ndarray, *, rows: float) -> Any:
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
    float or ndarray of shape (n_classes,)
        To be added to the outputs; of classes the mean is zero.
    """
    if len(target) == 0:
        import numpy as np

        return np.zeros(output.shape[1]) if task == "multiclass" else 0.0
    if task == "regression":
        import numpy as np

        return float(np.median(target - output)) * len(target) / (len(target) + rows)
    return _shift(output, target, rows) if task == "binary" else _shifts(output, target, rows)


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
