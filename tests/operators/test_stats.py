"""What tasks tell Airflow's own metrics: a UDP socket stands for StatsD."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils

from airflow_mlops.errors import DataCheckFailed, EmptyTrainingSet
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.stats import tell_run, told_of
from airflow_mlops.refs import ReportRef


class Statsd:
    """Hold what was sent."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver

    def lines(self) -> list[str]:
        """Return what has arrived; on the loopback a datagram is there as soon as it is sent."""
        found = []
        while True:
            try:
                found += self._receiver.recv(65536, socket.MSG_DONTWAIT).decode().splitlines()
            except BlockingIOError:
                return found


class StatsClient:
    """Send as the client library does, which comes with an extra of Airflow and not with Airflow itself."""

    def __init__(self, host, port, prefix, *_, **__):
        self._to, self._prefix = (host, port), prefix
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def incr(self, stat, count=1, rate=1):
        """Count."""
        self._send(f"{stat}:{count}|c")

    def gauge(self, stat, value, rate=1, delta=False):
        """Set."""
        self._send(f"{stat}:{value}|g")

    def timing(self, stat, delta):
        """Time."""
        self._send(f"{stat}:{delta.total_seconds() * 1000:0.6f}|ms")

    def _send(self, line):
        self._sender.sendto(f"{self._prefix}.{line}".encode(), self._to)


@pytest.fixture
def statsd(monkeypatch, request):
    monkeypatch.setitem(sys.modules, "statsd", SimpleNamespace(StatsClient=StatsClient))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(receiver.getsockname()[1]))
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", str(getattr(request, "param", True)))
        # As the task runner does before it runs a task.
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
        yield Statsd(receiver)
    monkeypatch.undo()
    stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)


class Judges(StageOperator):
    """Come to a verdict, or to an error."""

    stage = "validate"

    def __init__(self, *, error=None, **kwargs):
        super().__init__(**kwargs)
        self.error = error

    def run_stage(self, context):
        """Do what the test asks for."""
        if self.error:
            raise self.error
        return ReportRef(id="r", stage="validate", uri="r", html_uri="r", verdict="warning", summary={})


def test_a_task_sends_its_time_and_what_came_of_it_with_its_model(statsd, flights_spec):
    Judges(task_id="validate", spec=flights_spec, now="2013-01-01").run_and_report({})

    timing, count = statsd.lines()
    assert timing.startswith("airflow.mlops.stage,model=flights,stage=validate,outcome=success:")
    assert timing.endswith("|ms")
    assert count == "airflow.mlops.data_checks,model=flights,verdict=warning:1|c"


def test_rows_that_may_not_be_used_are_counted_though_the_task_fails(statsd, flights_spec):
    operator = Judges(task_id="validate", spec=flights_spec, now="2013-01-01", error=DataCheckFailed("null rows"))

    with pytest.raises(DataCheckFailed):
        operator.run_and_report({})

    timing, count = statsd.lines()
    assert "outcome=DataCheckFailed:" in timing
    assert count == "airflow.mlops.data_checks,model=flights,verdict=failed:1|c"


def test_a_decision_sends_its_action_and_the_value_of_each_signal(statsd):
    measured = {"quality": {"value": 0.5}, "data_drift": {"value": None}}
    tell_run("decide", "a", seconds=1.5, answer={"action": "roll back", "signals": {"measured": measured}})

    assert statsd.lines() == [
        "airflow.mlops.stage,model=a,stage=decide,outcome=success:1500.000000|ms",
        "airflow.mlops.decisions,model=a,action=roll_back:1|c",
        "airflow.mlops.signal,model=a,signal=quality:0.5|g",
    ]


@pytest.mark.parametrize("statsd", [False], indirect=True, ids=["without tags"])
def test_plain_statsd_gets_the_names_alone(statsd):
    tell_run("decide", "a", seconds=1.5, answer={"action": "roll back"})

    assert statsd.lines() == ["airflow.mlops.stage:1500.000000|ms", "airflow.mlops.decisions:1|c"]


@pytest.mark.parametrize(
    ("stage", "answer", "names"),
    [
        ("train", {"id": "m"}, ["trainings"]),
        ("train", {"id": "m", "same_as": "an earlier run"}, []),
        ("deploy", {"version": "2", "promoted": True}, ["promotions"]),
        ("deploy", {"version": "2", "promoted": False}, []),
        ("rollback", {"version": "1"}, ["rollbacks"]),
        ("ingest", {"id": "s"}, []),
    ],
)
def test_what_was_done_is_counted_once(stage, answer, names):
    assert [name for _, name, _, _ in told_of(stage, answer)] == names


def test_a_backend_that_breaks_does_not_fail_the_task(monkeypatch, caplog, flights_spec):
    def broken(*_, **__):
        raise RuntimeError("no route")

    monkeypatch.setattr(stats, "timing", broken)

    answer = Judges(task_id="validate", spec=flights_spec, now="2013-01-01").run_and_report({})

    assert answer["verdict"] == "warning"
    assert "The metrics of validate of flights were not sent: no route" in caplog.text


def test_the_error_of_a_task_is_its_own_whatever_becomes_of_its_metrics(monkeypatch, flights_spec):
    monkeypatch.setattr(stats, "timing", lambda *_, **__: 1 / 0)
    operator = Judges(
        task_id="validate",
        spec=flights_spec,
        now="2013-01-01",
        error=EmptyTrainingSet(rows_in=1, rows_dropped=1, target="late"),
    )

    with pytest.raises(EmptyTrainingSet):
        operator.run_and_report({})
