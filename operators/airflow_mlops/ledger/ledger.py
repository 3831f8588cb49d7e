"""Append, promote, read, verify, back up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, tuple_

from airflow_mlops.errors import LedgerMisuse, PromotionConflict, PromotionFrozen
from airflow_mlops.events import (
    BACK,
    FREEZE,
    PROMOTION,
    REGISTER,
    ROLE,
    Event,
    ModelState,
    chain_hash,
    encode_payload,
    fold,
    utc_text,
)
from airflow_mlops.ledger import verification
from airflow_mlops.ledger.backup import write_backup
from airflow_mlops.ledger.database import Database
from airflow_mlops.ledger.tables import events_table, state_table, to_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import URL, ColumnElement, Connection


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Fact:
    """An event still to be recorded."""

    kind: str
    key: str
    payload: Mapping[str, Any]


class Ledger:
    """The events of all models in one database.

    Safe for any number of processes at once: writers of one model queue up, and none sees half of another's work.

    Parameters
    ----------
    url : str or URL
        ``sqlite:////path/ledger.db``, or a Postgres URL. Tables are made on first use.
    clock : callable, default=now in UTC
        Gives the time an event is recorded at.

    Raises
    ------
    LedgerMisuse
        The URL is not one of a SQLite file or of Postgres, or the database's driver is not installed.
    """

    def __init__(self, url: str | URL, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._database = Database(url)
        self._clock = clock

    def __repr__(self) -> str:
        """Name the place without password."""
        return f"Ledger({self._database.place!r})"

    @property
    def is_missing(self) -> bool:
        """Whether this is a SQLite file that is not there yet; the first use makes it."""
        return self._database.is_missing

    # Writing

    def append(
        self, model: str, kind: str, key: str, payload: Mapping[str, Any], *, at: datetime, run: str | None = None
    ) -> Event:
        """Record a fact once.

        Parameters
        ----------
        model, kind, key : str
            Together they name the fact: where it is on record already, that first event comes back unchanged.
        payload : mapping
            JSON facts, never a password.
        at : datetime
            Event time, with a zone.
        run : str, optional
            Who records it.

        Raises
        ------
        LedgerMisuse
            A promotion is appended by hand, ``at`` has no zone, or the payload is not JSON.
        LedgerUnavailable
            The database did not answer; nothing was recorded.
        LedgerCorrupt
            The model's last event is gone or changed; nothing was recorded.
        """
        if kind == PROMOTION:
            raise LedgerMisuse("a promotion is not appended, it is compared and swapped; call Ledger.promote.")
        with self._database.write() as connection:
            tail = _lock(connection, model)
            return _find(connection, model, kind, key) or self._insert(
                connection, tail, model=model, kind=kind, key=key, payload=payload, at=at, run=run
            )

    def promote(
        self,
        model: str,
        version: str,
        *,
        expected_epoch: int,
        payload: Mapping[str, Any],
        at: datetime,
        run: str | None = None,
        beside: Sequence[Fact] = (),
    ) -> Event:
        """Make a version champion if nobody has moved the champion since it was judged.

        Parameters
        ----------
        model, version : str
            Which version shall serve.
        expected_epoch : int
            Epoch it was judged against; 0 before the first promotion.
        payload : mapping
            What the promotion is based on: ``model``, ``evaluation``.
        at : datetime
            Event time, with a zone.
        run : str, optional
            Who promotes.
        beside : sequence of Fact
            Recorded right after it, in the same transaction: that what it replaces is frozen, for instance.

        Returns
        -------
        Event
            The promotion, with its epoch. The same version promoted from the same epoch before gives that first event,
            also when the champion has moved on since: a run retried late must not promote again.

        Raises
        ------
        PromotionConflict
            The ledger is at another epoch.
        PromotionFrozen
            The version is frozen, or every promotion of the model is and this one does not go back.
        LedgerUnavailable
            The database did not answer; nothing was promoted.
        LedgerCorrupt
            The model's last event is gone or changed; nothing was promoted.
        """
        key = f"{version}@{expected_epoch}"
        with self._database.write() as connection:
            tail = _lock(connection, model)
            if first := _find(connection, model, PROMOTION, key):
                return first
            if tail["epoch"] != expected_epoch:
                raise PromotionConflict(
                    model=model, version=version, expected_epoch=expected_epoch, epoch=tail["epoch"]
                )
            _refuse_frozen(connection, model, version, cause=payload.get("cause"))
            event = self._insert(
                connection,
                tail,
                model=model,
                kind=PROMOTION,
                key=key,
                payload={**payload, "version": version},
                at=at,
                run=run,
                epoch=expected_epoch + 1,
            )
            last = event
            for fact in beside:
                after = {"seq": last.seq, "hash": last.hash}
                facts: dict[str, Any] = {"kind": fact.kind, "key": fact.key, "payload": fact.payload}
                last = self._insert(connection, after, model=model, at=at, run=run, **facts)
            return event

    def _insert(
        self, connection: Connection, tail: Mapping[str, Any], *, payload: Mapping[str, Any], at: datetime, **facts: Any
    ) -> Event:
        stored = {
            "epoch": None,
            **facts,
            "seq": tail["seq"] + 1,
            "at": utc_text(at),
            "recorded_at": utc_text(self._clock()),
            "payload": encode_payload(payload),
            "previous_hash": tail["hash"],
        }
        stored["hash"] = chain_hash(**stored)
        event = to_event(stored)
        connection.execute(events_table.insert().values(stored))
        moved = {} if event.epoch is None else {"epoch": event.epoch, "champion": event.payload["version"]}
        connection.execute(
            state_table.update()
            .where(state_table.c.model == event.model)
            .values(seq=event.seq, hash=event.hash, **moved)
        )
        return event

    # Reading

    def find(self, model: str, kind: str, key: str) -> Event | None:
        """Return the event of a fact, or None."""
        with self._database.read() as connection:
            return _find(connection, model, kind, key)

    def events(self, model: str, *, kind: str | None = None, as_of: datetime | None = None) -> list[Event]:
        """List a model's events in the order they were recorded.

        Parameters
        ----------
        model : str
            Whose events.
        kind : str, optional
            Only this kind.
        as_of : datetime, optional
            Only events whose event time is not later.
        """
        wanted = [events_table.c.model == model, *_not_after(as_of)]
        if kind is not None:
            wanted.append(events_table.c.kind == kind)
        with self._database.read() as connection:
            return _select(connection, *wanted)

    def state(self, model: str, *, as_of: datetime | None = None) -> ModelState:
        """Give where a model stands, or stood at a moment of event time.

        Only the events that matter are read: registrations, promotions, freezes, roles, and the last one of each kind.
        """
        wanted = [events_table.c.model == model, *_not_after(as_of)]
        last = (
            select(events_table.c.model, func.max(events_table.c.seq))
            .where(*wanted)
            .group_by(events_table.c.model, events_table.c.kind)
        )
        matters = or_(
            events_table.c.kind.in_((REGISTER, PROMOTION, FREEZE, ROLE)),
            tuple_(events_table.c.model, events_table.c.seq).in_(last),
        )
        with self._database.read() as connection:
            return fold(_select(connection, *wanted, matters), model=model)

    def position(self, model: str) -> int:
        """Return the number of a model's last event, 0 before the first; who follows a ledger looks here first."""
        with self._database.read() as connection:
            seq = connection.execute(select(state_table.c.seq).where(state_table.c.model == model)).scalar()
        return seq or 0

    def models(self) -> list[str]:
        """List the models with at least one event, by name."""
        with self._database.read() as connection:
            return list(connection.scalars(select(events_table.c.model).distinct().order_by(events_table.c.model)))

    # Care

    def verify(self, model: str) -> int:
        """Check the whole chain of a model's events and its end; return how many events are good.

        Raises
        ------
        LedgerCorrupt
            An event was changed, one is missing in the middle or at the end, or the state row does not agree; the
            sentence names the last good event.
        """
        with self._database.read() as connection:
            return verification.verify(connection, model)

    def rebuild(self, model: str) -> ModelState:
        """Write a model's state row anew from its events, and return the state.

        Raises
        ------
        LedgerCorrupt
            The chain of events is broken; the row is left as it is.
        """
        with self._database.write() as connection:
            verification.rebuild(connection, model)
            return fold(_select(connection, events_table.c.model == model), model=model)

    def backup(self, path: str | Path) -> Path:
        """Copy the ledger while it is in use; an existing file is replaced as a whole.

        SQLite gives a SQLite file that is a ledger itself. Postgres gives JSON lines, one event a line in order; for a
        backup that can be restored at once use the database's own tools.
        """
        return write_backup(self._database, path)


