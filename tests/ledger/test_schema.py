"""A ledger of an earlier release is brought up once, whoever opens it first and wherever they are killed."""

from __future__ import annotations

import os
import signal

import pytest
from sqlalchemy import event, inspect

from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.ledger import Ledger
from tests.ledger.places import MARCH, fork, in_processes, tamper

INDEX = "ix_mlops_ledger_kind_at"


@pytest.fixture
def old(url):
    """A ledger as version 1 of the tables left it: without the index by event time, and without overviews."""
    ledger = Ledger(url)
    ledger.append("flights", "signals", "a", {}, at=MARCH)
    ledger.promote("flights", "1", expected_epoch=0, payload={}, at=MARCH)
    tamper(ledger, f"DROP INDEX {INDEX}")
    tamper(ledger, "DROP TABLE mlops_ledger_overview")
    tamper(ledger, "UPDATE mlops_ledger_schema SET schema_version = 1")
    return ledger


def stands(ledger):
    """Return the version of the tables, and whether index and overviews are there."""
    with ledger._database.engine.connect() as connection:
        version = connection.exec_driver_sql("SELECT schema_version FROM mlops_ledger_schema").scalar()
        found = inspect(connection)
        has_index = INDEX in {index["name"] for index in found.get_indexes("mlops_ledger_events")}
        return version, has_index and found.has_table("mlops_ledger_overview")


def test_a_ledger_of_version_1_is_brought_up_when_it_is_opened(old, url):
    assert stands(old) == (1, False)

    assert Ledger(url).state("flights", as_of=MARCH).champion.version == "1"

    assert stands(old) == (3, True)
    assert Ledger(url).verify("flights") == 2


def test_processes_that_open_an_old_ledger_at_once_all_find_it_in_order(old, url):
    assert in_processes(lambda _: Ledger(url).state("flights").epoch, 12) == [1] * 12
    assert stands(old) == (3, True)


@pytest.mark.parametrize("statement", ["CREATE INDEX", "CREATE TABLE", "UPDATE mlops_ledger_schema"])
def test_killed_while_it_is_brought_up_it_is_as_before(old, url, statement):
    def die():
        own = Ledger(url)

        @event.listens_for(own._database.engine, "after_cursor_execute")
        def kill(_connection, _cursor, executed, *_):
            if executed.strip().startswith(statement):
                os.kill(os.getpid(), signal.SIGKILL)

        own.state("flights")

    process = fork.Process(target=die)
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert stands(old) == (1, False)
    assert Ledger(url).state("flights").epoch == 1
    assert stands(old) == (3, True)


def test_an_older_release_refuses_it_clearly(old, url, monkeypatch):
    Ledger(url).state("flights")
    monkeypatch.setattr("airflow_mlops.ledger.database.SCHEMA_VERSION", 1)

    with pytest.raises(LedgerMisuse, match="has schema version 3, this package knows 1"):
        Ledger(url).state("flights")


def test_what_is_asked_of_the_past_goes_by_an_index(url):
    ledger = Ledger(url)
    asked = []
    for number in range(3):
        ledger.append("flights", "signals", str(number), {}, at=MARCH)

    @event.listens_for(ledger._database.engine, "before_cursor_execute")
    def keep(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    state = ledger.state("flights", as_of=MARCH)
    assert state.last["signals"].key == "2"
    if not str(url).startswith("sqlite"):
        return  # Postgres walks over tables as small as this one whatever indexes there are.
    with ledger._database.engine.connect() as connection:
        questions = [(statement, given) for statement, given in list(asked) if "FROM mlops_ledger_events" in statement]
        plans = [
            str(step[3])
            for statement, given in questions
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        ]
    assert len(questions) > 5
    assert not [plan for plan in plans if plan.startswith("SCAN mlops_ledger_events")]
