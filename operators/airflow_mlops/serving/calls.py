"""One call of a model: what is being done and since when, and how several requests become one call."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.serving.loaded import LoadedVersion
    from airflow_mlops.serving.signature import Rows


@dataclass(frozen=True, slots=True)
class Call:
    """What the thread is doing, and since when."""

    loaded: LoadedVersion
    what: str = "predicting"
    since: float = field(default_factory=time.monotonic)

    def __str__(self) -> str:
        seconds = time.monotonic() - self.since
        return f"version {self.loaded.version} of {self.loaded.model} has been {self.what} for {seconds:.0f} s"


def predict_together(loaded: LoadedVersion, parts: Sequence[Rows]) -> list[list[Any]]:
    """Predict several requests at once, and part the answers again."""
    answer = loaded.predict(loaded.signature.frame(parts))
    predictions = answer.tolist() if hasattr(answer, "tolist") else list(answer)
    if getattr(answer, "dtype", None) is not None and answer.dtype.kind == "O":
        # Such an array may hold values of NumPy's, which neither JSON nor the log knows.
        predictions = [value.tolist() if hasattr(value, "tolist") else value for value in predictions]
    rows = sum(part.count for part in parts)
    if len(predictions) != rows:
        raise ValueError(f"{len(predictions)} predictions for {rows} rows")
    if len(parts) == 1:
        return [predictions]
    answers, start = [], 0
    for part in parts:
        answers.append(predictions[start : start + part.count])
        start += part.count
    return answers


def model_refusal(loaded: LoadedVersion, error: BaseException) -> RequestRefused:
    """Say that a model did not take rows."""
    first = str(error).partition("\n")[0][:300]
    return RequestRefused(
        f"version {loaded.version} of {loaded.model} cannot predict these rows ({type(error).__name__}: {first}).",
        status=422,
        kind="model_refused",
    )
