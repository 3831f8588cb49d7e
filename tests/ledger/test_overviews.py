"""The overview that is kept beside the events: moved on with each, made anew where it lacks, never in the way."""

from __future__ import annotations

import os
import signal

import pytest
from sqlalchemy import event as listener
from sqlalchemy import inspect

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import FREEZE
from airflow_mlops.ledger import Fact, Ledger, overviews
from airflow_mlops.overview import advance, begun
from tests.ledger.places import MARCH, fork, in_processes, tamper

DECISION = {"action": "nothing", "reasons": ["it holds"]}


def fill(ledger, model="flights", events=6):
    """Record a short life."""
    ledger.promote(model, "1", expected_epoch=0, payload={"cause": "person"}, at=MARCH)
    for number in range(events - 1):
        ledger.append(model, "decision", str(number), {"action": "nothing", "reasons": [f"look {number}"]}, at=MARCH)
    return ledger


def of(ledger, model="flights"):
    """Return the overview and the curves of a model as one."""
    found = ledger.overviews([model])
    return found.told[model] | {"curves": ledger.curves([model])[model]}


def folded(ledger, model="flights"):
    """Return what the fold says of all events."""
    overview = begun()
    for each in ledger.events(model):
        overview = advance(overview, each)
    return overview


def test_each_event_moves_the_overview_in_its_own_transaction(ledger):
    fill(ledger)

    assert of(ledger) == folded(ledger)
    assert of(ledger)["serving"]["version"] == "1"


def test_a_promotion_and_what_is_recorded_beside_it_are_both_told(ledger):
    fill(ledger)
    held = Fact(FREEZE, "promotions", {"scope": "promotions", "frozen": True, "by": "ada", "reason": "it is odd"})
    ledger.promote("flights", "2", expected_epoch=1, payload={}, at=MARCH, beside=[held])

    assert (of(ledger)["serving"]["version"], of(ledger)["frozen"]["by"]) == ("2", "ada")


def test_writers_at_once_leave_an_overview_of_all_their_events(url):
    fill(Ledger(url))
    in_processes(lambda number: Ledger(url).append("flights", "decision", f"p{number}", DECISION, at=MARCH).seq, 5)

    assert of(Ledger(url)) == folded(Ledger(url))


def test_killed_before_the_commit_neither_event_nor_overview_is_there(url):
    ledger = fill(Ledger(url))
    before = of(ledger)

    def die():
        own = Ledger(url)

        @listener.listens_for(own._database.engine, "after_cursor_execute")
        def kill(_connection, _cursor, executed, *_):
            if executed.startswith("INSERT INTO mlops_ledger_overview"):
                os.kill(os.getpid(), signal.SIGKILL)

        own.append("flights", "decision", "last", DECISION, at=MARCH)

    process = fork.Process(target=die)
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert of(ledger) == before
    assert ledger.position("flights") == before["seq"]


@pytest.mark.parametrize(
    "loss",
    [
        "DROP TABLE mlops_ledger_overview",
        "DELETE FROM mlops_ledger_overview",
        "UPDATE mlops_ledger_overview SET form = 0",
    ],
    ids=["an earlier release", "rows missing", "another form"],
)
def test_a_reader_makes_good_what_is_missing_and_keeps_it(ledger, url, loss):
    fill(ledger)
    tamper(ledger, loss)
    tamper(ledger, "UPDATE mlops_ledger_schema SET schema_version = 2")

    assert of(Ledger(url)) == folded(ledger)
    with ledger._database.read() as connection:
        assert overviews.behind(connection, ["flights"]) == {}


def test_a_writer_makes_good_what_is_missing(ledger):
    fill(ledger)
    tamper(ledger, "DELETE FROM mlops_ledger_overview")
    ledger.append("flights", "decision", "last", DECISION, at=MARCH)

    with ledger._database.read() as connection:
        assert overviews.heads(connection, ["flights"])["flights"]["seq"] == 7


def test_a_long_past_is_made_good_in_steps(ledger, monkeypatch):
    monkeypatch.setattr("airflow_mlops.ledger.reader._STEP", 4)
    monkeypatch.setattr(overviews, "STEP", 3)
    fill(ledger, events=12)
    tamper(ledger, "DELETE FROM mlops_ledger_overview")

    assert ledger.overviews(["flights"]).behind == {"flights": 8}
    ledger.append("flights", "decision", "last", DECISION, at=MARCH)
    assert ledger.overviews(["flights"]).behind == {"flights": 2}
    assert ledger.overviews(["flights"]).behind == {}
    assert of(ledger) == folded(ledger)


def test_a_changed_event_on_the_way_is_a_fault_of_its_model_alone(ledger):
    fill(ledger)
    fill(ledger, "churn")
    tamper(ledger, "DELETE FROM mlops_ledger_overview")
    tamper(ledger, "UPDATE mlops_ledger_events SET payload = '{}' WHERE model = 'flights' AND seq = 3")
    found = ledger.overviews(["churn", "flights"])

    assert "event 3 of flights" in found.faults["flights"]
    assert found.told["churn"]["seq"] == 6


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE mlops_ledger_events SET payload = '{}' WHERE model = 'flights' AND seq = 6",
        "DELETE FROM mlops_ledger_events WHERE model = 'flights' AND seq = 6",
        "DELETE FROM mlops_ledger_events WHERE model = 'flights'",
        "DELETE FROM mlops_ledger_state WHERE model = 'flights'",
        "UPDATE mlops_ledger_state SET champion = '7' WHERE model = 'flights'",
        "UPDATE mlops_ledger_state SET epoch = 2 WHERE model = 'flights'",
    ],
)
def test_an_end_that_cannot_be_trusted_is_a_fault_of_its_model_alone(ledger, change):
    fill(ledger)
    fill(ledger, "churn")
    tamper(ledger, change)
    found = ledger.overviews(["churn", "flights", "nobody"])

    assert list(found.faults) == ["flights"]
    assert "Last good event" in found.faults["flights"]
    assert found.told["churn"]["serving"]["version"] == "1"


def test_a_changed_overview_is_found_by_verify_and_mended_by_rebuild(ledger):
    fill(ledger)
    tamper(ledger, "UPDATE mlops_ledger_overview SET curves = '{}'")

    with pytest.raises(LedgerCorrupt, match="the overview of flights does not tell what its events do"):
        ledger.verify("flights")
    ledger.rebuild("flights")
    assert ledger.verify("flights") == 6
    assert of(ledger) == folded(ledger)


def test_a_restored_ledger_has_its_overviews(ledger, tmp_path):
    fill(ledger)
    copy = ledger.backup(tmp_path / "backup")
    ledger.append(
        "flights", "freeze", "loop", {"scope": "loop", "frozen": True, "by": "ada", "reason": "odd"}, at=MARCH
    )
    assert of(ledger)["paused"]["by"] == "ada"
    ledger.restore(copy, replace=True)

    assert of(ledger)["paused"] is None
    assert of(ledger) == folded(ledger)
    assert ledger.verify("flights") == 6


def test_a_backup_of_an_earlier_release_is_restored_with_overviews(tmp_path):
    old = fill(Ledger(f"sqlite:///{tmp_path}/old.db"))
    tamper(old, "DROP TABLE mlops_ledger_overview")
    tamper(old, "UPDATE mlops_ledger_schema SET schema_version = 2")
    new = Ledger(f"sqlite:///{tmp_path}/new.db")
    new.restore(tmp_path / "old.db")

    assert "mlops_ledger_overview" not in inspect(old._database.engine).get_table_names()
    with new._database.read() as connection:
        assert overviews.heads(connection, ["flights"])["flights"]["seq"] == 6
