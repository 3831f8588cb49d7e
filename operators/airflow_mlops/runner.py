"""Run one stage from a JSON request, anywhere: ``python -m airflow_mlops.runner < request.json``.

A request is ``{"stage": "deploy", "inputs": {...}}``; inputs are paths and plain values. The answer is one JSON object
on standard output: ``{"ok": true, "result": {...}}``, or ``{"ok": false, "error": {"type", "message", "retryable"}}``
for errors raised on purpose. Anything else is a crash: the process ends with a traceback and a status that is not zero.

Nothing here needs Airflow. A model that is loaded here cannot take down, slow down or change the process that asked.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MLOpsError, Permanent, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class UnknownRequest(Permanent):
    """The request is not one the runner understands."""


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Run the stage a request names.

    Parameters
    ----------
    request : mapping
        ``stage`` and its ``inputs``.

    Returns
    -------
    dict
        JSON: ``ok`` with ``result``, or with ``error``.
    """
    try:
        handler = STAGES.get(str(request.get("stage")))
        if handler is None:
            raise UnknownRequest(f"the runner knows no stage {request.get('stage')!r}; it knows {', '.join(STAGES)}.")
        return {"ok": True, "result": handler(**request.get("inputs", {}))}
    except MLOpsError as error:
        facts = {"type": type(error).__name__, "message": str(error), "retryable": isinstance(error, Transient)}
        return {"ok": False, "error": facts}


def check_servable(*, model: str, rows: str, expected: list[Any], limits: Mapping[str, float]) -> dict[str, Any]:
    """Load an MLflow model folder and check that it is fit to serve.

    Parameters
    ----------
    model : str
        Folder with an ``MLmodel`` file.
    rows : str
        Parquet file of golden rows.
    expected : list
        Predictions of training time: a list of class probabilities, or one prediction, for each row.
    limits : mapping
        Fields of `airflow_mlops.stages.deploy.Limits`.

    Returns
    -------
    dict
        A `airflow_mlops.stages.deploy.ServabilityReport`.
    """
    import mlflow.pyfunc
    import mlflow.sklearn

    def load() -> Callable[..., Any]:
        # MLflow's warning on other versions of libraries looks at every file that is installed, and would be written
        # where nobody reads; whether they matter is what the golden rows tell.
        return mlflow.pyfunc.load_model(model, suppress_warnings=True).predict

    return _checked(load, rows, expected, limits)


def check_stored(
    model: str, serialization: str, predict: str, rows: str, expected: list[Any], limits: Mapping[str, float]
) -> dict[str, Any]:
    """Load a model from its bytes, as a server does, and try whether it may serve; the bytes were checked already.

    Parameters
    ----------
    model : str
        File with the bytes.
    serialization : str
        How they are read.
    predict : str
        Method that gave ``expected``.
    rows, expected, limits
        As for `check_servable`.

    Returns
    -------
    dict
        A `airflow_mlops.stages.deploy.ServabilityReport`.
    """
    from pathlib import Path

    import sklearn.ensemble  # noqa: F401 - what any model needs is not this one's memory

    from airflow_mlops.stages.model_file import load_model

    return _checked(
        lambda: getattr(load_model(Path(model).read_bytes(), serialization), predict), rows, expected, limits
    )


def _checked(
    load: Callable[[], Callable[..., Any]], rows: str, expected: list[Any], limits: Mapping[str, float]
) -> dict[str, Any]:
    import pyarrow.parquet as pq
    from threadpoolctl import threadpool_limits

    from airflow_mlops.stages import deploy

    golden = pq.read_table(rows).to_pandas()
    before = _resident_mb()
    # One row gains nothing from threads, and where other processes want the same cores they make it slow. Nor has a
    # fork the OpenMP threads of its parent: it would wait for them for ever.
    with threadpool_limits(1):
        report = deploy.check_servable(
            load(),
            golden,
            expected,
            limits=deploy.Limits(**limits),
            clock=time.perf_counter,
            memory_mb=lambda: max(0.0, _resident_mb() - before),
        )
    return report.to_dict()


def measure_cost(model: str, serialization: str, rows: str) -> dict[str, float]:
    """Load a model from its bytes, and measure what it costs to have and to ask.

    Parameters
    ----------
    model, serialization, rows
        As for `check_stored`.

    Returns
    -------
    dict
        ``latency_ms``, the median time of one row, and ``memory_mb``, what loading and predicting added.
    """
    from pathlib import Path

    import pyarrow.parquet as pq
    import sklearn.ensemble  # noqa: F401 - what any model needs is not this one's memory
    from threadpoolctl import threadpool_limits

    from airflow_mlops.stages.deploy import median_latency_ms
    from airflow_mlops.stages.model_file import load_model

    golden = pq.read_table(rows).to_pandas()
    before = _resident_mb()
    # As for a trial: a fork has not the OpenMP threads of its parent.
    with threadpool_limits(1):
        loaded = load_model(Path(model).read_bytes(), serialization)
        ask = getattr(loaded, "predict_proba", loaded.predict)
        ask(golden)
        latency = median_latency_ms(ask, golden, time.perf_counter)
    return {"latency_ms": latency, "memory_mb": max(0.0, _resident_mb() - before)}


STAGES: dict[str, Callable[..., dict[str, Any]]] = {
    "deploy": check_servable,
    "restore": check_stored,
    "cost": measure_cost,
}


def _resident_mb() -> float:
    """Return the memory of this process that is in RAM; 0 where the system does not tell."""
    import os

    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except FileNotFoundError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    """Read a request from standard input, write the answer to standard output."""
    # What a model prints while it loads must not end up in the answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    result = run(json.load(sys.stdin))
    json.dump(result, answer)
    answer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
