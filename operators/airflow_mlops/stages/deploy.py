"""Is a version fit to serve: it predicts what it did when it was trained, quickly enough, in little enough memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    Predict = Callable[[pd.DataFrame], Any]

# The median of this many single rows is steady; a slow model is known for one after fewer.
_LATENCY_ROWS, _FEWEST_ROWS, _ENOUGH_S = 20, 5, 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """What a version must keep to; the same words as the spec's section ``deploy``."""

    tolerance: float
    max_latency_ms: float
    max_memory_mb: float


@dataclass(frozen=True, slots=True)
class ServabilityReport:
    """What a version showed.

    ``max_difference`` is the largest absolute difference of a replayed prediction; ``latency_ms`` the median time of
    one row; ``memory_mb`` what loading and predicting added.
    """

    passed: bool
    reasons: list[str]
    rows: int
    max_difference: float | None
    latency_ms: float | None
    memory_mb: float | None

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Read back what `to_dict` wrote."""
        return cls(**value)


def check_servable(
    predict: Predict,
    rows: pd.DataFrame,
    expected: Sequence[Any],
    *,
    limits: Limits,
    clock: Callable[[], float],
    memory_mb: Callable[[], float],
) -> ServabilityReport:
    """Replay golden rows through a loaded model and hold the answers against those of training time.

    Parameters
    ----------
    predict : callable
        Takes a frame of raw rows; gives class probabilities, or one prediction, for each.
    rows : DataFrame of shape (n_rows, n_columns)
        Golden rows, at least one.
    expected : sequence of n_rows
        What was answered for them when the model was trained.
    limits : Limits
        What the version must keep to.
    clock : callable
        Seconds of a clock that only runs forward.
    memory_mb : callable
        Memory added since before the model was loaded, in MB.

    Returns
    -------
    ServabilityReport
        With every limit that is broken among the reasons, not only the first.
    """
    difference, reason = _difference(predict(rows), expected, tolerance=limits.tolerance)
    latency = median_latency_ms(predict, rows, clock)
    memory = memory_mb()
    reasons = [reason] if reason else []
    if latency > limits.max_latency_ms:
        reasons.append(
            f"one row takes {latency:.1f} ms in the median, deploy.max_latency_ms allows {limits.max_latency_ms:g}"
        )
    if memory > limits.max_memory_mb:
        reasons.append(
            f"loading and predicting adds {memory:.0f} MB, deploy.max_memory_mb allows {limits.max_memory_mb:g}"
        )
    return ServabilityReport(
        passed=not reasons,
        reasons=reasons,
        rows=len(rows),
        max_difference=difference,
        latency_ms=round(latency, 3),
        memory_mb=round(memory, 1),
    )


def _difference(answer: Any, expected: Sequence[Any], *, tolerance: float) -> tuple[float | None, str | None]:
    import numpy as np

    actual, wanted = np.asarray(answer), np.asarray(expected)
    if actual.shape != wanted.shape:
        return None, f"it answers {_shape(actual)}, at training time it answered {_shape(wanted)}"
    gaps = _gaps(actual, wanted).reshape(len(wanted), -1).max(axis=1)
    largest = float(gaps.max())
    if largest <= tolerance:
        return largest, None
    return largest, (
        f"{int((gaps > tolerance).sum())} of {len(wanted)} golden rows differ from the predictions of training time, "
        f"by up to {largest:.6g}; deploy.tolerance allows {tolerance:g}"
    )


def largest_gap(answer: Any, expected: Sequence[Any]) -> float | None:
    """Return the largest absolute difference of two sets of predictions for the same rows.

    Other labels are 1 apart; None where the two have other shapes, or a number stands against none.
    """
    import numpy as np

    actual, wanted = np.asarray(answer), np.asarray(expected)
    if actual.shape != wanted.shape:
        return None
    largest = float(_gaps(actual, wanted).max(initial=0.0))
    return largest if np.isfinite(largest) else None


def _gaps(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return absolute differences; other labels are 1 apart, a missing number is infinitely far from any other."""
    import numpy as np

    is_number = [array.dtype.kind in "biuf" for array in (actual, expected)]
    if is_number[0] != is_number[1]:
        return np.full(actual.shape, np.inf)
    if not any(is_number):
        return (actual.astype(str) != expected.astype(str)).astype(float)
    actual, expected = actual.astype(float), expected.astype(float)
    gaps = np.abs(actual - expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isnan(gaps), np.inf, gaps))


def _shape(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape)) + " values"


def median_latency_ms(predict: Predict, rows: pd.DataFrame, clock: Callable[[], float]) -> float:
    """Return how long a model takes for one row: the median of up to 20, fewer of a slow one."""
    from statistics import median

    times: list[float] = []
    for position in range(_LATENCY_ROWS):
        if len(times) >= _FEWEST_ROWS and sum(times) > _ENOUGH_S:
            break
        row = rows.iloc[[position % len(rows)]]
        start = clock()
        predict(row)
        times.append(clock() - start)
    return median(times) * 1000
