"""Keep the overview of each model beside its events: moved on with each of them, made anew from them where it lacks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from airflow_mlops.ledger.tables import events_table, good_event, overview_table, state_table, to_event
from airflow_mlops.overview import FORM, advance, begun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

    from airflow_mlops.events import Event

# Events that one append makes good: a ledger of an earlier release has none of them in its overview, and a task that
# records a fact should not read all its past first.
STEP = 500
# Names in one question; databases take no list of any length.
NAMES = 500
# Rows held in memory at once.
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Overviews:
    """Where many models stand, by name.

    ``told`` has the overviews, without curves, of those with an event; ``behind`` how many events an overview does not
    tell of yet, and ``faults`` what is wrong with a chain, each for those models only where there is something to say.
    """

    told: dict[str, dict[str, Any]]
    behind: dict[str, int]
    faults: dict[str, str]


_EVENTS, _KEPT = events_table.c, overview_table.c


def follow(connection: Connection, event: Event) -> None:
    """Move the overview to an event that was just written, in its transaction.

    Raises
    ------
    LedgerCorrupt
        The overview is behind, and an event on the way was changed.
    """
    overview = _kept(connection, event.model)
    if overview["seq"] < event.seq - 1:
        overview = _moved(connection, event.model, overview, most=STEP)
    if overview["seq"] == event.seq - 1:
        overview = advance(overview, event)
    _keep(connection, event.model, overview)


def catch_up(connection: Connection, model: str, *, most: int) -> int:
    """Move an overview on over at most so many events; return how many there were.

    Raises
    ------
    LedgerCorrupt
        One of them was changed.
    """
    overview = _kept(connection, model)
    moved = _moved(connection, model, overview, most=most)
    _keep(connection, model, moved)
    return moved["seq"] - overview["seq"]


def rebuild(connection: Connection, model: str) -> None:
    """Make the overview anew from all events; they are taken as good."""
    connection.execute(overview_table.delete().where(_KEPT.model == model))
    while catch_up(connection, model, most=CHUNK) == CHUNK:
        pass


class Retold:
    """An overview made anew beside the one that is kept, while somebody walks over the events.

    Parameters
    ----------
    connection : Connection
        A transaction of the ledger.
    model : str
        Whose overview.
    """

    def __init__(self, connection: Connection, model: str) -> None:
        self._kept = _kept(connection, model)
        self._told = begun()

    def see(self, row: Mapping[Any, Any]) -> None:
        """Take the next good event; the overview may be behind the last ones."""
        if row["seq"] <= self._kept["seq"]:
            self._told = advance(self._told, good_event(row))

    @property
    def is_right(self) -> bool:
        """Whether what is kept tells what the events do."""
        return self._kept == self._told


def behind(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Count, by model, the events that its overview does not tell of yet; models without such are left out."""
    end = func.coalesce(_KEPT.seq, 0)
    lacks = or_(_KEPT.seq.is_(None), _KEPT.seq < state_table.c.seq, _KEPT.form != FORM)
    joined = state_table.outerjoin(overview_table, state_table.c.model == _KEPT.model)
    query = select(state_table.c.model, state_table.c.seq, end.label("told"), _KEPT.form).select_from(joined)
    return {
        row.model: row.seq - (row.told if row.form == FORM else 0)
        for row in in_parts(connection, query.where(lacks, state_table.c.seq > 0), state_table.c.model, names)
    }


def heads(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read the overviews of these models without their curves; nobody may change what comes back."""
    query = select(_KEPT.model, _KEPT.overview).where(_KEPT.form == FORM)
    return {row.model: _parsed(row.overview) for row in in_parts(connection, query, _KEPT.model, names)}


def curves(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read the curves of these models, as a page draws them."""
    query = select(_KEPT.model, _KEPT.curves).where(_KEPT.form == FORM)
    return {row.model: json.loads(row.curves) for row in in_parts(connection, query, _KEPT.model, names)}


def in_parts(connection: Connection, query: Select[Any], column: Any, names: Sequence[str]) -> Iterator[Row[Any]]:
    """Ask about some models at a time."""
    for first in range(0, len(names), NAMES):
        yield from connection.execute(query.where(column.in_(names[first : first + NAMES])))


def row_of(model: str, overview: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row in which an overview is kept."""
    return {
        "model": model,
        "seq": overview["seq"],
        "form": FORM,
        "overview": _text({name: value for name, value in overview.items() if name != "curves"}),
        "curves": _text(overview["curves"]),
    }


def _kept(connection: Connection, model: str) -> dict[str, Any]:
    query = select(_KEPT.overview, _KEPT.curves).where(_KEPT.model == model, _KEPT.form == FORM)
    row = connection.execute(query).one_or_none()
    return begun() if row is None else {**json.loads(row.overview), "curves": json.loads(row.curves)}


def _moved(connection: Connection, model: str, overview: dict[str, Any], *, most: int) -> dict[str, Any]:
    following = select(events_table).where(_EVENTS.model == model, _EVENTS.seq > overview["seq"])
    for row in connection.execute(following.order_by(_EVENTS.seq).limit(most)).mappings():
        overview = advance(overview, to_event(row))
    return overview


def _keep(connection: Connection, model: str, overview: Mapping[str, Any]) -> None:
    """Write an overview; one that is further on already stays, for two may be at it at once."""
    connection.execute(_upsert(connection.dialect.name), row_of(model, overview))


@cache
def _upsert(dialect: str) -> Any:
    # Made once: a statement of this kind takes longer to make than to run.
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    written = insert(overview_table)
    new = {column.name: written.excluded[column.name] for column in _KEPT if column.name != "model"}
    is_further = or_(_KEPT.form != new["form"], _KEPT.seq < new["seq"])
    return written.on_conflict_do_update(index_elements=[_KEPT.model], set_=new, where=is_further)


@lru_cache(maxsize=2000)
def _parsed(text: str) -> dict[str, Any]:
    # A list is asked for again and again, and most of its models stand where they stood.
    found: dict[str, Any] = json.loads(text)
    return found


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
