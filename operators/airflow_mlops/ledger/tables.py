"""Tables of the ledger, and their rows as events.

Times are ISO text in UTC and payloads are JSON text, so that both databases give back the very characters that were
hashed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import Event, chain_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

# 2: the index by event time, without which a look into the past walks over all events of a kind. 3: the overviews.
SCHEMA_VERSION = 3

metadata = MetaData()

schema_table = Table(
    "mlops_ledger_schema",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
)

events_table = Table(
    "mlops_ledger_events",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("key", Text, nullable=False),
    Column("at", String(40), nullable=False),
    Column("recorded_at", String(40), nullable=False),
    Column("run", Text),
    Column("epoch", BigInteger),
    Column("payload", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("model", "kind", "key", name="uq_mlops_ledger_fact"),
    UniqueConstraint("model", "epoch", name="uq_mlops_ledger_epoch"),
    Index("ix_mlops_ledger_kind_seq", "model", "kind", "seq"),
)

event_time_index = Index("ix_mlops_ledger_kind_at", *(events_table.c[name] for name in ("model", "kind", "at", "seq")))

# One row a model: where its chain ends and which version serves. Written with each event, rebuildable from the events.
state_table = Table(
    "mlops_ledger_state",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("champion", Text),
    Column("hash", String(64), nullable=False),
)


# One row a model: what is told of it in a list of models, and the curves beside it. As the state it is written with
# each event and can be made anew; ``form`` is that of the fold which made it.
overview_table = Table(
    "mlops_ledger_overview",
    metadata,
    Column("model", String(200), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("form", Integer, nullable=False),
    Column("overview", Text, nullable=False),
    Column("curves", Text, nullable=False),
)


def to_event(row: Mapping[Any, Any]) -> Event:
    """Read a row as an event.

    Raises
    ------
    LedgerCorrupt
        The row is not what was hashed when it was written.
    """
    if not is_unchanged(row):
        before = row["seq"] - 1 if isinstance(row["seq"], int) else 0
        raise LedgerCorrupt(
            f"event {row['seq']} of {row['model']} ({row['kind']} {row['key']}) was changed after it was written: its "
            f"hash does not match. Last good event: at most {before}. Restore a backup of the ledger."
        )
    return good_event(row)


def good_event(row: Mapping[Any, Any]) -> Event:
    """Read a row that was found unchanged."""
    times = {name: datetime.fromisoformat(row[name]) for name in ("at", "recorded_at")}
    stored = {name: row[name] for name in Event.__dataclass_fields__}
    return Event(**{**stored, **times, "payload": json.loads(row["payload"])})


def is_unchanged(row: Mapping[Any, Any]) -> bool:
    """Whether a row still has the hash of its fields."""
    stored = {name: row[name] for name in Event.__dataclass_fields__ if name != "hash"}
    try:
        return chain_hash(**stored) == row["hash"]
    except TypeError:
        # SQLite keeps any type in any column, also bytes, which no event ever held.
        return False
