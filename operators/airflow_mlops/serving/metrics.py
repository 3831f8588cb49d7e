"""What a server counts, for Prometheus; a registry of its own, so that two servers in one process do not mix."""

from __future__ import annotations

import math
from bisect import bisect_left
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from airflow_mlops.serving.loaded import LoadedVersion

_PREFIX = "mlops_server"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


# From here on it was the server's fault, or the model's.
_OWN_FAULT = 500


class Tally:
    """What the requests came to that one champion answered, since it began to.

    Parameters
    ----------
    epoch : int or None
        Of its promotion.
    """

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch
        self.since = datetime.now(UTC)
        self.requests = self.failed = self.not_finite = 0
        self._times = [0] * (len(_SECONDS) + 1)

    def count(self, status: int, seconds: float, *, is_finite: bool) -> None:
        """Count one request; an answer without a finite number is a failure, whatever its status."""
        self.requests += 1
        self.failed += status >= _OWN_FAULT or not is_finite
        self.not_finite += not is_finite
        self._times[bisect_left(_SECONDS, seconds)] += 1

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON, as ``/status`` has it; times are cumulative, those beyond the last are in ``requests``."""
        return {
            "since": self.since.isoformat(),
            "requests": self.requests,
            "failed": self.failed,
            "not_finite": self.not_finite,
            "times": [list(pair) for pair in zip(_SECONDS, accumulate(self._times), strict=False)],
        }


def all_finite(answer: list[Any]) -> bool:
    """Tell whether a prediction has finite numbers only; labels count as such."""
    try:
        return math.isfinite(sum(map(sum, answer)) if answer and isinstance(answer[0], list) else sum(answer))
    except TypeError:
        return True


class Metrics:
    """Counters of one server; labels are names of served models and of routes, never what a client sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._counter("requests", "Requests answered.", "model", "route", "status")
        self.seconds = Histogram(
            f"{_PREFIX}_request_seconds",
            "Time from a request's head to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.rows = self._counter("rows", "Rows predicted.", "model")
        self.batches = self._counter("batches", "Calls of a model.", "model")
        self.waiting_rows = self._gauge("waiting_rows", "Rows waiting for a model.")
        self.version = self._gauge("version", "1 for the version that serves.", "model", "version")
        self.epoch = self._gauge("epoch", "Epoch of the version that serves.", "model")
        self.swaps = self._counter("swaps", "Champions swapped in, the first included.", "model")
        self.load_failures = self._counter("load_failures", "Versions that could not be loaded.", "model")
        self.log_failures = self._counter("log_failures", "Rows answered but not logged.", "model")
        self.tallies: dict[str, Tally] = {}
        self.ledger_up = self._gauge("ledger_up", "1 while the ledger can be followed.")

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", what, labels, registry=self.registry)

    def swapped(self, model: str, before: LoadedVersion | None, after: LoadedVersion) -> None:
        """Note that another version, or the same of another epoch, serves."""
        if before is not None:
            self.version.remove(model, before.version)
        self.version.labels(model, after.version).set(1)
        self.epoch.labels(model).set(after.epoch or 0)
        self.swaps.labels(model).inc()
        self.tallies[model] = Tally(after.epoch)

    def answered(self, loaded: LoadedVersion, status: int, seconds: float, *, is_finite: bool) -> None:
        """Count a request for the champion that answered it; golden rows for one that is prepared are none."""
        tally = self.tallies.get(loaded.model)
        if tally is not None and tally.epoch == loaded.epoch:
            tally.count(status, seconds, is_finite=is_finite)

    def text(self) -> bytes:
        """Write everything as Prometheus reads it."""
        return generate_latest(self.registry)
