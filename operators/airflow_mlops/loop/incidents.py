"""Incidents of a model: what went wrong, from when to when, why, and what was done about it.

A pure function of the ledger's events. The page of a model shades incidents over its curves, and notifications are sent
once for each: an incident keeps its ``id`` however often it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, DRILL, FREEZE, OVERRIDE, PROMOTION, REQUEST, ROLLBACK, utc_text, version_of
from airflow_mlops.loop.bake import BAKE
from airflow_mlops.loop.history import DECISION, DEPLOY, EVALUATE, SIGNALS
from airflow_mlops.loop.incident_facts import HAND_CHANGE, KINDS, SLO, VALIDATE, Fact, Kind, deed_of, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.events import Event

__all__ = ["DEEDS", "KINDS", "TOLD_OF", "Incident", "Kind", "incidents_of"]

# Kinds of events that incidents are told from: those that notice them, and what was done about them.
TOLD_OF = (
    *(SIGNALS, DECISION, VALIDATE, SLO, BAKE, HAND_CHANGE),
    *(PROMOTION, FREEZE, OVERRIDE, REQUEST, EVALUATE, DEPLOY, APPROVAL),
)
# So many deeds an incident names, the last ones.
DEEDS = 6
# What is measured of one version, and so is over when another one serves.
_OF_A_VERSION = ("drift", "excess loss", "bake broken", "hand change")
# What another version mends, or may explain where it serves since the last look: its answers and its losses are others.
_OF_ANSWERS = ("drift", "excess loss")


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong.

    Attributes
    ----------
    id : str
        Kind and number of the event that noticed it: the same each time the incident is told, as long as that event is
        among those it is told from. See ``is_cut``.
    kind : str
        One of `KINDS`.
    subject : str or None
        What it is about where a kind has several at a time: an objective, an alias, ``training`` for the rows of a
        training.
    start : datetime
        Event time since when it holds, which may be before it was noticed.
    noticed : datetime
        Event time of the look, or other event, that noticed it.
    recorded_at : datetime
        The clock's time of that event.
    end : datetime or None
        Event time of the event by which it was over; None while it is open.
    closed_at : datetime or None
        The clock's time of that event.
    cause : str
        One sentence.
    done : tuple of str
        What was done while it was open, oldest first, the last `DEEDS` of it.
    known : str or None
        What explains it, so that nobody need be told: a pause, or of drift and losses frozen promotions or a promotion
        since the look before.
        Of an open incident it is what holds now: an incident that outlasts a pause is known no more.
    run : str or None
        The Airflow run that noticed it.
    event : int
        Number of the event that noticed it.
    is_cut : bool
        It held already at the first look among the events, and these are not all: it may be older, and then has
        another ``id``.
    """

    id: str
    kind: Kind
    subject: str | None
    start: datetime
    noticed: datetime
    recorded_at: datetime
    end: datetime | None
    closed_at: datetime | None
    cause: str
    done: tuple[str, ...]
    known: str | None
    run: str | None
    event: int
    is_cut: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it still holds."""
        return self.end is None

    @property
    def is_known(self) -> bool:
        """Whether something that people did explains it."""
        return self.known is not None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON; times are ISO 8601 in UTC."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        times = {name: utc_text(value) for name, value in plain.items() if isinstance(value, datetime)}
        return plain | times | {"done": list(self.done), "is_open": self.is_open, "is_known": self.is_known}


def incidents_of(events: Iterable[Event], *, is_whole: bool = True) -> tuple[Incident, ...]:
    """Tell the incidents of one model, in the order in which they were noticed.

    Parameters
    ----------
    events : iterable of Event
        Of one model, of the kinds `TOLD_OF`; others are passed over. Their order does not matter.
    is_whole : bool, default=True
        Whether these are all events of those kinds, rather than the last of them.
    """
    story = _Story(is_whole)
    for _, event in sorted({event.seq: event for event in events}.items()):
        story.take(event)
    return story.told()


@dataclass(slots=True)
class _Open:
    """An incident while it is told."""

    event: Event
    fact: Fact
    is_cut: bool
    # What explains it: what people held when it was noticed, and the promotion before the look that noticed it.
    held: str | None
    promoted: str | None
    looks: int = 0
    sources: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    def tell(self, *, end: Event | None, known: str | None) -> Incident:
        event, fact = self.event, self.fact
        return Incident(
            id=f"{fact.kind}:{event.seq}" + (f":{fact.subject}" if fact.subject else ""),
            kind=fact.kind,
            subject=fact.subject,
            start=min(fact.start or event.at, event.at),
            noticed=event.at,
            recorded_at=event.recorded_at,
            end=end.at if end else None,
            closed_at=end.recorded_at if end else None,
            cause=fact.cause,
            done=tuple(self.done[-DEEDS:]),
            known=known,
            run=event.run,
            event=event.seq,
            is_cut=self.is_cut,
        )


class _Story:
    """The incidents that are open, and those that are over, while events are taken one by one."""

    def __init__(self, is_whole: bool) -> None:
        self._is_whole = is_whole
        self._open: dict[tuple[Kind, str | None], _Open] = {}
        self._over: list[Incident] = []
        self._held: dict[str, str] = {}
        self._training: set[str] = set()
        self._looks = 0
        self._promoted: str | None = None

    def take(self, event: Event) -> None:
        """Take the next event."""
        if event.payload.get("cause") == DRILL:
            # A rehearsal changes nothing that lasts.
            return
        if event.kind == REQUEST and event.run:
            self._training.add(event.run)
        if event.kind == FREEZE:
            self._hold(event)
        if event.kind == SIGNALS:
            self._looks += 1
            for each in self._open.values():
                each.looks += 1
        self._note(event)
        # What holds first: where one signal takes over from another, the incident goes on.
        for fact in sorted(facts_of(event, trains=event.run in self._training), key=lambda fact: not fact.holds):
            self._hear(fact, event)
        if event.kind == PROMOTION:
            self._promote(event)
        elif event.kind == DECISION and event.payload.get("signals") is not None:
            # What a promotion may explain is what the look right after it sees; its decision is the last of a look.
            self._promoted = None

    def told(self) -> tuple[Incident, ...]:
        """Return all incidents."""
        # A promotion explains what the first look after it sees, and no longer.
        still = [
            each.tell(end=None, known=self._holds(each.fact.kind) or (None if each.looks else each.promoted))
            for each in self._open.values()
        ]
        return tuple(sorted([*self._over, *still], key=lambda incident: (incident.event, incident.kind)))

    def _holds(self, kind: Kind) -> str | None:
        """Say what people hold that explains a kind; frozen promotions are no reason for rows that do not come."""
        return self._held.get("loop") or (self._held.get("promotions") if kind in _OF_ANSWERS else None)

    def _hold(self, event: Event) -> None:
        payload = event.payload
        scope = payload.get("scope")
        if scope not in ("loop", "promotions"):
            return
        self._held.pop(scope, None)
        if payload.get("frozen"):
            what = "the loop is paused" if scope == "loop" else "promotions are frozen"
            self._held[scope] = (
                f"{what} by {payload.get('by')} since {event.at:%Y-%m-%d %H:%M}: {payload.get('reason')}"
            )

    def _note(self, event: Event) -> None:
        deed = deed_of(event) if self._open else None
        for each in self._open.values():
            if deed is not None and deed not in each.done:
                each.done.append(deed)

    def _hear(self, fact: Fact, event: Event) -> None:
        key = (fact.kind, fact.subject)
        found = self._open.get(key)
        if fact.holds:
            if found is None:
                found = self._open[key] = self._begun(fact, event)
            found.sources.add(fact.source)
            if fact.is_moment:
                self._end(key, event)
        elif found is not None:
            found.sources.discard(fact.source)
            if not found.sources:
                self._end(key, event)

    def _begun(self, fact: Fact, event: Event) -> _Open:
        is_cut = not self._is_whole and self._looks <= 1
        promoted = self._promoted if fact.kind in _OF_ANSWERS else None
        begun = _Open(event, fact, is_cut, self._holds(fact.kind), promoted)
        deed = deed_of(event)
        if deed is not None:
            begun.done.append(deed)
        return begun

    def _end(self, key: tuple[Kind, str | None], event: Event) -> None:
        each = self._open.pop(key)
        self._over.append(each.tell(end=event, known=each.held or each.promoted))

    def _promote(self, event: Event) -> None:
        version = version_of(event.payload)
        was_broken = ("bake broken", None) in self._open
        for key in [key for key in self._open if key[0] in _OF_A_VERSION]:
            self._end(key, event)
        if event.payload.get("cause") == ROLLBACK and not was_broken:
            back = event.payload.get("rollback") or {}
            cause = f"version {back.get('replaced')} was rolled back by {back.get('by')}: {back.get('reason')}"
            self._hear(Fact("rolled back", True, ROLLBACK, cause=cause, is_moment=True), event)
        self._promoted = f"version {version} serves since {event.at:%Y-%m-%d %H:%M}, after the look before"
