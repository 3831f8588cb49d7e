"""Put a backup back: whole or not at all, and never over events that it does not hold, unless somebody says so."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text

from airflow_mlops.errors import LedgerCorrupt, RestoreRefused
from airflow_mlops.ledger import copies, verification
from airflow_mlops.ledger.backup import export_lines, write_backup
from airflow_mlops.ledger.reading import models
from airflow_mlops.ledger.tables import events_table, overview_table, state_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from airflow_mlops.ledger.database import Database


@dataclass(frozen=True, slots=True)
class Restored:
    """How many events each model has now, how many of them came from the backup, and where the old ones are kept."""

    events: dict[str, int]
    added: int
    kept: Path | None = None


def restore(database: Database, path: str | Path, *, replace: bool, now: datetime) -> Restored:
    """Check a backup whole, then put it into a ledger that is empty or holds a beginning of it.

    Parameters
    ----------
    database : Database
        Where to.
    path : path
        A file that a backup wrote: SQLite or JSON lines, whatever the database is.
    replace : bool
        Whether events that the backup does not hold may go; they are kept aside first.
    now : datetime
        Names the file kept aside.
    """
    source = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        staged = copies.stage(source, Path(folder))
        aside = _aside(database, source, now)
        try:
            return _put(database, staged, source, replace=replace, aside=aside)
        except LedgerCorrupt as error:
            if not replace or not database.is_sqlite:
                raise RestoreRefused(
                    f"the ledger at {database.place} cannot be read, so nobody can tell what a restore would lose: "
                    f"{error} With --replace its file is kept aside and the backup takes its place."
                ) from error
            return _swap_files(database, staged, aside)


def _aside(database: Database, source: Path, now: datetime) -> Path:
    near = Path(str(database.url.database)) if database.is_sqlite else source
    return near.with_name(f"{near.name}.replaced-{now:%Y%m%dT%H%M%S%fZ}")


# In one transaction


def _put(database: Database, staged: Database, source: Path, *, replace: bool, aside: Path) -> Restored:
    with database.write() as connection, staged.read() as copy:
        _keep_others_out(connection)
        lost = _lost(connection, copy)
        if lost and not replace:
            raise RestoreRefused(
                f"{source} was not restored: {sum(lost.values())} events of the ledger at {database.place} are not in "
                f"it ({', '.join(f'{count} of {model}' for model, count in lost.items())}). With --replace they are "
                "kept aside and the backup takes their place."
            )
        if lost:
            _keep(database, connection, aside)
            connection.execute(events_table.delete())
        added = _add_missing(connection, copy)
        counts = _counts(copy)
    return Restored(counts, added, aside if lost else None)


def _keep_others_out(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # The write lock is held. A damaged index would hide rows from the comparison.
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if found != "ok":
            raise LedgerCorrupt(f"{' '.join(str(found).split())}.")
        return
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    tables = ", ".join(table.name for table in (state_table, events_table, overview_table))
    connection.execute(text(f"LOCK TABLE {tables} IN EXCLUSIVE MODE"))


def _lost(connection: Connection, copy: Connection) -> dict[str, int]:
    """Count, by model, the events that the copy does not hold; those that a state row names but are gone count too."""
    states = _counts(connection)
    found = {}
    for model in models(connection):
        common = 0
        for ours, theirs in zip_longest(_rows(connection, model), _rows(copy, model)):
            if ours is None or ours != theirs:
                break
            common += 1
        held = select(func.count()).select_from(events_table).where(events_table.c.model == model)
        in_copy = _counts(copy).get(model, 0)
        here = connection.execute(held).scalar_one()
        stated = states.get(model, 0)
        gone = max(here - common, stated - in_copy if isinstance(stated, int) else 0)
        if gone > 0:
            found[model] = gone
    return found


def _rows(connection: Connection, model: str) -> Iterator[dict[str, Any]]:
    query = select(events_table).where(events_table.c.model == model).order_by(events_table.c.seq)
    found = connection.execute(query.execution_options(yield_per=copies.CHUNK)).mappings()
    try:
        yield from ({str(name): value for name, value in row.items()} for row in found)
    finally:
        found.close()


def _keep(database: Database, connection: Connection, aside: Path) -> None:
    """Copy what is there, while nobody can add to it."""
    if database.is_sqlite:
        write_backup(database, aside)
    else:
        export_lines(connection, aside)


def _add_missing(connection: Connection, copy: Connection) -> int:
    added = 0
    connection.execute(state_table.delete())
    for state in copy.execute(select(state_table)).mappings():
        model = state["model"]
        present = select(func.max(events_table.c.seq)).where(events_table.c.model == model)
        last = connection.execute(present).scalar() or 0
        missing = (row for row in _rows(copy, model) if row["seq"] > last)
        for rows in copies.batches(missing):
            connection.execute(events_table.insert(), rows)
            added += len(rows)
        connection.execute(state_table.insert().values(dict(state)))
    connection.execute(overview_table.delete())
    for overview in copy.execute(select(overview_table)).mappings():
        connection.execute(overview_table.insert().values(dict(overview)))
    return added


def _counts(connection: Connection) -> dict[str, int]:
    # Whole chains begin with event 1.
    states = connection.execute(select(state_table.c.model, state_table.c.seq))
    return {state.model: state.seq for state in states}


# In place of a file that cannot be read


def _swap_files(database: Database, staged: Database, aside: Path) -> Restored:
    """Put the copy where an unreadable file is; killed at any point, the path names the old file or the new one."""
    place = Path(str(database.url.database))
    beside = place.with_name(f"{place.name}.tmp")
    beside.unlink(missing_ok=True)
    write_backup(staged, beside)
    with closing(sqlite3.connect(beside)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    os.link(place, aside)
    # The old write-ahead log would be read as that of the new file.
    for name in ("-wal", "-shm"):
        log = place.with_name(place.name + name)
        if log.exists():
            log.replace(aside.with_name(aside.name + name))
    beside.replace(place)
    with staged.read() as copy:
        counts = _counts(copy)
    for model in counts:
        with database.read() as connection:
            verification.expect_whole_end(connection, model)
    return Restored(counts, sum(counts.values()), aside)