def _refuse_frozen(connection: Connection, model: str, version: str, *, cause: str | None) -> None:
    """Refuse in the transaction of the promotion, so that no freeze comes between."""
    table = events_table.c
    freezes = _select(connection, table.model == model, table.kind == FREEZE)
    held: dict[str, Event] = {}
    for event in freezes:
        subject = f"version {event.payload['version']}" if event.payload["scope"] == "version" else "promotions"
        if event.payload["scope"] != "loop":
            held[subject] = event
    for subject in (f"version {version}", *(() if cause in BACK else ("promotions",))):
        found = held.get(subject)
        if found is not None and found.payload["frozen"]:
            raise PromotionFrozen(
                model=model,
                version=version,
                subject=subject,
                by=found.payload["by"],
                reason=found.payload["reason"],
                since=found.at,
            )


def _lock(connection: Connection, model: str) -> dict[str, Any]:
    """Keep other writers of this model out until the transaction ends; return where its chain ends."""
    tail = verification.locked_state(connection, model)
    verification.check_tail(connection, model, tail)
    return tail


def _find(connection: Connection, model: str, kind: str, key: str) -> Event | None:
    table = events_table.c
    found = _select(connection, table.model == model, table.kind == kind, table.key == key)
    return found[0] if found else None


def _select(connection: Connection, *wanted: ColumnElement[bool]) -> list[Event]:
    rows = connection.execute(select(events_table).where(*wanted).order_by(events_table.c.seq)).mappings()
    return [to_event(row) for row in rows]


def _not_after(as_of: datetime | None) -> list[ColumnElement[bool]]:
    return [] if as_of is None else [events_table.c.at <= utc_text(as_of)]
