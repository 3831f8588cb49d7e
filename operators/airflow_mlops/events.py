"""Event types of the ledger, and the fold that gives a model's state.

Kinds of what happened by itself: ``ingest validate features train weigh evaluate register deploy drift signals decision
shadow_decision request promotion bake slo``. Of what people and care did: ``approval freeze role override rollback
hand_change drill reproduction transfer retention clock``. Of what people were told: ``notice``.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import LedgerMisuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REGISTER = "register"
PROMOTION = "promotion"
FREEZE = "freeze"
ROLE = "role"
APPROVAL = "approval"
CLOCK = "clock"
REQUEST = "request"
OVERRIDE = "override"
NOTICE = "notice"
# Causes of a promotion that goes back, and kinds: a freeze of promotions does not hold them.
ROLLBACK, DRILL = "rollback", "drill"
REPLACED = ":replaced@"  # in the key of a freeze beside the promotion that took the version's place
BACK = (ROLLBACK, DRILL)

# What the first event of a model names as the hash before it.
GENESIS = "0" * 64

Role = Literal["candidate", "shadow", "champion", "retired", "frozen"]
# What a freeze holds: one version, every promotion of the model, or the whole loop, which is then paused.
Scope = Literal["version", "promotions", "loop"]


@dataclass(frozen=True, slots=True)
class Event:
    """One fact of a model's life, as the ledger holds it.

    ``at`` is event time (the moment the run stood at), ``recorded_at`` the clock's time of writing; both are UTC.
    ``run`` names the first run that recorded the fact. ``epoch`` is set on promotions only: how often the champion
    has moved, this time included. ``hash`` covers every other field; ``previous_hash`` is the hash of the event before.
    """

    model: str
    seq: int
    kind: str
    key: str
    at: datetime
    recorded_at: datetime
    run: str | None
    epoch: int | None
    payload: dict[str, Any]
    previous_hash: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object; times are ISO 8601 in UTC."""
        return {
            "model": self.model,
            "seq": self.seq,
            "kind": self.kind,
            "key": self.key,
            "at": utc_text(self.at),
            "recorded_at": utc_text(self.recorded_at),
            "run": self.run,
            "epoch": self.epoch,
            "payload": self.payload,
            "previous_hash": self.previous_hash,
            "hash": self.hash,
        }


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves, since when, and what its promotion was based on."""

    version: str
    epoch: int
    since: datetime
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Freeze:
    """Somebody, or the loop itself, holds something: who, since when, and why."""

    scope: Scope
    by: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model: what it is, when it was registered, and its role now.

    A frozen version keeps ``frozen`` until somebody unfreezes it; meanwhile it cannot be promoted. What serves is the
    champion, frozen or not. ``served`` tells that it is or was champion.
    """

    version: str
    role: Role
    payload: dict[str, Any]
    at: datetime
    frozen: Freeze | None = None
    served: bool = False


@dataclass(frozen=True, slots=True)
class ModelState:
    """Where a model stands after a list of events; ``epoch`` 0 means that nothing was ever promoted.

    ``promotions_frozen`` holds every promotion but those that go back, ``paused`` the whole loop; None: nothing does.
    """

    model: str
    epoch: int = 0
    champion: Champion | None = None
    versions: dict[str, Version] = field(default_factory=dict)
    last: dict[str, Event] = field(default_factory=dict)
    seq: int = 0
    promotions_frozen: Freeze | None = None
    paused: Freeze | None = None


def fold(events: Iterable[Event], *, model: str) -> ModelState:
    """Give the state of one model after ``events``.

    The order in which events are passed does not matter, and an event passed twice counts once: they are taken in the
    order of their sequence numbers.

    Parameters
    ----------
    events : iterable of Event
        Of this model; a part of its history gives the state that this part describes.
    model : str
        Whose state it is.
    """
    state = ModelState(model)
    for _, event in sorted({event.seq: event for event in events}.items()):
        state = advance(state, event)
    return state


def advance(state: ModelState, event: Event) -> ModelState:
    """Give the state after one more event; ``state`` is not changed."""
    after = replace(state, last={**state.last, event.kind: event}, seq=event.seq)
    if event.kind == REGISTER:
        return _registered(after, event)
    if event.kind == PROMOTION:
        return _promoted(after, event)
    if event.kind == FREEZE:
        return _froze(after, event)
    if event.kind == ROLE:
        return _given_role(after, event)
    return after


