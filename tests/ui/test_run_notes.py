"""Notes beside runs: written once, by whichever process of the server comes first, and never over a person's."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from threading import Event

import pytest

from airflow_mlops.ledger import Ledger
from airflow_mlops.ui import run_notes
from airflow_mlops.ui.run_notes import RunNotes, write_until
from tests.conftest import ROOT, utc

MARCH = utc("2013-03-01T05:00:00")
DECIDED = {"action": "retrain", "reasons": ["it is old"]}


@pytest.fixture(scope="module")
def dags(airflow_db):
    """The DAGs of two models as Airflow has them, one written by hand."""
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    tags = {
        "noted_monitor": ("mlops", "monitor"),
        "noted_retrain": ("mlops", "retrain"),
        "own": ("model:handmade",),
        "stranger_monitor": (),
    }
    with create_session() as session:
        session.add(DagBundleModel(name="notes"))
        session.flush()
        for dag_id, marked in tags.items():
            session.add(DagModel(dag_id=dag_id, bundle_name="notes", is_stale=False))
            session.add_all(DagTag(name=tag, dag_id=dag_id) for tag in marked)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """An empty ledger that the server reads."""
    path = tmp_path / "ledger.db"
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", json.dumps({"conn_type": "mlops_ledger", "host": str(path)}))
    return Ledger(f"sqlite:///{path}")


@pytest.fixture
def run(dags, request):
    """Return what makes a run of a DAG; its id is that of the test."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    def make(dag_id: str = "noted_monitor") -> str:
        run_id = f"manual__{request.node.name}"
        with create_session() as session:
            session.add(DagRun(dag_id=dag_id, run_id=run_id, run_type="manual", run_after=datetime.now(UTC)))
        return run_id

    return make


def note(dag_id: str, run_id: str) -> str | None:
    """Return the note of a run as Airflow shows it."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one().note


def person_writes(dag_id: str, run_id: str, text: str) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one()
        found.note = (text, "ada")


def test_a_decision_stands_beside_the_run_that_took_it(ledger, run):
    run_id = run()
    ledger.append("noted", "decision", "1", DECIDED, at=MARCH, run=run_id)

    assert RunNotes().look() == 1
    assert note("noted_monitor", run_id) == "Decided: retrain. It is old."


def test_of_two_dags_with_a_run_of_the_same_id_the_one_that_decides_gets_the_note(ledger, run):
    run_id = run("noted_retrain")
    run("noted_monitor")
    ledger.append("noted", "decision", "1", DECIDED, at=MARCH, run=run_id)

    RunNotes().look()

    assert note("noted_monitor", run_id) is not None
    assert note("noted_retrain", run_id) is None


def test_what_is_written_is_not_written_again(ledger, run):
    ledger.append("noted", "decision", "1", DECIDED, at=MARCH, run=run())
    first, second = RunNotes(), RunNotes()

    assert [first.look(), first.look(), second.look(), RunNotes().look()] == [1, 0, 0, 0]


def test_a_note_of_a_person_stays(ledger, run):
    run_id = run()
    person_writes("noted_monitor", run_id, "a test, ignore")
    ledger.append("noted", "decision", "1", DECIDED, at=MARCH, run=run_id)

    assert RunNotes().look() == 0
    assert note("noted_monitor", run_id) == "a test, ignore"


def test_a_run_that_is_cleared_and_ends_otherwise_is_told_anew(ledger, run):
    run_id, notes = run("noted_retrain"), RunNotes()
    ledger.append("noted", "deploy", "1", {"outcome": "refused", "version": "2", "reasons": []}, at=MARCH, run=run_id)
    notes.look()
    assert note("noted_retrain", run_id) == "Refused: v2 does not serve."
    ledger.append("noted", "register", "2", {"version": "2"}, at=MARCH, run=run_id)
    ledger.promote("noted", "2", expected_epoch=0, payload={}, at=MARCH, run=run_id)

    assert notes.look() == 1
    assert note("noted_retrain", run_id) == "Promoted: v2 serves."


def test_a_dag_written_by_hand_and_tagged_with_its_model_has_notes_too(ledger, run):
    run_id = run("own")
    ledger.append("handmade", "decision", "1", DECIDED, at=MARCH, run=run_id)

    assert RunNotes().look() == 1
    assert note("own", run_id) == "Decided: retrain. It is old."


def test_a_dag_that_only_has_the_name_is_left_alone(ledger, run):
    run_id = run("stranger_monitor")
    ledger.append("stranger", "decision", "1", DECIDED, at=MARCH, run=run_id)

    assert RunNotes().look() == 0


def test_what_is_long_past_when_a_server_starts_is_left_alone(ledger, run, monkeypatch):
    from datetime import timedelta

    ledger.append("noted", "decision", "1", DECIDED, at=MARCH, run=run())
    monkeypatch.setattr(run_notes, "_LOOK_BACK", timedelta(0))

    assert RunNotes().look() == 0


def test_a_ledger_that_is_not_there_yet_is_not_made(dags, tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", json.dumps({"conn_type": "mlops_ledger", "host": str(path)}))

    assert RunNotes().look() == 0
    assert not path.exists()


class Looks:
    """Stands for the clock: so many looks, without waiting."""

    def __init__(self, count: int) -> None:
        self.left = count

    def wait(self, seconds: float) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_failure_is_told_once_and_ends_nothing(dags, tmp_path, monkeypatch, caplog):
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", json.dumps({"conn_type": "mlops_ledger", "host": str(path)}))

    with caplog.at_level(logging.WARNING):
        write_until(Looks(3))

    assert [record.message.split(":")[0] for record in caplog.records] == ["Run notes are not written for now"]


def test_the_setting_switches_notes_off(ledger, run, monkeypatch):
    run_id = run()
    ledger.append("noted", "decision", "1", DECIDED, at=MARCH, run=run_id)
    monkeypatch.setenv("AIRFLOW__MLOPS__RUN_NOTES", "False")

    write_until(Looks(3))

    assert note("noted_monitor", run_id) is None


def test_notes_are_written_from_the_servers_start_to_its_stop(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "plugins"))
    monkeypatch.delitem(sys.modules, "airflow_mlops_plugin", raising=False)
    import airflow_mlops_plugin as plugin

    stops: list[Event] = []
    started, passed = Event(), []

    def writes(stop: Event) -> None:
        stops.append(stop)
        started.set()

    async def server(scope, receive, send) -> None:
        passed.append(scope["type"])
        if scope["type"] == "lifespan":
            assert await asyncio.to_thread(started.wait, 30)
            assert not stops[0].is_set()

    monkeypatch.setattr(plugin, "_work_beside", writes)
    app = plugin.RunNotesMiddleware(server)
    for kind in ("http", "lifespan", "websocket"):
        asyncio.run(app({"type": kind}, None, None))

    assert passed == ["http", "lifespan", "websocket"]
    assert [stop.is_set() for stop in stops] == [True]
