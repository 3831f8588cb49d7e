"""One thread predicts; whatever waits for the same version meanwhile is predicted together.

A single request on an idle server is predicted at once. While a prediction runs, requests queue up, and those that fit
together become one call of the model, which costs little more than a call for one row. Clients that were answered
together are given some milliseconds to come again, so that they stay together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from airflow_mlops.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.serving.loaded import LoadedVersion
    from airflow_mlops.serving.metrics import Metrics
    from airflow_mlops.serving.signature import Rows

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """Rows of one request on their way through a version."""

    loaded: LoadedVersion
    rows: Rows
    future: asyncio.Future[list[Any]]
    received_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    names: Any = None

    def fits(self, other: Job) -> bool:
        """Tell whether both may be predicted in one call."""
        return self.loaded is other.loaded and self.rows.widened == other.rows.widened and self.loaded.is_row_wise


class Recorder(Protocol):
    """Writes down what was predicted."""

    def name(self, job: Job) -> None:
        """Find out what a job's rows are called, before they are predicted; raises RequestRefused."""

    def write(self, loaded: LoadedVersion, jobs: Sequence[Job], answers: Sequence[list[Any]]) -> None:
        """Write down the answers, before they go out; never raises."""


class Batcher:
    """The queue in front of the models, and the thread behind it.

    Parameters
    ----------
    recorder : Recorder
        Writes down each prediction before it is answered.
    metrics : Metrics
        Counts rows and calls.
    max_waiting_rows : int
        More are refused with 429.
    batch_rows : int
        Waiting requests are put together up to this many rows.
    gather_s : float, default=0.003
        Longest wait in seconds for requests to come, where as many came together last time.
    """

    def __init__(
        self,
        recorder: Recorder,
        metrics: Metrics,
        *,
        max_waiting_rows: int,
        batch_rows: int,
        gather_s: float = 0.003,
    ) -> None:
        self._recorder, self._metrics = recorder, metrics
        self._max_waiting_rows, self._batch_rows, self._gather_s = max_waiting_rows, batch_rows, gather_s
        self._waiting: deque[Job] = deque()
        self._waiting_rows = 0
        self._together = 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="predict", daemon=True)
        metrics.waiting_rows.set_function(lambda: self._waiting_rows)

    @property
    def is_alive(self) -> bool:
        """Whether predictions can be made."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to predict."""
        self._thread.start()

    def close(self) -> None:
        """Predict what waits, then stop."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    async def predict(self, loaded: LoadedVersion, rows: Rows) -> list[Any]:
        """Predict rows; returns when they are predicted and written down.

        Raises
        ------
        RequestRefused
            Too many rows wait already, or the model refuses these.
        """
        job = Job(loaded, rows, asyncio.get_running_loop().create_future())
        with self._changed:
            if self._waiting_rows + rows.count > self._max_waiting_rows:
                raise RequestRefused(
                    f"{self._waiting_rows} rows wait for the model, and the server lets {self._max_waiting_rows} wait; "
                    "try again in a second.",
                    status=429,
                    kind="busy",
                )
            self._waiting.append(job)
            self._waiting_rows += rows.count
            self._changed.notify()
        return await job.future

    # The thread

    def _run(self) -> None:
        from sklearn import config_context
        from threadpoolctl import threadpool_limits

        # A batch is small: threads of BLAS and OpenMP spin while they wait for work, and take the processor from
        # the event loop. An estimator's parameters were checked when it was fitted.
        with threadpool_limits(1), config_context(skip_parameter_validation=True):
            while jobs := self._take():
                try:
                    self._work(jobs)
                except Exception as error:
                    # An own fault must not end the thread that all models share.
                    log.exception("A batch failed")
                    _resolve([(job, error) for job in jobs])

    def _take(self) -> list[Job]:
        """Wait for a job, and take with it those that fit; empty when closed."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            if not self._waiting:
                return []
            self._gather()
            jobs, left = [self._waiting.popleft()], deque[Job]()
            rows = jobs[0].rows.count
            while self._waiting:
                job = self._waiting.popleft()
                if rows + job.rows.count <= self._batch_rows and job.fits(jobs[0]):
                    jobs.append(job)
                    rows += job.rows.count
                else:
                    left.append(job)
            self._waiting = left
            self._waiting_rows -= rows
            return jobs

    def _gather(self) -> None:
        """Let those who were just answered come again, where so many went together last time.

        Otherwise clients that ask anew with each answer part into two groups, of which one waits while the other is
        predicted: twice the calls. A client alone never waits, and a crowd that has gone is waited for once.
        """
        deadline = time.monotonic() + self._gather_s
        while not self._is_gathered() and (left := deadline - time.monotonic()) > 0:
            self._changed.wait(left)
        self._together = len(self._waiting)

    def _is_gathered(self) -> bool:
        is_full = len(self._waiting) >= self._together or self._waiting_rows >= self._batch_rows
        return is_full or self._is_closed or not self._waiting[0].loaded.is_row_wise

    def _work(self, jobs: Sequence[Job]) -> None:
        done: list[tuple[Job, Any]] = []
        ready = []
        for job in jobs:
            # Its client has gone, or its time is over.
            if job.future.cancelled():
                continue
            try:
                self._recorder.name(job)
                ready.append(job)
            except RequestRefused as error:
                done.append((job, error))
        if ready:
            done += self._predict(ready)
        _resolve(done)

    def _predict(self, jobs: Sequence[Job]) -> list[tuple[Job, Any]]:
        loaded = jobs[0].loaded
        try:
            answers = _call(loaded, [job.rows for job in jobs])
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            # Alone, a request harms only itself.
            if len(jobs) > 1:
                return [done for job in jobs for done in self._predict([job])]
            return [(jobs[0], _refusal(loaded, error))]
        self._metrics.batches.labels(loaded.model).inc()
        self._metrics.rows.labels(loaded.model).inc(sum(job.rows.count for job in jobs))
        self._recorder.write(loaded, jobs, answers)
        return list(zip(jobs, answers, strict=True))


def _call(loaded: LoadedVersion, parts: Sequence[Rows]) -> list[list[Any]]:
    """Predict several requests at once, and part the answers again."""
    answer = loaded.predict(loaded.signature.frame(parts))
    predictions = answer.tolist() if hasattr(answer, "tolist") else list(answer)
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


def _refusal(loaded: LoadedVersion, error: Exception) -> RequestRefused:
    first = str(error).partition("\n")[0][:300]
    return RequestRefused(
        f"version {loaded.version} of {loaded.model} cannot predict these rows ({type(error).__name__}: {first}).",
        status=422,
        kind="model_refused",
    )


def _resolve(done: Sequence[tuple[Job, Any]]) -> None:
    """Hand results to the event loop, in one call for all."""
    if not done:
        return
    loop = done[0][0].future.get_loop()
    try:
        loop.call_soon_threadsafe(_set, done)
    except RuntimeError:
        # The loop has ended, and with it everybody who waited.
        log.warning("%d answers came after the server's end", len(done))


def _set(done: Sequence[tuple[Job, Any]]) -> None:
    for job, result in done:
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
