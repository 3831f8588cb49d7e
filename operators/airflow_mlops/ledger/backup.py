"""A copy of the ledger while it is in use."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_mlops.ledger.tables import SCHEMA_VERSION, events_table, state_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from airflow_mlops.ledger.database import Database

# Rows of Postgres held in memory at once.
_CHUNK = 1000


def write_backup(database: Database, path: str | Path) -> Path:
    """Copy to ``path``, whole or not at all; return the path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(target.name + ".tmp")
    beside.unlink(missing_ok=True)
    with database.read() as connection:
        if database.is_sqlite:
            _copy_sqlite(connection, beside)
        else:
            export_lines(connection, beside)
    beside.replace(target)
    return target


def _copy_sqlite(connection: Connection, target: Path) -> None:
    # SQLite's online backup copies a consistent state, pages of the write-ahead log included.
    with closing(sqlite3.connect(target)) as copy:
        source = connection.connection.driver_connection
        source.backup(copy)  # type: ignore[union-attr]
        copy.execute("PRAGMA journal_mode=DELETE")


def export_lines(connection: Connection, target: Path) -> None:
    """Write one event a line, then a line that says where each chain ends: without it the file was cut."""
    ordered = select(events_table).order_by(events_table.c.model, events_table.c.seq)
    rows = connection.execute(ordered.execution_options(yield_per=_CHUNK)).mappings()
    with target.open("w", encoding="utf-8") as lines:
        for row in rows:
            lines.write(json.dumps({**row, "payload": _payload(row)}, sort_keys=True) + "\n")
        ends = connection.execute(select(state_table).order_by(state_table.c.model)).mappings()
        models = {row["model"]: {"seq": row["seq"], "hash": row["hash"]} for row in ends}
        lines.write(json.dumps({"schema_version": SCHEMA_VERSION, "models": models}, sort_keys=True) + "\n")


def _payload(row: Mapping[Any, Any]) -> Any:
    try:
        return json.loads(row["payload"])
    except ValueError:
        # Changed behind the ledger's back. A copy kept aside holds it as it is; a restore refuses it.
        return row["payload"]
