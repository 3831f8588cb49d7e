"""What a server counts, for Prometheus; a registry of its own, so that two servers in one process do not mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from airflow_mlops.serving.loaded import LoadedVersion

_PREFIX = "mlops_server"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


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

    def text(self) -> bytes:
        """Write everything as Prometheus reads it."""
        return generate_latest(self.registry)
