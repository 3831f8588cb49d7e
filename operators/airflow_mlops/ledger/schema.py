"""The ledger's tables: made once, and brought up from an earlier release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, text

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.ledger.tables import (
    SCHEMA_VERSION,
    event_time_index,
    events_table,
    metadata,
    overview_table,
    schema_table,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Any number will do if every ledger takes the same one: it keeps two processes from making the tables at once.
_LOCK = 7_305_081_913

_RESTORE = "Last good event: none that can be told. Restore a backup of the ledger."


def version_of(connection: Connection) -> int | None:
    """Return the version of the schema; None where there is no ledger yet.

    Raises
    ------
    LedgerCorrupt
        What stands there is no version.
    """
    tables = inspect(connection).get_table_names()
    if schema_table.name not in tables:
        _expect_nothing(connection, tables)
        return None
    found = connection.execute(select(schema_table.c.schema_version)).scalar()
    if found is not None and not isinstance(found, int):
        raise LedgerCorrupt(f"the ledger names {found!r} as the version of its tables. {_RESTORE}")
    return found


def _expect_nothing(connection: Connection, tables: list[str]) -> None:
    """Refuse to begin a new ledger on the remains of one."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar() if connection.dialect.name == "sqlite" else 0
    if events_table.name in tables or (not tables and (pages or 0) > 1):
        raise LedgerCorrupt(f"the ledger lost the table that names its version, so it was cut or changed. {_RESTORE}")


def bring_up(connection: Connection) -> int:
    """Make the tables, or add what an earlier release did not have; return the version they have then.

    To be called in a writing transaction, which makes it all or nothing: both databases roll back definitions too.
    Whoever comes second finds the work done.
    """
    if connection.dialect.name == "postgresql":
        # An index over many events takes longer than a statement of the ledger may.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    version = version_of(connection)
    if version is None:
        metadata.create_all(connection)
        connection.execute(schema_table.insert().values(id=1, schema_version=SCHEMA_VERSION))
        return SCHEMA_VERSION
    if version < SCHEMA_VERSION:
        event_time_index.create(connection, checkfirst=True)
        # It stays empty: whoever writes or lists a model next reads its past, in steps.
        overview_table.create(connection, checkfirst=True)
        connection.execute(schema_table.update().values(schema_version=SCHEMA_VERSION))
        return SCHEMA_VERSION
    return version
