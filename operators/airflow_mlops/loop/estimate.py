"""What answers will turn out to have lost, before their labels are known.

Classification: a probability says how often it is wrong. The champion's probabilities are calibrated on labelled
answers of the past, and the loss that they promise is averaged over the rows of now. Regression: the usual error of
answers of about that size in the past, averaged over the answers of now. Both see that rows have moved to where the
champion is less sure. Neither sees a changed world, in which the same row has another answer: only labels do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.loop.clusters import long_run_variance, sureness

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

# Fewer labelled answers calibrate nothing: a probability is taken as it is, an error is not known.
FEWEST_PAST = 200
UNCALIBRATED = "uncalibrated probabilities"
# Of log loss, as everywhere here: a probability of zero for what happened would be an infinite loss.
_CLIP = 1e-6
# Answers of about one size, where there are labels enough for so many groups.
_BINS, _FEWEST_IN_BIN = 10, 50
# Keeps calibration finite where the past is told apart without an error; it moves nothing that labels say.
_RIDGE = 1e-3
_NEWTON_STEPS = 50


@dataclass(frozen=True, slots=True)
class Estimate:
    """An expected loss.

    Attributes
    ----------
    loss : float
        Mean over the rows of now.
    low, high : float
        Where the loss measured later is expected, 95 %: chance in labels and days, and what calibration is unsure of.
    error : float
        Standard deviation of that.
    rows, past_rows : int
        Answers of now, and labelled ones of the past.
    method : str
        How it was estimated.
    """

    loss: float
    low: float
    high: float
    error: float
    rows: int
    past_rows: int
    method: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a model said of rows: probabilities of shape (n_rows, n_classes), or numbers of shape (n_rows,).

    ``days`` numbers the day of each row; None takes rows as independent. ``happened`` has the place of each row's
    class, or its number; None where labels are not known.
    """

    said: np.ndarray
    days: np.ndarray | None = None
    happened: np.ndarray | None = None


def estimate_loss(metric: str, now: Answered, past: Answered | None) -> Estimate | None:
    """Estimate the mean loss of answers without labels.

    Parameters
    ----------
    metric : {"log_loss", "brier", "zero_one", "mean_absolute_error", "mean_squared_error"}
        As in `stages.evaluate`.
    now : Answered
        Of the window to be judged, at least one row.
    past : Answered or None
        Answers of the same model with labels, to rows that it was not trained on, such as those held out.

    Returns
    -------
    Estimate or None
        None for a regression without a labelled past.

    Raises
    ------
    SignalsUnusable
        There is no row, or an answer is no finite number.

    References
    ----------
    Guillory et al. (2021), Predicting with Confidence on Unseen Distributions, ICCV: confidence as an estimate of
    accuracy. NannyML documentation, "Confidence-based Performance Estimation": expected metrics from calibrated
    probabilities. Platt (1999), Probabilistic Outputs for Support Vector Machines; Guo et al. (2017), On Calibration of
    Modern Neural Networks, ICML, for several classes. Errors are by the delta method with days as clusters.
    """
    import numpy as np

    for each in (now, past):
        if each is not None and not (len(each.said) and np.isfinite(each.said).all()):
            raise SignalsUnusable(
                f"a loss cannot be estimated of {len(each.said)} answers of which "
                f"{int((~np.isfinite(each.said)).sum())} values are no finite numbers; look at the model's predictions."
            )
    known = past if past is not None and len(past.said) >= FEWEST_PAST else None
    if now.said.ndim == 2:
        return _of_probabilities(metric, now, known)
    return None if known is None else _of_numbers(metric, now, known)


