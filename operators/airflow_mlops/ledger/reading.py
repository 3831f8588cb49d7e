"""Questions to the table of events: each is answered by an index, never by a walk over all events."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import APPROVAL, FREEZE, PROMOTION, REGISTER, REQUEST, ROLE, Event, utc_text, version_of
from airflow_mlops.ledger.tables import events_table, state_table, to_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

# What the fold needs whole; of every other kind it keeps the last one.
FOLDED = (REGISTER, PROMOTION, FREEZE, ROLE)
# What a model's history is told from.
TOLD = (PROMOTION, APPROVAL, REQUEST, FREEZE, ROLE)

_EVENTS = events_table.c


def select_events(connection: Connection, *wanted: ColumnElement[bool]) -> list[Event]:
    """List events in the order they were recorded."""
    rows = connection.execute(select(events_table).where(*wanted).order_by(_EVENTS.seq)).mappings()
    return [to_event(row) for row in rows]


def find(connection: Connection, model: str, kind: str, key: str) -> Event | None:
    """Return the event of a fact, or None."""
    found = select_events(connection, _EVENTS.model == model, _EVENTS.kind == kind, _EVENTS.key == key)
    return found[0] if found else None


def not_after(as_of: datetime | None, *, recorded: bool = False) -> list[ColumnElement[bool]]:
    """Return the condition that keeps what had happened, or was on record, at a moment."""
    column = _EVENTS.recorded_at if recorded else _EVENTS.at
    return [] if as_of is None else [column <= utc_text(as_of)]


def of_kinds(connection: Connection, model: str, kinds: Sequence[str], *wanted: ColumnElement[bool]) -> list[Event]:
    """List a model's events of some kinds in the order they were recorded.

    Raises
    ------
    LedgerCorrupt
        A promotion is missing between two others, or an event was changed.
    """
    # One question a kind: a list of kinds would make SQLite sort, and Postgres read far more than it needs.
    found = [event for kind in kinds for event in select_events(connection, *_kind(model, kind), *wanted)]
    return sorted(found, key=lambda event: event.seq)


def expect_every_epoch(events: Sequence[Event], model: str) -> None:
    """Check that no promotion is missing.

    Raises
    ------
    LedgerCorrupt
        Epochs do not count up one by one.
    """
    good = 0
    promotions = [event for event in events if event.kind == PROMOTION]
    for expected, event in enumerate(promotions, start=1):
        if event.epoch != expected:
            raise LedgerCorrupt(
                f"the ledger of {model} is not whole: the promotion of epoch {expected} is missing, event {event.seq} "
                f"is that of epoch {event.epoch}. Last good event: at most {event.seq - 1}, surely {good}. Restore a "
                "backup of the ledger."
            )
        good = event.seq


def last_of_each_kind(connection: Connection, model: str, as_of: datetime | None) -> list[Event]:
    """Return the last event of each kind.

    Of the past it is the latest by event time, and of two at the same time the one recorded later; of now it is the one
    recorded last.
    """
    newest = (_EVENTS.seq.desc(),) if as_of is None else (_EVENTS.at.desc(), _EVENTS.seq.desc())
    found = []
    for kind in _kinds(connection, model):
        query = select(events_table).where(*_kind(model, kind), *not_after(as_of)).order_by(*newest).limit(1)
        found += [to_event(row) for row in connection.execute(query).mappings()]
    return found


def newest(
    connection: Connection, model: str, *, kinds: Sequence[str] = (), before: int | None = None, limit: int
) -> list[Event]:
    """List a model's last events, the last one first.

    Parameters
    ----------
    connection : Connection
        To the ledger.
    model : str
        Whose events.
    kinds : sequence of str, default=()
        Only these kinds; none named means all.
    before : int, optional
        Only events with a smaller number: that of the last event of the page before.
    limit : int
        At most so many.
    """
    earlier = [] if before is None else [_EVENTS.seq < before]
    # One question a kind, for the reason that `of_kinds` gives.
    wanted: list[tuple[ColumnElement[bool], ...]] = [_kind(model, kind) for kind in dict.fromkeys(kinds)]
    found: list[Event] = []
    for conditions in wanted or [(_EVENTS.model == model,)]:
        query = select(events_table).where(*conditions, *earlier).order_by(_EVENTS.seq.desc()).limit(limit)
        found += [to_event(row) for row in connection.execute(query).mappings()]
    return sorted(found, key=lambda event: event.seq, reverse=True)[:limit]


def moments(
    connection: Connection, model: str, kind: str, *, start: datetime | None = None, end: datetime | None = None
) -> list[tuple[datetime, int]]:
    """List event time and number of a model's events of a kind in the order of time; the index alone answers this.

    Parameters
    ----------
    connection : Connection
        To the ledger.
    model, kind : str
        Whose events, and of which kind.
    start, end : datetime, optional
        Event time; both belong to it.
    """
    wanted = (*_kind(model, kind), *not_before(start), *not_after(end))
    rows = connection.execute(select(_EVENTS.at, _EVENTS.seq).where(*wanted).order_by(_EVENTS.at, _EVENTS.seq))
    return [(datetime.fromisoformat(at), seq) for at, seq in rows]


def not_before(start: datetime | None) -> list[ColumnElement[bool]]:
    """Return the condition that keeps what happened at a moment or later."""
    return [] if start is None else [_EVENTS.at >= utc_text(start)]


def numbered(connection: Connection, model: str, numbers: Sequence[int]) -> list[Event]:
    """List a model's events of some numbers, in the order they were recorded."""
    return select_events(connection, _EVENTS.model == model, _EVENTS.seq.in_(numbers))