def _registered(state: ModelState, event: Event) -> ModelState:
    version = version_of(event.payload)
    if version is None or version in state.versions:
        return state
    return replace(state, versions={**state.versions, version: Version(version, "candidate", event.payload, event.at)})


def _promoted(state: ModelState, event: Event) -> ModelState:
    version = version_of(event.payload)
    if version is None or event.epoch is None:
        return state
    versions = dict(state.versions)
    if state.champion is not None:
        replaced = versions[state.champion.version]
        versions[replaced.version] = replace(replaced, role="frozen" if replaced.frozen else "retired")
    # A version may be promoted that this ledger never saw registered, such as an adopted one.
    known = versions.get(version) or Version(version, "candidate", event.payload.get("model") or {}, event.at)
    versions[version] = replace(known, role="champion", served=True)
    champion = Champion(version, event.epoch, event.at, event.payload)
    return replace(state, epoch=event.epoch, champion=champion, versions=versions)


def _froze(state: ModelState, event: Event) -> ModelState:
    """Hold or let go what the event names; of a version that this ledger does not know nothing is held."""
    payload = event.payload
    held = Freeze(payload["scope"], payload["by"], payload["reason"], event.at) if payload["frozen"] else None
    if payload["scope"] == "promotions":
        return replace(state, promotions_frozen=held)
    if payload["scope"] == "loop":
        return replace(state, paused=held)
    known = state.versions.get(str(payload.get("version")))
    if known is None:
        return state
    role = known.role if known.role == "champion" else "frozen" if held else _unfrozen(state, known)
    return replace(state, versions={**state.versions, known.version: replace(known, frozen=held, role=role)})


def _unfrozen(state: ModelState, version: Version) -> Role:
    if version.role != "frozen":
        return version.role
    return "retired" if version.served else "candidate"


def _given_role(state: ModelState, event: Event) -> ModelState:
    """Give a version the role of candidate, shadow or retired; who is champion only a promotion says."""
    known = state.versions.get(str(event.payload.get("version")))
    if known is None or known.role in ("champion", "frozen"):
        return state
    role = event.payload["role"]
    versions = dict(state.versions)
    if role == "shadow":
        # One shadow at a time: the one before is a candidate again.
        versions = {
            name: replace(each, role="retired" if each.served else "candidate") if each.role == "shadow" else each
            for name, each in versions.items()
        }
    versions[known.version] = replace(known, role=role)
    return replace(state, versions=versions)


def version_of(payload: Mapping[str, Any]) -> str | None:
    """Return the version a payload is about: its own ``version``, or the one of its ``model``."""
    found = payload.get("version") or (payload.get("model") or {}).get("version")
    return None if found is None else str(found)


# Encoding and hash chain


def encode_payload(payload: Mapping[str, Any]) -> str:
    """Write a payload as JSON that depends on its content only.

    Keys are sorted. Times become ISO text, numbers of numeric libraries plain numbers. JSON knows no NaN or infinity:
    they become null.

    Raises
    ------
    LedgerMisuse
        A value cannot be written as JSON.
    """
    try:
        return json.dumps(_finite(payload), sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise LedgerMisuse(
            f"a payload of the ledger must be JSON, but {error}; record its facts as plain values."
        ) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _finite(value.item())
    raise TypeError(f"{type(value).__name__} is not JSON")


def chain_hash(
    *,
    model: str,
    seq: int,
    kind: str,
    key: str,
    at: str,
    recorded_at: str,
    run: str | None,
    epoch: int | None,
    payload: str,
    previous_hash: str,
) -> str:
    """Return the SHA-256 of an event's fields as they are stored, the hash of the event before among them."""
    fields = [model, seq, kind, key, at, recorded_at, run, epoch, payload, previous_hash]
    return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()


def utc_text(moment: datetime) -> str:
    """Write a time as ISO 8601 in UTC, always with microseconds, so that texts sort as times do.

    Raises
    ------
    LedgerMisuse
        The time has no zone.
    """
    if moment.tzinfo is None:
        raise LedgerMisuse(f"{moment.isoformat()} has no time zone; the ledger takes aware times only, such as UTC.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
