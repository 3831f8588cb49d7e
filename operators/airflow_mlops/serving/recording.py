"""From answered rows to records of the prediction log: what a row is called, and what of it may be written down."""

from __future__ import annotations

import logging
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import RequestRefused
from airflow_mlops.loop.labels import row_id
from airflow_mlops.serving.columns import read_time
from airflow_mlops.serving.prediction_log import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_mlops.serving.batching import Job
    from airflow_mlops.serving.loaded import LoadedVersion, RowFacts
    from airflow_mlops.serving.metrics import Metrics
    from airflow_mlops.serving.prediction_log import PredictionLog

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Names:
    """Id and event time of each row of a request."""

    ids: list[str]
    times: list[datetime]


class LogRecorder:
    """Write every answer of a promoted version to the prediction log.

    A log that cannot be written never keeps an answer back: it is counted, and `status` says so until it can be again.

    Parameters
    ----------
    prediction_log : PredictionLog or None
        None writes nothing down.
    metrics : Metrics
        Counts what was lost.
    """

    def __init__(self, prediction_log: PredictionLog | None, metrics: Metrics) -> None:
        self._log, self._metrics = prediction_log, metrics
        self._lost: dict[str, int] = {}
        self._said: set[str] = set()
        self._guard = threading.Lock()
        self._problems: dict[str, str] = {}

    def start(self) -> None:
        """Begin to write."""
        if self._log is not None:
            self._log.start()

    def close(self) -> None:
        """Hand over what is not written yet."""
        if self._log is not None:
            self._log.close()

    def status(self) -> str:
        """Say how the log is doing."""
        if self._log is None:
            return "off"
        with self._guard:
            problem = next(iter(self._problems.values()), None)
        if problem is not None:
            return problem
        log_says = self._log.status()
        if log_says["trouble"] is None:
            return "ok"
        return f"{log_says['trouble']}; no prediction is lost, {log_says['waiting']} closed segments wait"

    def name(self, job: Job) -> None:
        """Find out what a job's rows are called.

        Raises
        ------
        RequestRefused
            The time column of a row holds no time.
        """
        if self._log is None or job.loaded.epoch is None:
            return
        loaded, rows = job.loaded, job.rows
        given = {**dict(zip(loaded.signature.names, rows.columns, strict=True)), **rows.extra}
        facts = loaded.facts
        times = [job.received_at] * rows.count
        if facts.time and facts.time in given and facts.time not in facts.sensitive:
            times = [_moment(value, facts.time, row, job) for row, value in enumerate(given[facts.time])]
        job.names = Names(self._ids(job, given, facts), times)

    def _ids(self, job: Job, given: dict[str, list[Any]], facts: RowFacts) -> list[str]:
        if hidden := facts.sensitive.intersection(facts.key):
            self._say_once(job.loaded, f"key column {sorted(hidden)[0]!r} is sensitive, so rows are logged without it")
        elif facts.key and all(name in given for name in facts.key):
            columns = {name: given[name] for name in facts.key}
            time = facts.time or ""
            return [
                row_id({name: values[row] for name, values in columns.items()}, facts.key, time)
                for row in range(job.rows.count)
            ]
        request = job.rows.id or str(uuid.uuid4())
        return [f"{request}/{row}" for row in range(job.rows.count)]

    def write(self, loaded: LoadedVersion, jobs: Sequence[Job], answers: Sequence[list[Any]]) -> None:
        """Write down what several requests were answered; never raises."""
        if self._log is None or loaded.epoch is None:
            return
        records = [record for job, outputs in zip(jobs, answers, strict=True) for record in self._records(job, outputs)]
        try:
            self._log.append(loaded.model, records)
        except Exception as error:  # noqa: BLE001 - an answer is worth more than its record
            self._missed(loaded.model, len(records), error)
        else:
            if loaded.model in self._problems:
                self._recovered(loaded.model)

    def _records(self, job: Job, outputs: list[Any]) -> list[Record]:
        loaded, names = job.loaded, job.names
        columns = self._shown(loaded, job.rows.columns)
        return [
            Record(
                id=names.ids[row],
                time=names.times[row],
                received_at=job.received_at,
                model=loaded.model,
                version=loaded.version,
                epoch=loaded.epoch or 0,
                features={name: values[row] for name, values in columns},
                output=output,
            )
            for row, output in enumerate(outputs)
        ]

    def _shown(self, loaded: LoadedVersion, columns: list[list[Any]]) -> list[tuple[str, list[Any]]]:
        if not loaded.facts.is_known:
            self._say_once(loaded, "its promotion does not say which columns are sensitive, so no features are logged")
            return []
        pairs = zip(loaded.signature.names, columns, strict=True)
        return [(name, values) for name, values in pairs if name not in loaded.facts.sensitive]

    def _missed(self, model: str, rows: int, error: Exception) -> None:
        with self._guard:
            self._lost[model] = self._lost.get(model, 0) + rows
            lost = self._lost[model]
            is_first = model not in self._problems
            problem = f"{lost} predictions of {model} were answered but not logged; the last one because: {error}"
            self._problems[model] = problem
        self._metrics.log_failures.labels(model).inc(rows)
        if is_first:
            log.error("Prediction log: %s", problem)

    def _recovered(self, model: str) -> None:
        with self._guard:
            self._problems.pop(model, None)
            lost = self._lost[model]
        log.warning("Prediction log: %s is logged again; %d predictions since the start were not", model, lost)

    def _say_once(self, loaded: LoadedVersion, what: str) -> None:
        sentence = f"Version {loaded.version} of {loaded.model}: {what}"
        if sentence not in self._said:
            self._said.add(sentence)
            log.warning(sentence)


def _moment(value: Any, name: str, row: int, job: Job) -> datetime:
    # A time column of the model itself was read already.
    if hasattr(value, "tzinfo") and value.tzinfo is not None:
        return value
    if value is None:
        return job.received_at
    if isinstance(value, dict | list):
        raise RequestRefused(f"row {row}, column {name!r}: a time is a text.", kind="wrong_type")
    return read_time(value, name=name, row=row)
