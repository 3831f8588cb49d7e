"""What the pages say about parts that are away."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import LedgerUnavailable
from airflow_mlops.hooks.ledger import LedgerHook
from airflow_mlops.ui import sources
from airflow_mlops.ui.health import list_probes
from airflow_mlops.ui.probes import Probe, Prober, knock

SECRET = "hunter2"


class Answers(BaseHTTPRequestHandler):
    """Answers with the status that the address names."""

    def do_GET(self):
        self.send_response(int(self.path.strip("/").split("/")[0]))
        self.send_header("Location", "http://localhost:1/elsewhere")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    """Address of a server in a thread."""
    with HTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def closed_port():
    """A port where nobody listens."""
    with HTTPServer(("127.0.0.1", 0), Answers) as soon_gone:
        return soon_gone.server_port


@pytest.mark.parametrize("status", [200, 302, 401, 404])
def test_any_answer_of_a_server_will_do(server, status):
    assert knock(f"{server}/{status}", subject="MLflow") is None


def test_a_fault_of_the_server_is_told(server):
    assert knock(f"{server}/503", subject="MLflow") == "MLflow answers with status 503."


def test_a_server_that_is_away_is_told_without_its_address(closed_port):
    said = knock(f"http://127.0.0.1:{closed_port}/health", subject="MLflow")

    assert said.startswith("MLflow does not answer (ConnectionRefusedError)")
    assert str(closed_port) not in said


def test_a_part_that_hangs_leaves_the_others_alone_and_is_not_asked_twice():
    released, asked = threading.Event(), []

    def hang():
        asked.append("once")
        released.wait(30)

    prober = Prober(patience_s=0.05, fresh_s=0)
    probes = [Probe("slow", "The slow one", hang), Probe("quick", "The quick one", lambda: None)]
    try:
        first, second = prober.look(probes), prober.look(probes)
    finally:
        released.set()

    assert [(each.part, each.ok) for each in first] == [("slow", False), ("quick", True)]
    assert second[0].sentence == "The slow one does not answer within seconds; it is asked again."
    assert asked == ["once"]


def test_an_answer_is_kept_for_a_while():
    asked = []
    prober = Prober(fresh_s=3600)
    probe = Probe("ledger", "The ledger", lambda: asked.append("once"))

    assert prober.look([probe]) == prober.look([probe])
    assert asked == ["once"]


def test_our_own_errors_are_told_without_places_and_those_of_the_system_only_by_kind():
    def own():
        raise LedgerUnavailable("the ledger at postgresql://db/mlops cannot be opened: refused.")

    def system():
        raise PermissionError(f"no way to s3://key:{SECRET}@bucket")

    found = Prober().look([Probe("ledger", "The ledger", own), Probe("store", "The store", system)])

    assert [each.sentence for each in found] == [
        "the ledger at mlops cannot be opened: refused.",
        "The store does not answer (PermissionError).",
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_foresaw_is_not_told_to_the_page():
    def surprising():
        raise ValueError(SECRET)

    (found,) = Prober().look([Probe("store", "The store", surprising)])

    assert (found.ok, SECRET in found.sentence) == (False, False)


def test_a_ledger_whose_file_is_gone_is_not_made_anew_where_trainings_were_recorded(tmp_path, monkeypatch):
    ledger = tmp_path / "ledger.db"
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", f'{{"conn_type": "mlops_ledger", "host": "{ledger}"}}')
    monkeypatch.setattr(sources, "_has_recorded", lambda: True)

    with pytest.raises(LedgerUnavailable, match="is gone: there is no file"):
        sources.open_ledger()

    assert not ledger.exists()


@pytest.mark.parametrize(
    ("tags", "state", "expected"),
    [
        (("mlops", "retrain"), "success", True),
        (("mlops", "retrain"), "failed", False),
        (("mlops", "monitor"), "success", False),
        (("retrain",), "success", False),
    ],
)
def test_only_a_models_training_that_ended_well_tells_that_there_was_a_ledger(airflow_db, tags, state, expected):
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(DagRun))
        session.merge(DagBundleModel(name="gone"))
        session.flush()
        session.add(DagModel(dag_id="gone_dag", bundle_name="gone"))
        session.add_all(DagTag(dag_id="gone_dag", name=tag) for tag in tags)
        now = datetime.now(UTC)
        session.add(DagRun(dag_id="gone_dag", run_id="one", run_type="manual", run_after=now, state=state))
        session.flush()
        found = sources.was_trained(session)
        session.rollback()

    assert found is expected


def test_it_is_remembered_since_when_a_part_is_missed():
    wrong = iter(["It is away.", "It is away.", None])
    prober = Prober(fresh_s=0)
    probe = Probe("MLflow", "MLflow", lambda: next(wrong))

    [first], [second], [third] = prober.look([probe]), prober.look([probe]), prober.look([probe])

    assert first.since is not None
    assert (second.since, third.since) == (first.since, None)


def test_what_is_not_configured_is_not_away():
    def absent():
        raise KeyError("no such connection")

    assert Prober().look([Probe("MLflow", "MLflow", absent, (KeyError,))]) == []


def test_connections_are_asked_and_their_secrets_kept(server, closed_port, tmp_path, monkeypatch):
    store = ArtifactStore.local(tmp_path)
    monkeypatch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", store.uri())
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", f'{{"conn_type": "mlops_ledger", "host": "{tmp_path}/ledger.db"}}')
    port = server.rpartition(":")[2]
    for name, at in (("MLFLOW_DEFAULT", closed_port), ("AWAY", closed_port)):
        address = f'"host": "http://127.0.0.1", "port": {at}, "login": "me", "password": "{SECRET}"'
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", f'{{"conn_type": "x", {address}}}')
    there = f'{{"conn_type": "model_server", "host": "http://me:{SECRET}@127.0.0.1/200", "port": {port}}}'
    monkeypatch.setenv("AIRFLOW_CONN_THERE", there)

    LedgerHook().ledger.models()

    found = {each.part: each for each in Prober(patience_s=30).look(list_probes({"there", "away"}))}

    assert {part: each.ok for part, each in found.items()} == {
        "ledger": True,
        "artifact store": True,
        "MLflow": False,
        "model server away": False,
        "model server there": True,
    }
    assert not any(SECRET in each.sentence for each in found.values())
