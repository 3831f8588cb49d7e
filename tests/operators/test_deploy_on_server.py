"""The deploy operator waits for a model server without a worker slot, and never for ever."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import TaskDeferred

from airflow_mlops.errors import ModelUnusable, ServerRefused, ServerUnavailable
from airflow_mlops.operators import waiting as waiting_module
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.register import RegisterOperator
from tests.model_server import answering, closed_port, connection, entry, status
from tests.running_server import TOKEN, RunningServer

from .conftest import NOW

CONNECTION = "AIRFLOW_CONN_MODEL_SERVER_DEFAULT"
PASSED = {
    "passed": True, "reasons": [], "rows": 10, "max_difference": 0.0, "latency_ms": 1.0, "memory_mb": 2.0,
}  # fmt: skip


@pytest.fixture
def served_spec(spec):
    deploy = spec.deploy.model_copy(update={"server": "model_server_default"})
    return spec.model_copy(update={"deploy": deploy})


@pytest.fixture
def server(store, monkeypatch):
    """A real server beside the operator's ledger, and its connection."""
    running = RunningServer(store, f"sqlite:///{store.root}/ledger.db")
    monkeypatch.setenv(CONNECTION, connection(running.port, password=TOKEN))
    yield running
    running.kill()


@pytest.fixture
def tried(monkeypatch):
    """Let a version pass its trial at once: a fresh interpreter takes seconds, and other tests are about it."""
    from airflow_mlops.lifecycle.deploy import Deployment
    from airflow_mlops.stages.deploy import ServabilityReport

    monkeypatch.setattr(Deployment.__dataclass_fields__["trial"], "default", None)
    plain = Deployment.__init__

    def made(self, **fields):
        plain(self, **fields, trial=lambda *_, **__: ServabilityReport.from_dict(PASSED))

    monkeypatch.setattr(Deployment, "__init__", made)


@pytest.fixture
def impatient(monkeypatch):
    """Defer at once."""
    monkeypatch.setattr(waiting_module, "PATIENCE_S", 0.0)


@pytest.fixture
def registered(run, model, evaluation):
    return run(RegisterOperator, model=model, evaluation=evaluation)[0]


@pytest.fixture
def make(served_spec, store, registered, evaluation):
    """Make the operator as a DAG would, with inputs in place of templates."""

    def _make(**changes):
        arguments = {"spec": served_spec, "now": NOW, "artifacts_uri": store.root, "model": registered}
        return DeployOperator(task_id="deploy", evaluation=evaluation, **{**arguments, **changes})

    return _make


def refused(ledger):
    event = ledger.find("flights", "deploy", "1@0:refused")
    return event and event.payload["reasons"][0]


def test_a_short_wait_costs_no_deferral(make, server, tried, ledger):
    deployed = make().execute({"run_id": "manual__1"})

    assert (deployed["version"], deployed["epoch"], deployed["promoted"]) == ("1", 1, True)
    assert ledger.state("flights").epoch == 1


def test_a_longer_wait_is_handed_to_the_triggerer_and_taken_up_again(make, server, tried, impatient, ledger):
    operator, waits = make(), []
    try:
        result = operator.execute({"run_id": "manual__1"})
    except TaskDeferred as deferred:
        result = deferred
    while isinstance(result, TaskDeferred):
        waits.append(result)
        event = asyncio.run(anext(result.trigger.run()))
        try:
            result = make().resume_execution(
                result.method_name, {**result.kwargs, "event": event.payload}, {"run_id": "manual__1"}
            )
        except TaskDeferred as deferred:
            result = deferred

    assert 1 <= len(waits) <= 3
    assert waits[0].trigger.awaited["until"] == "loaded"
    assert len({wait.kwargs["deadline"] for wait in waits}) == 1
    assert timedelta(minutes=5) < waits[0].timeout < timedelta(minutes=7)
    assert TOKEN not in json.dumps([wait.trigger.serialize() for wait in waits])
    assert result["version"] == "1"
    assert ledger.state("flights").epoch == 1