def _of_probabilities(metric: str, now: Answered, past: Answered | None) -> Estimate:
    import numpy as np

    losses = _class_losses(metric, now.said)
    if past is None:
        chances = now.said / now.said.sum(axis=1, keepdims=True)
        expected, variance = _moments(chances, losses)
        return _estimate(expected, float(variance.sum()) / len(expected) ** 2, None, UNCALIBRATED)
    if past.happened is None:
        raise SignalsUnusable("the answers of the past have no labels; pass what happened beside them.")
    logs, past_logs = _logs(now.said), _logs(past.said)
    fitted, covariance = _calibrate(past_logs, past.happened, past.days)
    expected, variance = _moments(_calibrated(fitted, logs), losses)
    past_losses = _class_losses(metric, past.said)
    past_expected, past_variance = _moments(_calibrated(fitted, past_logs), past_losses)
    residual = past_losses[np.arange(len(past_expected)), past.happened] - past_expected
    inflation = _inflation(residual, past_variance, past.days, now)

    def mean_at(parameters: np.ndarray) -> float:
        return float((_calibrated(parameters, logs) * losses).sum(axis=1).mean())

    slope = _slope(mean_at, fitted)
    doubt = float(slope @ covariance @ slope)
    chance = inflation * float(variance.sum()) / len(expected) ** 2
    return _estimate(expected, chance + doubt, past, "calibrated probabilities")


