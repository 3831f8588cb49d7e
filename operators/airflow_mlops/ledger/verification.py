"""Check that the chain of a model is whole, and that state row and overview agree with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import CLOCK, GENESIS
from airflow_mlops.ledger import overviews
from airflow_mlops.ledger.tables import events_table, is_unchanged, state_table, to_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection

    from airflow_mlops.events import Event

# Clocks of several machines differ by less, and a time service sets a clock back by less. Within it an event takes the
# time of the one before, so that times of writing never go back.
CLOCK_TOLERANCE = timedelta(minutes=5)

# Rows held in memory at once; a chain may have a million.
CHUNK = 1000

_RESTORE = "Restore a backup of the ledger; nothing is written to this model until then."


# Where a chain ends


def locked_state(connection: Connection, model: str) -> dict[str, Any]:
    """Lock and return a model's state row; a model without one begins."""
    table = state_table
    query = select(table).where(table.c.model == model).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        connection.execute(_insert_if_absent(connection, {"model": model, **_GENESIS}))
        row = connection.execute(query).mappings().one()
    return dict(row)


_GENESIS = {"seq": 0, "hash": GENESIS, "epoch": 0, "champion": None}


def _insert_if_absent(connection: Connection, values: Mapping[str, Any]) -> Any:
    # Two processes may see a new model at once; the second waits for the first's transaction and then does nothing.
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    return insert(state_table).values(**values).on_conflict_do_nothing()


def end_of_chain(connection: Connection, model: str) -> dict[str, Any]:
    """Return the state row that a model's last event and last promotion ask for.

    Raises
    ------
    LedgerCorrupt
        One of the two was changed.
    """
    return _end(*_last(connection, model))


def _last(connection: Connection, model: str) -> tuple[Event | None, Event | None]:
    """Return the last event and the last promotion."""
    table = events_table.c
    of_model = select(events_table).where(table.model == model).limit(1)
    last = connection.execute(of_model.order_by(table.seq.desc())).mappings().first()
    promoted = of_model.where(table.epoch > 0).order_by(table.epoch.desc())
    promotion = connection.execute(promoted).mappings().first()
    return to_event(last) if last else None, to_event(promotion) if promotion else None


def _end(last: Event | None, promotion: Event | None) -> dict[str, Any]:
    end = dict(_GENESIS)
    if last is not None:
        end |= {"seq": last.seq, "hash": last.hash}
    if promotion is not None:
        end |= {"epoch": promotion.epoch, "champion": promotion.payload["version"]}
    return end


def expect_whole_end(connection: Connection, model: str) -> None:
    """Check, before something is read, that the chain ends where the state row says.

    Raises
    ------
    LedgerCorrupt
        It was cut, or the state row was lost or changed.
    """
    state = connection.execute(select(state_table).where(state_table.c.model == model)).mappings().one_or_none()
    check_tail(connection, model, state or _GENESIS)


def check_tail(connection: Connection, model: str, state: Mapping[Any, Any]) -> datetime | None:
    """Check that the last event is the one the state row names; return when it was written.

    Raises
    ------
    LedgerCorrupt
        The end of the chain is cut or changed, or the state row is lost or changed.
    """
    last, promotion = _last(connection, model)
    end = _end(last, promotion)
    if end["seq"] and not state["seq"]:
        raise LedgerCorrupt(
            f"{model} has {end['seq']} good events but no state row; run Ledger.rebuild if none is missing at the end. "
            f"Last good event: at most {end['seq']}."
        )
    if (end["seq"], end["hash"]) != (state["seq"], state["hash"]):
        raise LedgerCorrupt(
            f"the ledger of {model} was cut: its state names event {state['seq']}, but the last event on record is "
            f"{end['seq']}{' with another hash' if end['seq'] == state['seq'] else ''}. "
            f"Last good event: {_lower(end['seq'], state['seq'])}. {_RESTORE}"
        )
    if (end["epoch"], end["champion"]) != (state["epoch"], state["champion"]):
        raise LedgerCorrupt(
            f"the state of {model} names version {state['champion']} at epoch {state['epoch']}, but its events say "
            f"version {end['champion']} at epoch {end['epoch']}. Last good event: at most {end['seq']}. Run "
            "Ledger.rebuild if the events are right."
        )
    return last.recorded_at if last else None


