"""A backup put back: whole or not at all, either form into either database, never over what it does not hold."""

from __future__ import annotations

import os
import signal
import time

import pytest
from sqlalchemy import event

from airflow_mlops.errors import LedgerMisuse, RestoreRefused
from airflow_mlops.ledger import Ledger
from tests.ledger.places import MARCH, fork, tamper


def fill(ledger, count=3):
    for number in range(count):
        ledger.append("flights", "signals", f"s{number}", {"loss": 0.1 * number, "text": "é"}, at=MARCH)
    ledger.promote("flights", "1", expected_epoch=0, payload={"cause": "retrain"}, at=MARCH)
    ledger.append("trains", "signals", "s0", {}, at=MARCH)
    return ledger


@pytest.fixture(params=["sqlite", "lines"])
def backup(request, tmp_path):
    """A backup of each form: four events of flights and one of trains."""
    if request.param == "sqlite":
        return fill(Ledger(f"sqlite:///{tmp_path}/origin.db")).backup(tmp_path / "backup")
    from airflow_mlops.ledger.backup import export_lines

    origin = fill(Ledger(f"sqlite:///{tmp_path}/origin.db"))
    with origin._database.read() as connection:
        export_lines(connection, tmp_path / "backup")
    return tmp_path / "backup"


def test_either_form_comes_back_in_either_database(backup, ledger, tmp_path):
    restored = ledger.restore(backup)

    assert (restored.events, restored.added, restored.kept) == ({"flights": 4, "trains": 1}, 5, None)
    assert ledger.events("flights") == Ledger(f"sqlite:///{tmp_path}/origin.db").events("flights")
    assert (ledger.verify("flights"), ledger.state("flights").champion.version) == (4, "1")
    assert ledger.append("flights", "signals", "next", {}, at=MARCH).seq == 5


def test_a_ledger_that_holds_a_beginning_gets_the_rest(backup, ledger):
    ledger.restore(backup)
    tamper(ledger, "DELETE FROM mlops_ledger_events WHERE seq > 2")

    assert ledger.restore(backup).added == 2
    assert ledger.restore(backup).added == 0
    assert ledger.verify("flights") == 4


def test_events_that_the_backup_does_not_hold_are_kept_from_it(backup, ledger):
    ledger.restore(backup)
    ledger.append("flights", "signals", "later", {}, at=MARCH)
    ledger.append("planes", "signals", "other", {}, at=MARCH)

    with pytest.raises(RestoreRefused, match=r"2 events of the ledger .* are not in it \(1 of flights, 1 of planes\)"):
        ledger.restore(backup)

    assert (ledger.verify("flights"), ledger.verify("planes")) == (5, 1)


def test_what_is_replaced_is_kept_and_can_be_restored_itself(backup, ledger, tmp_path):
    ledger.restore(backup)
    ledger.append("flights", "signals", "later", {}, at=MARCH)

    restored = ledger.restore(backup, replace=True)

    assert (ledger.verify("flights"), restored.added) == (4, 5)
    other = Ledger(f"sqlite:///{tmp_path}/other.db")
    assert other.restore(restored.kept).events == {"flights": 5, "trains": 1}


def test_a_cut_tail_is_not_taken_for_a_beginning(backup, ledger):
    ledger.restore(backup)
    ledger.append("flights", "signals", "later", {}, at=MARCH)
    tamper(ledger, "DELETE FROM mlops_ledger_events WHERE seq > 2")

    with pytest.raises(RestoreRefused, match=r"\(1 of flights\)"):
        ledger.restore(backup)


def test_a_backup_cut_at_any_place_is_refused(backup, ledger):
    content = backup.read_bytes()
    for size in (0, 10, len(content) // 3, len(content) - 2000, len(content) - 150, len(content) - 2):
        backup.write_bytes(content[: max(size, 0)])

        with pytest.raises(RestoreRefused):
            ledger.restore(backup)

    assert ledger.models() == []


def test_a_changed_line_is_refused_with_the_last_good_event(ledger, tmp_path):
    from airflow_mlops.ledger.backup import export_lines

    path = tmp_path / "lines"
    with fill(Ledger(f"sqlite:///{tmp_path}/origin.db"))._database.read() as connection:
        export_lines(connection, path)
    path.write_text(path.read_text().replace('"loss": 0.2', '"loss": 0.3'))

    with pytest.raises(RestoreRefused, match=r"line 3 was changed: .* Last good event: 2 of flights"):
        ledger.restore(path)


def test_a_database_that_is_no_ledger_is_not_restored(ledger, tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE orders (id)")

    with pytest.raises(RestoreRefused, match=r"shop\.db is a SQLite file but no ledger"):
        ledger.restore(tmp_path / "shop.db")


def test_a_backup_of_a_newer_release_is_refused(tmp_path, ledger):
    newer = fill(Ledger(f"sqlite:///{tmp_path}/origin.db"))
    tamper(newer, "UPDATE mlops_ledger_schema SET schema_version = 99")

    with pytest.raises(LedgerMisuse, match="written by a newer release"):
        ledger.restore(tmp_path / "origin.db")


def test_a_file_that_cannot_be_read_makes_room_when_told_to(backup, tmp_path):
    path = tmp_path / "ledger.db"
    fill(Ledger(f"sqlite:///{path}"))
    with path.open("r+b") as file:
        file.write(b"no database" * 50)
    ledger = Ledger(f"sqlite:///{path}")

    with pytest.raises(RestoreRefused, match="cannot be read, so nobody can tell what a restore would lose"):
        ledger.restore(backup)
    restored = ledger.restore(backup, replace=True)

    assert (Ledger(f"sqlite:///{path}").verify("flights"), restored.kept.read_bytes()[:11]) == (4, b"no database")


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM mlops_ledger_events", "INSERT INTO mlops_ledger_events", "INSERT INTO mlops_ledger_state", "commit"],
)
def test_killed_half_way_it_leaves_the_old_or_the_new(backup, url, statement):
    ledger = Ledger(url)
    ledger.restore(backup)
    ledger.append("flights", "signals", "later", {}, at=MARCH)

    def die():
        own = Ledger(url)

        @event.listens_for(own._database.engine, "after_cursor_execute")
        def kill(_connection, _cursor, executed, *_):
            if executed.startswith(statement):
                os.kill(os.getpid(), signal.SIGKILL)

        @event.listens_for(own._database.engine, "commit")
        def kill_before_commit(_connection):
            if statement == "commit":
                os.kill(os.getpid(), signal.SIGKILL)

        own.restore(backup, replace=True)

    process = fork.Process(target=die)
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert ledger.verify("flights") == 5
    ledger.restore(backup, replace=True)
    assert ledger.verify("flights") == 4


def test_a_backup_made_while_others_write_is_whole(url, tmp_path):
    ledger = fill(Ledger(url))
    writers = [fork.Process(target=_write_for_good, args=(url, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        copies = []
        for number in range(4):
            time.sleep(0.05)
            copies.append(ledger.backup(tmp_path / f"copy{number}"))
    finally:
        for writer in writers:
            writer.kill()
            writer.join()

    counts = [
        Ledger(f"sqlite:///{tmp_path}/restored{number}.db").restore(copy).events["flights"]
        for number, copy in enumerate(copies)
    ]
    assert counts == sorted(counts)
    assert counts[-1] <= ledger.verify("flights")


def _write_for_good(url, writer):
    ledger, number = Ledger(url), 0
    while True:
        number += 1
        ledger.append("flights", "signals", f"{writer}-{number}", {"text": "x" * 300}, at=MARCH)
