"""What people are to be told now: each incident once, and each question that waits for a person.

A pure function of incidents, open questions, and what the ledger says was told before, so that it may be asked again
after any look, retry or crash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.events import FREEZE, NOTICE, PROMOTION
from airflow_mlops.loop.history import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_mlops.events import Event
    from airflow_mlops.loop.incidents import Incident
    from airflow_mlops.spec.notify_section import NoticeTarget, NotifySpec

OPEN, CLOSED, ASKED = "open", "closed", "asked"
# What another version's answers, or people who hold the loop, may move by themselves.
_HUSHED = ("drift", "excess loss")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that waits for a person: its stable ``id``, a sentence, and the evidence, a line each."""

    id: str
    sentence: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to tell.

    ``marks`` is what is over with it: that an incident is open, that it is closed, or both where it was over before
    anybody was told.
    """

    id: str
    kind: str
    marks: tuple[str, ...]
    sentence: str
    lines: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """What the ledger keeps of it."""
        return tuple(f"{self.id}|{mark}" for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Message:
    """What one target is told at once, as one message; ``day`` is that of a digest."""

    target: str
    items: tuple[Item, ...]
    why: Literal["incidents", "question", "digest"]
    day: str | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """What the ledger keeps of it, sorted, so that the same message has the same key."""
        return tuple(sorted(mark for item in self.items for mark in item.told))

    @property
    def key(self) -> str:
        """Key of its event: the target, and a digest of all it tells."""
        return f"{self.target}|{sha256(chr(10).join(self.told).encode()).hexdigest()[:16]}"

    def to_payload(self) -> dict[str, Any]:
        """Return what the ledger keeps."""
        return {"target": self.target, "why": self.why, "told": list(self.told), "day": self.day}


@dataclass(frozen=True, slots=True)
class Before:
    """What one target was told already.

    ``passed`` is the number up to which events are from before it was a target: incidents that were over by then are
    nobody's news any more.
    """

    passed: int = 0
    begun: bool = False
    told: frozenset[str] = frozenset()
    days: frozenset[str] = field(default_factory=frozenset)


def before_of(notices: Iterable[Event], target: str) -> Before:
    """Read what a target was told from the ledger's events of kind ``notice``."""
    found = [event.payload for event in notices if event.kind == NOTICE and event.payload.get("target") == target]
    begun = [payload["passed"] for payload in found if payload.get("passed") is not None]
    return Before(
        passed=max(begun, default=0),
        begun=bool(begun),
        told=frozenset(mark for payload in found for mark in payload.get("told", ())),
        days=frozenset(payload["day"] for payload in found if payload.get("day")),
    )


def passed_by(incidents: Iterable[Incident], run: str | None) -> int:
    """Return up to which event incidents are old where a target is new: those that are over, but for this run's."""
    return max((each.event for each in incidents if not each.is_open and each.run != run), default=0)


def messages(
    notify: NotifySpec,
    incidents: Sequence[Incident],
    questions: Sequence[Asked],
    events: Iterable[Event],
    *,
    at: datetime,
    before: Mapping[str, Before],
) -> list[Message]:
    """Say what each target is to be told now.

    Parameters
    ----------
    notify : NotifySpec
        Who is told of what, and when.
    incidents : sequence of Incident
        All of the model.
    questions : sequence of Asked
        Those that wait for an answer now.
    events : iterable of Event
        Of the model; looks, promotions and freezes are read.
    at : datetime
        Event time at which the run stands.
    before : mapping of str to Before
        What each target was told, by its name.
    """
    events = list(events)
    changes = [event.at for event in events if _is_change(event)]
    looks = [event.at for event in events if event.kind == SIGNALS and event.at < at]
    audible = [each for each in incidents if not _is_hushed(each, changes, notify.quiet, at)]
    found = []
    for name, target in notify.targets.items():
        known = before.get(name, Before())
        found += _asked(name, target, questions, known)
        items = [item for each in audible for item in _item(each, target, known)]
        if target.when == "at_once":
            found += [Message(name, tuple(items), "incidents")] if items else []
            continue
        day = (at.astimezone(UTC) - timedelta(hours=notify.digest)).date()
        start = datetime(day.year, day.month, day.day, notify.digest, tzinfo=UTC)
        news = {each.id: each.end or each.noticed for each in audible}
        is_first = max(looks, default=start - _DAY) < start
        # What is left from before, since a look failed or nobody looked, does not wait for another day.
        is_due = is_first or any(news[item.id] < start for item in items)
        if items and is_due and day.isoformat() not in known.days:
            found.append(Message(name, tuple(items), "digest", day.isoformat()))
    return found


def _asked(name: str, target: NoticeTarget, questions: Sequence[Asked], known: Before) -> list[Message]:
    """Make one message for each question: what is asked of people does not wait for a digest."""
    if target.of and "approval" not in target.of:
        return []
    items = (Item(each.id, "approval", (ASKED,), each.sentence, each.evidence) for each in questions)
    return [Message(name, (item,), "question") for item in items if not known.told.issuperset(item.told)]


def _item(incident: Incident, target: NoticeTarget, known: Before) -> list[Item]:
    if target.of and incident.kind not in target.of:
        return []
    is_told = f"{incident.id}|{OPEN}" in known.told
    if incident.is_open:
        return [] if is_told else [_told(incident, (OPEN,))]
    if is_told:
        is_over = f"{incident.id}|{CLOSED}" in known.told
        return [_told(incident, (CLOSED,))] if target.closed and not is_over else []
    return [] if incident.event <= known.passed else [_told(incident, (OPEN, CLOSED))]


def _told(incident: Incident, marks: tuple[str, ...]) -> Item:
    about = f"{incident.kind} ({incident.subject})" if incident.subject else incident.kind
    since = f"since {incident.start:%Y-%m-%d %H:%M} UTC"
    if incident.end == incident.start:
        since = f"at {incident.start:%Y-%m-%d %H:%M} UTC"
    elif incident.end is not None:
        since = f"over, {incident.start:%Y-%m-%d %H:%M} to {incident.end:%Y-%m-%d %H:%M} UTC"
    lines = tuple(f"done: {deed}" for deed in incident.done)
    return Item(incident.id, incident.kind, marks, f"{about}, {since}: {incident.cause}", lines)


def _is_change(event: Event) -> bool:
    if event.kind == FREEZE:
        return event.payload.get("scope") in ("loop", "promotions")
    return event.kind == PROMOTION


def _is_hushed(incident: Incident, changes: Iterable[datetime], quiet: timedelta, at: datetime) -> bool:
    """Tell whether an incident is known, or may be the echo of a change that is still fresh."""
    if incident.is_known:
        return True
    if incident.kind not in _HUSHED or not quiet:
        return False
    # What outlasts the quiet is told then, if it is still open.
    until = max((change + quiet for change in changes if change <= incident.noticed < change + quiet), default=None)
    return until is not None and (at if incident.end is None else incident.end) < until
