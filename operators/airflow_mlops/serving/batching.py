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
from airflow_mlops.serving.calls import Call, model_refusal, predict_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.serving.loaded import LoadedVersion
    from airflow_mlops.serving.metrics import Metrics
    from airflow_mlops.serving.signature import Rows

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
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
    timeout_s : float, default=30
        A call of a model that takes longer hangs, as far as anybody can tell: until it ends, all requests are refused.
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
        timeout_s: float = 30.0,
        gather_s: float = 0.003,
    ) -> None:
        self._recorder, self._metrics = recorder, metrics
        self._max_waiting_rows, self._batch_rows, self._gather_s = max_waiting_rows, batch_rows, gather_s
        self._timeout_s = timeout_s
        self._call: Call | None = None
        self._waiting: deque[Job] = deque()
        self._waiting_rows = 0
        self._together = 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="predict", daemon=True)
        metrics.waiting_rows.set_function(lambda: self._waiting_rows)

    def failure(self) -> str | None:
        """Say why nothing can be predicted; None where it can."""
        if not self._thread.is_alive():
            return "the server's prediction has ended; start it anew."
        call = self._call
        if call is not None and time.monotonic() - call.since > self._timeout_s:
            return f"{call}; nothing else is predicted until that ends. Start the server anew if it does not."
        return None

    def refuse_failed(self) -> None:
        """Refuse a request that nobody would answer.

        Raises
        ------
        RequestRefused
            The thread hangs or has ended.
        """
        if reason := self.failure():
            raise RequestRefused(reason, status=503, kind="dead")

    def start(self) -> None:
        """Begin to predict."""
        self._thread.start()

    def close(self) -> None:
        """Predict what waits, then stop; what hangs is left behind, and ends with the process."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread.is_alive():
            call = self._call
            used = time.monotonic() - call.since if call else 0.0
            self._thread.join(timeout=max(0.0, self._timeout_s + 1 - used))

    async def predict(self, loaded: LoadedVersion, rows: Rows) -> list[Any]:
        """Predict rows; returns when they are predicted and written down.

        Raises
        ------
        RequestRefused
            Too many rows wait already, the model refuses these, or it hangs.
        """
        self.refuse_failed()
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
        try:
            return await job.future
        except asyncio.CancelledError:
            self._forget(job)
            raise

    def _forget(self, job: Job) -> None:
        """Give up a job whose time is over, and with it the room it took."""
        with self._changed:
            # It may be at the model by now.
            if job in self._waiting:
                self._waiting.remove(job)
                self._waiting_rows -= job.rows.count

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
                except BaseException:
                    # An own fault must not end the thread that all models share.
                    log.exception("A batch failed")
                    fault = RequestRefused("the server failed; its log says why.", status=500, kind="server_failed")
                    _resolve([(job, fault) for job in jobs])
                finally:
                    self._call = None

    def _take(self) -> list[Job]:
        """Wait for a job, and take with it those that fit; empty when closed."""
        with self._changed:
            # A job may be given up while others are waited for.
            while not self._waiting or not self._gather():
                if self._is_closed:
                    return []
                self._changed.wait()
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

    def _gather(self) -> bool:
        """Let those who were just answered come again, where so many went together last time; tell if any are left.

        Otherwise clients that ask anew with each answer part into two groups, of which one waits while the other is
        predicted: twice the calls. A client alone never waits, and a crowd that has gone is waited for once.
        """
        deadline = time.monotonic() + self._gather_s
        while not self._is_gathered() and (left := deadline - time.monotonic()) > 0:
            self._changed.wait(left)
        self._together = len(self._waiting)
        return bool(self._waiting)

    def _is_gathered(self) -> bool:
        is_full = len(self._waiting) >= self._together or self._waiting_rows >= self._batch_rows
        return is_full or not self._waiting or self._is_closed or not self._waiting[0].loaded.is_row_wise

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
        self._call = Call(loaded)
        try:
            answers = predict_together(loaded, [job.rows for job in jobs])
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit too
            # Alone, a request harms only itself.
            if len(jobs) > 1:
                return [done for job in jobs for done in self._predict([job])]
            return [(jobs[0], model_refusal(loaded, error))]
        self._metrics.batches.labels(loaded.model).inc()
        self._metrics.rows.labels(loaded.model).inc(sum(job.rows.count for job in jobs))
        self._call = Call(loaded, "writing down its predictions")
        self._recorder.write(loaded, jobs, answers)
        return list(zip(jobs, answers, strict=True))


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
