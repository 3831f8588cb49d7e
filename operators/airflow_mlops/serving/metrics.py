"""What a server counts, for Prometheus; a registry of its own, so that two servers in one process do not mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from airflow_mlops.serving.loaded import LoadedVersion

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one server; labels are names of served models and of routes, never what a client sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        made = {"registry": self.registry, "namespace": "mlops_server"}
        self.requests = Counter("requests", "Requests answered.", ["model", "route", "status"], **made)
        self.seconds = Histogram(
            "request_seconds", "Time from a request's head to its answer.", ["route"], buckets=_SECONDS, **made
        )
        self.rows = Counter("rows", "Rows predicted.", ["model"], **made)
        self.batches = Counter(
            "batches", "Calls of a model; rows / batches is how many go together.", ["model"], **made
        )
        self.waiting_rows = Gauge("waiting_rows", "Rows waiting for a model.", **made)
        self.version = Gauge("version", "1 for the version that serves.", ["model", "version"], **made)
        self.epoch = Gauge("epoch", "Epoch of the version that serves.", ["model"], **made)
        self.swaps = Counter("swaps", "Champions swapped in, the first included.", ["model"], **made)
        self.load_failures = Counter("load_failures", "Versions that could not be loaded.", ["model"], **made)
        self.log_failures = Counter("log_failures", "Rows answered but not logged.", ["model"], **made)
        self.ledger_up = Gauge("ledger_up", "1 while the ledger can be followed.", **made)

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
