"""The audit trail: what is told, in which order, a page at a time, and what is wrong with the chain."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, text

from airflow_mlops.ledger import Ledger
from airflow_mlops.ui.model import audit
from tests.conftest import utc
from tests.ui.parts import MODEL, asker

MARCH = utc("2013-03-01T05:00:00")


@pytest.fixture(scope="module")
def runs(airflow_db):
    """A run of the monitor, and one id that two DAGs have."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag_id, run_id in (
            ("monitor", "audited"),
            ("monitor", "twice"),
            ("retrain", "twice"),
            ("other", "strange"),
        ):
            found = DagRun(dag_id=f"{MODEL}_{dag_id}", run_id=run_id, run_type="manual", run_after=datetime.now(UTC))
            session.add(found)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def ask(ledger, store, runs):
    return asker(audit, ledger=ledger, store=store, kinds=("monitor", "retrain"))


def tell(ledger, *kinds, run=None):
    for place, kind in enumerate(kinds):
        payload = (
            {"by": "ada", "reason": "a test", "scope": "loop", "frozen": True} if kind == "freeze" else {"id": "x"}
        )
        ledger.append(MODEL, kind, f"{kind}{place}", payload, at=MARCH, run=run)


def test_the_last_event_comes_first_with_who_what_and_why(ask, ledger):
    tell(ledger, "ingest", "freeze")

    first, second = ask("audit")["entries"]

    assert (first["seq"], first["kind"], first["who"]) == (2, "freeze", "ada")
    assert (first["what"], first["why"], first["is_person"]) == ("The loop was paused.", "a test", True)
    assert (second["who"], second["is_person"]) == ("the loop", False)
    assert ledger.find(MODEL, "freeze", "freeze1").hash.startswith(first["hash"])


def test_pages_follow_each_other_without_gap_or_double(ask, ledger):
    tell(ledger, *["ingest", "validate", "decision"] * 4)

    numbers, before = [], ""
    while True:
        page = ask(f"audit?limit=5{before}")
        numbers += [entry["seq"] for entry in page["entries"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"

    assert numbers == list(range(12, 0, -1))


def test_one_kind_or_several_or_what_people_did_may_be_asked_for(ask, ledger):
    tell(ledger, "ingest", "freeze", "decision", "clock", "ingest")

    def kinds(query):
        return [entry["kind"] for entry in ask(f"audit?{query}")["entries"]]

    assert kinds("kind=ingest") == ["ingest", "ingest"]
    assert kinds("kind=ingest&kind=decision") == ["ingest", "decision", "ingest"]
    assert kinds("people=true") == ["clock", "freeze"]


@pytest.mark.parametrize(
    ("run", "dag_id"),
    [("audited", "flights_monitor"), ("twice", None), ("strange", None), ("gone", None), (None, None)],
)
def test_a_run_is_linked_where_it_is_known_for_sure(ask, ledger, run, dag_id):
    tell(ledger, "ingest", run=run)

    (entry,) = ask("audit")["entries"]

    assert (entry["run"], entry["dag_id"]) == (run, dag_id)


def test_a_chain_that_was_cut_is_still_shown_with_what_is_wrong(ask, ledger, tmp_path):
    tell(ledger, "ingest", "validate", "decision")
    assert ask("audit")["trouble"] is None
    with create_engine(f"sqlite:///{tmp_path}/ledger.db").begin() as connection:
        connection.execute(text("DELETE FROM mlops_ledger_events WHERE seq = 3"))

    trail = ask("audit")

    assert len(trail["entries"]) == 2
    assert "was cut: its state names event 3" in trail["trouble"]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "before=0", "before=x", "before=99999999999999999999", "kind=a'b", "kind=" + "a" * 65],
)
def test_malformed_questions_are_refused(ask, query):
    ask(f"audit?{query}", status=422)


def test_a_model_without_events_has_an_empty_trail(ask):
    assert ask("audit") == {"entries": [], "next_before": None, "trouble": None}
