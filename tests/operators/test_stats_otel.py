"""What tasks tell OpenTelemetry: a server of our own stands for the collector, and reads OTLP over HTTP."""

from __future__ import annotations

import atexit
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from airflow.sdk._shared.observability.metrics.otel_logger import flush_otel_metrics
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from opentelemetry import metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from airflow_mlops.operators.stats import tell_run

MEASURED = {"quality": {"value": 0.5}, "data_drift": {"value": None}}


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.got.append((self.path, ExportMetricsServiceRequest.FromString(body)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *arguments):
        pass


@pytest.fixture
def collector(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as server:
        server.got, server.status = [], 200
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AIRFLOW__METRICS__OTEL_ON", "True")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        # As the task runner does before it runs a task.
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
        yield server
        # The process of a task ends here, and sends what is left; this one goes on.
        atexit.unregister(flush_otel_metrics)
        metrics.get_meter_provider().shutdown()
        server.shutdown()
    monkeypatch.undo()
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


def flushed():
    """Send what is kept, as the end of a task's process does."""
    flush_otel_metrics()


def received(collector):
    """Return name, kind, tags and value of each point that came."""
    found = []
    for _, request in collector.got:
        told = [each for one in request.resource_metrics for scope in one.scope_metrics for each in scope.metrics]
        for metric in told:
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                tags = {each.key: each.value.string_value for each in point.attributes}
                value = point.sum if kind == "exponential_histogram" else point.as_double or point.as_int
                found.append((metric.name, kind, metric.unit, tags, value))
    return sorted(found, key=lambda each: each[0])


def test_a_decision_arrives_under_its_names_with_its_tags(collector):
    answer = {"action": "roll back", "signals": {"measured": MEASURED}}
    tell_run("decide", "flights", seconds=1.5, answer=answer)
    flushed()

    assert [path for path, _ in collector.got] == ["/v1/metrics"]
    stage = {"model": "flights", "stage": "decide", "outcome": "success"}
    assert received(collector) == [
        ("airflow.mlops.decisions", "sum", "", {"model": "flights", "action": "roll_back"}, 1),
        ("airflow.mlops.signal", "gauge", "", {"model": "flights", "signal": "quality"}, 0.5),
        ("airflow.mlops.stage", "exponential_histogram", "ms", stage, 1500),
    ]


def test_models_are_told_apart_and_counted_up(collector):
    for model in ("flights", "flights", "ferries"):
        tell_run("train", model, seconds=1, answer={"id": "m"})
    flushed()

    trainings = [each for each in received(collector) if each[0] == "airflow.mlops.trainings"]
    assert sorted((tags["model"], value) for _, _, _, tags, value in trainings) == [("ferries", 1), ("flights", 2)]


def test_a_collector_that_refuses_fails_no_task(collector):
    collector.status = 400
    tell_run("train", "flights", seconds=1, answer={"id": "m"})
    flushed()

    assert len(collector.got) == 1