def _lower(end: int, stated: Any) -> int:
    # SQLite keeps any type in any column.
    return min(end, stated) if isinstance(stated, int) else end


# The whole chain


def verify(connection: Connection, model: str) -> int:
    """Walk the chain, then check its end and what is kept beside it; return the number of events.

    Raises
    ------
    LedgerCorrupt
        An event was changed, one is missing, the time of writing goes back, the state row is missing or does not
        agree, the overview does not agree, or the database's file is damaged.
    """
    overview = overviews.Retold(connection, model)
    count = walk(connection, model, see=overview.see)
    expect_whole_end(connection, model)
    if not overview.is_right:
        raise LedgerCorrupt(
            f"the overview of {model} does not tell what its events do, so it was changed. Last good event: {count}. "
            "Run Ledger.rebuild."
        )
    _expect_whole_file(connection, model, count)
    return count


def walk(connection: Connection, model: str, *, see: Callable[[Mapping[Any, Any]], None] | None = None) -> int:
    """Check every event of a chain; return how many there are. ``see`` is shown the row of each that is good.

    Raises
    ------
    LedgerCorrupt
        One was changed or is missing, or a time of writing goes back; the sentence names the last good event.
    """
    good, previous, latest = 0, GENESIS, ""
    for row in _rows(connection, model):
        fault = row if isinstance(row, str) else _fault(row, good + 1, previous) or _clock_fault(row, latest)
        if isinstance(row, str) or fault:
            raise LedgerCorrupt(f"the ledger of {model} is not whole: {fault}. Last good event: {good}. {_RESTORE}")
        good, previous = row["seq"], row["hash"]
        latest = row["recorded_at"] if row["kind"] == CLOCK else max(latest, row["recorded_at"])
        if see is not None:
            see(row)
    return good


def _rows(connection: Connection, model: str) -> Iterator[Mapping[Any, Any] | str]:
    """Yield the rows of a chain in order, and at the end what the database says where it cannot read on."""
    read = 0
    query = select(events_table).where(events_table.c.model == model).order_by(events_table.c.seq)
    # Where a chunk cannot be read whole, SQLite reads its rows one by one up to the one that cannot; Postgres has
    # ended the transaction by then.
    for chunk in (CHUNK, 1) if connection.dialect.name == "sqlite" else (CHUNK,):
        try:
            found = connection.execute(query.offset(read).execution_options(yield_per=chunk)).mappings()
            for row in found:
                read += 1
                yield row
        except DatabaseError as error:
            fault = f"the database cannot read on: {str(error.orig).strip()}"
        else:
            return
    yield fault


def _fault(row: Mapping[Any, Any], expected_seq: int, previous: str) -> str | None:
    if row["seq"] != expected_seq:
        return f"event {expected_seq} is missing, {row['seq']} follows"
    if row["previous_hash"] != previous:
        return f"event {row['seq']} ({row['kind']} {row['key']}) does not follow the event before it"
    if not is_unchanged(row):
        return f"event {row['seq']} ({row['kind']} {row['key']}) was changed after it was written"
    return None


def _clock_fault(row: Mapping[Any, Any], latest: str) -> str | None:
    """Say where a time of writing is before an earlier one and nobody accepted the clock."""
    if not latest or row["kind"] == CLOCK or row["recorded_at"] >= latest:
        return None
    back = datetime.fromisoformat(latest) - datetime.fromisoformat(row["recorded_at"])
    if back <= CLOCK_TOLERANCE:
        return None
    return f"event {row['seq']} ({row['kind']} {row['key']}) was recorded {back} before an earlier one"


def _expect_whole_file(connection: Connection, model: str, good: int) -> None:
    """Let SQLite check its pages and indexes: a copy made while somebody wrote may hold pages of two moments."""
    if connection.dialect.name != "sqlite":
        return
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    if found != "ok":
        raise LedgerCorrupt(
            f"the file of the ledger of {model} is damaged: {' '.join(str(found).split())}. Last good event: {good}. "
            f"{_RESTORE}"
        )


def rebuild(connection: Connection, model: str) -> None:
    """Write the state row and the overview anew from the events.

    Raises
    ------
    LedgerCorrupt
        The chain is broken.
    """
    walk(connection, model)
    connection.execute(state_table.delete().where(state_table.c.model == model))
    connection.execute(state_table.insert().values(model=model, **end_of_chain(connection, model)))
    overviews.rebuild(connection, model)