def keyed(connection: Connection, model: str, kind: str, prefix: str) -> list[Event]:
    """List the events of a kind whose keys begin alike, in the order they were recorded."""
    return select_events(connection, *_kind(model, kind), _EVENTS.key.startswith(prefix, autoescape=True))


def next_of(connection: Connection, model: str, kind: str, *, after: int) -> Event | None:
    """Return the first event of a kind that was recorded after the one of a number, or None."""
    query = select(events_table).where(*_kind(model, kind), _EVENTS.seq > after).order_by(_EVENTS.seq).limit(1)
    row = connection.execute(query).mappings().first()
    return to_event(row) if row else None


def promotion_at(connection: Connection, model: str, at: datetime | None, *, recorded: bool = False) -> Event | None:
    """Return the promotion of the largest epoch that had happened, or was on record, at a moment.

    Raises
    ------
    LedgerCorrupt
        A promotion is missing, so that another one would be named; or the one found was changed.
    """
    counted = select(func.count(), func.max(_EVENTS.epoch)).where(_EVENTS.model == model, _EVENTS.epoch > 0)
    count, newest = connection.execute(counted).one()
    if count != (newest or 0):
        expect_every_epoch(of_kinds(connection, model, (PROMOTION,)), model)
    served = select(events_table).where(_EVENTS.model == model, _EVENTS.epoch > 0, *not_after(at, recorded=recorded))
    row = connection.execute(served.order_by(_EVENTS.epoch.desc()).limit(1)).mappings().first()
    return to_event(row) if row else None


def told_beside(connection: Connection, promotion: Event) -> list[Event]:
    """List what a promotion's stretch is told from beside it: the request of its run, answers, the next promotion."""
    model, version = promotion.model, version_of(promotion.payload)
    asked = (*_kind(model, REQUEST), _EVENTS.run == promotion.run)
    answered = _EVENTS.key.startswith(f"{version}:", autoescape=True)
    following = (_EVENTS.model == model, _EVENTS.epoch == (promotion.epoch or 0) + 1)
    wanted = (asked, (*_kind(model, APPROVAL), answered), following)
    return [event for conditions in wanted for event in select_events(connection, *conditions)]


def models(connection: Connection) -> list[str]:
    """List the models with at least one event, by name; one whose events are all gone is known by its state.

    Raises
    ------
    LedgerCorrupt
        One of the names is no text.
    """
    stated = connection.scalars(select(state_table.c.model).where(state_table.c.seq > 0))
    found = {*_steps(connection, _EVENTS.model), *stated}
    if strange := [name for name in found if not isinstance(name, str)]:
        raise LedgerCorrupt(
            f"an event or a state is of a model named {strange[0]!r}, which no model ever was: it was changed. Last "
            "good event: ask ledger verify for each model by its name. Restore a backup of the ledger."
        )
    return sorted(found)


def _kinds(connection: Connection, model: str) -> list[str]:
    return _steps(connection, _EVENTS.kind, _EVENTS.model == model)


def _steps(connection: Connection, column: ColumnElement[str], *wanted: ColumnElement[bool]) -> list[str]:
    """List the distinct values of a column by stepping along its index from each to the next."""
    steps = select(func.min(column).label("value")).where(*wanted).cte("steps", recursive=True)
    following = select(func.min(column)).where(*wanted, column > steps.c.value).scalar_subquery()
    steps = steps.union_all(select(following).where(steps.c.value.is_not(None)))
    return list(connection.scalars(select(steps.c.value).where(steps.c.value.is_not(None))))


def _kind(model: str, kind: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _EVENTS.model == model, _EVENTS.kind == kind