DAG_FILE = """
import json
from airflow.sdk import DAG
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.spec import ModelSpec

given = json.loads({given!r})
spec = ModelSpec.model_validate(given.pop("spec"))
with DAG("deploys_on_a_server", schedule=None) as dag:
    DeployOperator(task_id="deploy", spec=spec, **given)
"""


def test_it_waits_in_a_run_of_dag_test(
    airflow_db, served_spec, store, registered, evaluation, server, tried, impatient, ledger, tmp_path, monkeypatch
):
    from airflow.dag_processing.dagbag import DagBag

    plain = served_spec.model_dump(mode="json", by_alias=True)
    given = {"spec": plain, "now": NOW, "artifacts_uri": store.root, "model": registered, "evaluation": evaluation}
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "deploys.py").write_text(DAG_FILE.format(given=json.dumps(given)))
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundle = {"name": "deploys", "classpath": local, "kwargs": {"path": str(folder)}}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    bag = DagBag(dag_folder=str(folder))
    assert not bag.import_errors

    [task_instance] = bag.dags["deploys_on_a_server"].test().get_task_instances()

    assert task_instance.state == "success"
    assert ledger.state("flights").champion.version == "1"


@pytest.fixture
def loading(registered):
    """A server that loads for ever."""
    said = status({**entry("1", state="loading"), "digest": registered["digest"]}, version=None)
    with answering(lambda path: (200, said)) as server:
        yield server


LATE = {"event": {"why": "the time is up"}, "deadline": "2013-01-01T00:00:00+00:00"}


def test_a_wait_past_its_deadline_is_refused_with_what_the_server_says(
    make, loading, tried, impatient, ledger, monkeypatch
):
    monkeypatch.setenv(CONNECTION, connection(loading.port))

    with pytest.raises(ModelUnusable, match=r"is loading version 1 of flights, and 300 s \(deploy.timeout\) are over"):
        make().resume_execution("resume", LATE, {"run_id": "manual__1"})

    assert "is loading version 1 of flights" in refused(ledger)
    assert ledger.state("flights").champion is None


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
def test_without_a_triggerer_the_end_is_the_same(error, make, loading, tried, impatient, ledger, monkeypatch):
    monkeypatch.setenv(CONNECTION, connection(loading.port))

    with pytest.raises(ModelUnusable, match="is loading version 1 of flights, and 300 s"):
        make().resume_execution("__fail__", {"error": error}, {"run_id": "manual__1"})

    assert refused(ledger)


def test_a_wait_that_was_too_long_but_went_well_is_no_failure(make, server, tried, ledger):
    deployed = make().resume_execution("resume", LATE, {"run_id": "manual__1"})

    assert deployed["version"] == "1"


def test_a_server_that_is_away_is_for_airflow_to_retry(make, tried, ledger, monkeypatch):
    monkeypatch.setenv(CONNECTION, connection(closed_port()))

    with pytest.raises(ServerUnavailable, match=r"model server at http://127.0.0.1:\d+ \(connection 'model_server_def"):
        make().execute({"run_id": "manual__1"})

    assert refused(ledger) is None
    assert ledger.state("flights").champion is None


def test_a_wrong_token_fails_at_once_and_is_nowhere(make, server, tried, ledger, monkeypatch, capsys):
    monkeypatch.setenv(CONNECTION, connection(server.port, password="a-wrong-token"))

    with pytest.raises(ServerRefused, match=r"refuses the token \(status 401\)"):
        make().execute({"run_id": "manual__1"})

    assert "refuses the token" in refused(ledger)
    assert "a-wrong-token" not in json.dumps([event.payload for event in ledger.events("flights")])
    assert "a-wrong-token" not in "".join(capsys.readouterr())


def test_the_deadline_is_the_one_of_the_spec(make, loading, tried, impatient, monkeypatch):
    monkeypatch.setenv(CONNECTION, connection(loading.port))
    before = datetime.now(UTC)

    with pytest.raises(TaskDeferred) as caught:
        make().execute({"run_id": "manual__1"})

    waits = datetime.fromisoformat(caught.value.kwargs["deadline"]) - before
    assert timedelta(minutes=5) <= waits < timedelta(minutes=6)
    assert caught.value.method_name == "resume"
