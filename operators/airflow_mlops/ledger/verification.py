"""Check that the chain of a model is whole, and that the state row agrees with its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import GENESIS, chain_hash
from airflow_mlops.ledger.tables import events_table, state_table, to_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

_RESTORE = "Restore a backup of the ledger; nothing is written to this model until then."


def locked_state(connection: Connection, model: str) -> dict[str, Any]:
    """Lock and return a model's state row, made on the spot for a model without one."""
    table = state_table
    query = select(table).where(table.c.model == model).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        values = {"model": model, **_end_of_chain(connection, model)}
        connection.execute(_insert_if_absent(connection, values))
        row = connection.execute(query).mappings().one()
    return dict(row)


def _insert_if_absent(connection: Connection, values: Mapping[str, Any]) -> Any:
    # Two processes may see a new model at once; the second waits for the first's transaction and then does nothing.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(state_table).values(**values).on_conflict_do_nothing()


def _end_of_chain(connection: Connection, model: str) -> dict[str, Any]:
    table = events_table.c
    of_model = select(events_table).where(table.model == model).order_by(table.seq.desc()).limit(1)
    last = connection.execute(of_model).mappings().first()
    promotion = connection.execute(of_model.where(table.epoch.is_not(None))).mappings().first()
    return {
        "seq": to_event(last).seq if last else 0,
        "hash": last["hash"] if last else GENESIS,
        "epoch": promotion["epoch"] if promotion else 0,
        "champion": to_event(promotion).payload["version"] if promotion else None,
    }


def check_tail(connection: Connection, model: str, state: Mapping[Any, Any]) -> None:
    """Check that the last event is the one the state row names.

    Raises
    ------
    LedgerCorrupt
        The end of the chain is cut or changed.
    """
    end = _end_of_chain(connection, model)
    if (end["seq"], end["hash"]) != (state["seq"], state["hash"]):
        raise LedgerCorrupt(
            f"the ledger of {model} was cut: its state names event {state['seq']}, but the last event on record is "
            f"{end['seq']}{' with another hash' if end['seq'] == state['seq'] else ''}. "
            f"Last good event: {min(end['seq'], state['seq'])}. {_RESTORE}"
        )
    if (end["epoch"], end["champion"]) != (state["epoch"], state["champion"]):
        raise LedgerCorrupt(
            f"the state of {model} names version {state['champion']} at epoch {state['epoch']}, but its events say "
            f"version {end['champion']} at epoch {end['epoch']}. Run Ledger.rebuild if the events are right."
        )


def verify(connection: Connection, model: str) -> int:
    """Walk the chain, then check its end; return the number of events.

    Raises
    ------
    LedgerCorrupt
        An event was changed, one is missing, or the state row is missing or does not agree.
    """
    count = _walk(connection, model)
    state = connection.execute(select(state_table).where(state_table.c.model == model)).mappings().one_or_none()
    if state is not None:
        check_tail(connection, model, state)
    elif count:
        raise LedgerCorrupt(f"{model} has {count} good events but no state row; run Ledger.rebuild.")
    return count


def _walk(connection: Connection, model: str) -> int:
    rows = connection.execute(
        select(events_table).where(events_table.c.model == model).order_by(events_table.c.seq)
    ).mappings()
    good, previous = 0, GENESIS
    for row in rows:
        fault = _fault(row, good + 1, previous)
        if fault:
            raise LedgerCorrupt(f"the ledger of {model} is not whole: {fault}. Last good event: {good}. {_RESTORE}")
        good, previous = row["seq"], row["hash"]
    return good


def _fault(row: Mapping[Any, Any], expected_seq: int, previous: str) -> str | None:
    if row["seq"] != expected_seq:
        return f"event {expected_seq} is missing, {row['seq']} follows"
    if row["previous_hash"] != previous:
        return f"event {row['seq']} ({row['kind']} {row['key']}) does not follow the event before it"
    stored = {name: value for name, value in row.items() if name != "hash"}
    if chain_hash(**stored) != row["hash"]:
        return f"event {row['seq']} ({row['kind']} {row['key']}) was changed after it was written"
    return None


def rebuild(connection: Connection, model: str) -> None:
    """Write the state row anew from the events.

    Raises
    ------
    LedgerCorrupt
        The chain is broken.
    """
    _walk(connection, model)
    connection.execute(state_table.delete().where(state_table.c.model == model))
    locked_state(connection, model)
