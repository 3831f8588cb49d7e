"""A model's state for those who show it: of registrations and promotions only the few fields that tell versions apart.

A page of a model with a thousand versions shows twenty. Reading all payloads takes a second then, so the database picks
fields out of them. What is picked is not checked against its hash: whoever shows an event reads it whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Text, cast, func, literal, select

from airflow_mlops.events import FREEZE, PROMOTION, REGISTER, ROLE, Event, ModelState, fold
from airflow_mlops.ledger.reading import expect_every_epoch, last_of_each_kind, of_kinds
from airflow_mlops.ledger.tables import events_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    # Names on the way to a value in a payload.
    Place = tuple[str, ...]

_IDENTITY: tuple[Place, ...] = (("version",), ("id",), ("digest",), ("members",))
_MODEL: tuple[Place, ...] = tuple(("model", *place) for place in (*_IDENTITY, ("uri",)))
# What the fold, and the choice of what to go back to, need of them.
_REGISTERED: tuple[Place, ...] = (*_IDENTITY, ("evaluation",), *_MODEL)
_PROMOTED: tuple[Place, ...] = (
    ("version",),
    ("cause",),
    ("rollback", "replaced"),
    ("rollback", "reason"),
    *_MODEL,
)
_EVENTS = events_table.c
_FACTS = [column for column in events_table.columns if column.name != "payload"]
_NAMES = [column.name for column in _FACTS]


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a model stands, and the registrations and promotions that led there, in the order they were recorded.

    Of these only a few fields are there; of what serves, and of the last registration, all.
    """

    state: ModelState
    events: list[Event]

    @property
    def promotions(self) -> list[Event]:
        """The promotions in the order of epochs."""
        return [event for event in self.events if event.kind == PROMOTION]


def outline(connection: Connection, model: str) -> Outline:
    """Read a model's state in outline.

    Raises
    ------
    LedgerCorrupt
        A promotion is missing; or a freeze, a role, or the last event of a kind was changed.
    """
    events = [
        *abridged(connection, model, REGISTER, _REGISTERED),
        *abridged(connection, model, PROMOTION, _PROMOTED),
    ]
    expect_every_epoch(events, model)
    # Of two events of one number the fold takes the last that it is given: the whole one.
    whole = [*of_kinds(connection, model, (FREEZE, ROLE)), *last_of_each_kind(connection, model, None)]
    return Outline(fold([*events, *whole], model=model), sorted(events, key=lambda event: event.seq))


def abridged(connection: Connection, model: str, kind: str, places: Sequence[Place]) -> list[Event]:
    """List a model's events of a kind in the order they were recorded, with nothing in their payloads but some places.

    Parameters
    ----------
    connection : Connection
        To the ledger.
    model, kind : str
        Whose events, and of which kind.
    places : sequence of tuple of str
        Names on the way to each value; where there is none, the payload has nothing there.
    """
    picked = _picked(connection.dialect.name, places).label("picked")
    query = select(*_FACTS, picked).where(_EVENTS.model == model, _EVENTS.kind == kind).order_by(_EVENTS.seq)
    return [_event(tuple(row), places) for row in connection.execute(query)]


def _picked(dialect: str, places: Sequence[Place]) -> ColumnElement[str]:
    """Write the values at some places as one JSON array."""
    if dialect == "sqlite":
        paths = (literal("$" + "".join(f'."{name}"' for name in place), literal_execute=True) for place in places)
        return func.json_array(*(func.json_extract(_EVENTS.payload, path) for path in paths))
    payload = cast(_EVENTS.payload, JSON)
    return cast(func.json_build_array(*(func.json_extract_path(payload, *place) for place in places)), Text)


def _event(row: Sequence[Any], places: Sequence[Place]) -> Event:
    facts, picked = row[:-1], row[-1]
    payload: dict[str, Any] = {}
    for place, value in zip(places, json.loads(picked), strict=True):
        if value is not None:
            inner = payload
            for name in place[:-1]:
                inner = inner.setdefault(name, {})
            inner[place[-1]] = value
    stored = dict(zip(_NAMES, facts, strict=True))
    times = {name: datetime.fromisoformat(stored[name]) for name in ("at", "recorded_at")}
    return Event(**{**stored, **times, "payload": payload})