def _of_numbers(metric: str, now: Answered, past: Answered) -> Estimate:
    import numpy as np

    if past.happened is None:
        raise SignalsUnusable("the answers of the past have no labels; pass what happened beside them.")
    error = np.abs(past.said - past.happened)
    losses = error**2 if metric == "mean_squared_error" else error
    bins = max(1, min(_BINS, len(losses) // _FEWEST_IN_BIN))
    cuts = np.unique(np.quantile(past.said, np.arange(1, bins) / bins))
    then, place = np.searchsorted(cuts, past.said, side="right"), np.searchsorted(cuts, now.said, side="right")
    counts = np.bincount(then, minlength=len(cuts) + 1).clip(min=1)
    usual = np.bincount(then, weights=losses, minlength=len(counts)) / counts
    residual = losses - usual[then]
    variance = np.bincount(then, weights=residual**2, minlength=len(counts)) / counts
    share = np.bincount(place, minlength=len(counts)) / len(place)
    # Each labelled row's part in the estimate: what its bin weighs now, over the rows of the bin then.
    doubt = float(long_run_variance(_day_totals((share / counts)[then][:, None] * residual[:, None], past.days))[0])
    inflation = _inflation(residual, variance[then], past.days, now)
    chance = inflation * float(variance[place].sum()) / len(place) ** 2
    return _estimate(usual[place], chance + doubt, past, f"usual error of answers of that size, {len(counts)} sizes")


def _estimate(expected: np.ndarray, variance: float, past: Answered | None, method: str) -> Estimate:
    import numpy as np
    from scipy.special import stdtrit

    days = len(np.unique(past.days)) if past is not None and past.days is not None else 0
    # Of few days it is not known well how much they differ.
    quantile = float(stdtrit(max(3.0, sureness(days)), 0.975)) if days > 1 else 1.96
    loss, error = float(expected.mean()), sqrt(variance)
    reach = quantile * error
    past_rows = 0 if past is None else len(past.said)
    return Estimate(loss, max(0.0, loss - reach), loss + reach, error, len(expected), past_rows, method)


def _class_losses(metric: str, said: np.ndarray) -> np.ndarray:
    """Return what each class would cost each row."""
    import numpy as np

    if metric == "log_loss":
        return -_logs(said)
    classes = np.eye(said.shape[1])
    if metric == "zero_one":
        return 1 - classes[said.argmax(axis=1)]
    squares = ((said[:, None, :] - classes[None, :, :]) ** 2).sum(axis=2)
    return squares / 2 if said.shape[1] == 2 else squares


def _logs(said: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.log(np.clip(said, _CLIP, 1 - _CLIP))


def _moments(chances: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each row's loss."""
    mean = (chances * losses).sum(axis=1)
    return mean, (chances * (losses - mean[:, None]) ** 2).sum(axis=1)


def _calibrated(parameters: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Scale and shift log-probabilities: one slope, and one shift for each class but the first."""
    import numpy as np

    scores = parameters[0] * logs
    scores[:, 1:] += parameters[1:]
    scores -= scores.max(axis=1, keepdims=True)
    chances = np.exp(scores)
    return chances / chances.sum(axis=1, keepdims=True)


def _calibrate(logs: np.ndarray, happened: np.ndarray, days: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Fit slope and shifts by maximum likelihood; with their covariance, days as clusters.

    At the maximum the expected log loss of the past is the one that was measured.
    """
    import numpy as np

    classes = logs.shape[1]
    truth = np.eye(classes)[happened]
    start = np.r_[1.0, np.zeros(classes - 1)]
    fitted = start.copy()
    for _ in range(_NEWTON_STEPS):
        scores, curvature = _derivatives(fitted, logs, truth)
        step = np.linalg.solve(curvature + _RIDGE * np.eye(classes), scores.sum(axis=0) - _RIDGE * (fitted - start))
        # A whole step can leap over the maximum where classes are told apart without an error.
        fitted = fitted + step * min(1.0, 1.0 / max(1e-12, float(np.abs(step).max())))
        if float(np.abs(step).max()) < 1e-8:
            break
    scores, curvature = _derivatives(fitted, logs, truth)
    inverse = np.linalg.inv(curvature + _RIDGE * np.eye(classes))
    totals = _day_totals(scores, days) @ inverse
    return fitted, _long_run_covariance(totals)


def _derivatives(parameters: np.ndarray, logs: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the score of each row, and the curvature of the likelihood."""
    import numpy as np

    chances = _calibrated(parameters, logs)
    beyond = truth - chances
    scores = np.column_stack([(beyond * logs).sum(axis=1), beyond[:, 1:]])
    mean = (chances * logs).sum(axis=1)
    curvature = np.empty((len(parameters), len(parameters)))
    curvature[0, 0] = (chances * (logs - mean[:, None]) ** 2).sum()
    curvature[0, 1:] = curvature[1:, 0] = (chances * (logs - mean[:, None])).sum(axis=0)[1:]
    curvature[1:, 1:] = np.diag(chances.sum(axis=0)[1:]) - chances[:, 1:].T @ chances[:, 1:]
    return scores, curvature


def _slope(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    import numpy as np

    step = 1e-4 * np.eye(len(at))
    return np.array([(function(at + one) - function(at - one)) / 2e-4 for one in step])


def _day_totals(values: np.ndarray, days: np.ndarray | None) -> np.ndarray:
    """Sum rows of a day; rows without days stay as they are."""
    import numpy as np

    if days is None or len(np.unique(days)) < 2:
        return values
    _, place = np.unique(days, return_inverse=True)
    totals = np.zeros((int(place.max()) + 1, values.shape[1]))
    np.add.at(totals, place, values)
    return totals


def _long_run_covariance(totals: np.ndarray) -> np.ndarray:
    """Return the covariance of the sums, from the variances of sums and differences of two columns at a time."""
    import numpy as np

    count = totals.shape[1]
    single = long_run_variance(totals)
    found = np.diag(single)
    for left in range(count):
        for right in range(left + 1, count):
            both = long_run_variance((totals[:, left] + totals[:, right])[:, None])[0]
            found[left, right] = found[right, left] = (both - single[left] - single[right]) / 2
    return found


def _inflation(residual: np.ndarray, variance: np.ndarray, days: np.ndarray | None, now: Answered) -> float:
    """Return how many times as much the mean of a window varies as that of independent rows; at least once."""
    import numpy as np

    expected = float(variance.sum())
    if expected <= 0:
        return 1.0
    if days is None or len(np.unique(days)) < 2:
        return max(1.0, float((residual**2).sum()) / expected)
    found = float(long_run_variance(_day_totals(residual[:, None], days))[0]) / expected
    then = len(residual) / len(np.unique(days))
    per_day = then if now.days is None else len(now.days) / len(np.unique(now.days))
    return max(1.0, 1 + (found - 1) * max(0.0, per_day - 1) / max(then - 1, 1e-9))
