"""A copy of the ledger while it is in use."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from airflow_mlops.ledger.tables import events_table, to_event

if TYPE_CHECKING:
    from airflow_mlops.ledger.database import Database


def write_backup(database: Database, path: str | Path) -> Path:
    """Copy to ``path``, whole or not at all; return the path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".tmp")
    beside.unlink(missing_ok=True)
    if database.is_sqlite:
        _copy_sqlite(database, beside)
    else:
        _export_lines(database, beside)
    beside.replace(target)
    return target


def _copy_sqlite(database: Database, target: Path) -> None:
    # SQLite's online backup copies a consistent state, pages of the write-ahead log included.
    with database.read() as connection, closing(sqlite3.connect(target)) as copy:
        source = connection.connection.driver_connection
        source.backup(copy)  # type: ignore[union-attr]
        copy.execute("PRAGMA journal_mode=DELETE")


def _export_lines(database: Database, target: Path) -> None:
    ordered = select(events_table).order_by(events_table.c.model, events_table.c.seq)
    with database.read() as connection, target.open("w", encoding="utf-8") as lines:
        for row in connection.execute(ordered).mappings():
            lines.write(json.dumps(to_event(row).to_dict(), sort_keys=True) + "\n")
