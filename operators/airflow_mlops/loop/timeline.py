"""A model's course, told from its events: quality by window, drift by look, and what happened in between.

Pure, and read from the payloads themselves: the page of a model asks for hundreds of looks at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, DRILL, FREEZE, OVERRIDE, PROMOTION, REQUEST, ROLLBACK, version_of
from airflow_mlops.loop.history import DEPLOY, EVALUATE, SIGNALS
from airflow_mlops.loop.incident_facts import deed_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_mlops.events import Event

# Half of an interval of 95 %, in standard errors.
_HALF = 1.96
# Without these it is no window as a look measures it.
_MEASURED = {"start", "end", "metric", "loss", "rows", "labelled", "maturity"}
# Deeds that are marks of the course, and what they are called there; the others belong to an incident.
_MARKS = {
    REQUEST: "asked",
    EVALUATE: "refused",
    APPROVAL: "refused",
    DEPLOY: "refused",
    PROMOTION: "promoted",
    OVERRIDE: "policy changed",
}


@dataclass(frozen=True, slots=True)
class WindowLoss:
    """What the served answers of a window lost, as it was measured last.

    ``low`` and ``high`` are the interval of 95 %, ``limit`` the loss from which on the look spoke against the version;
    None where it could not be told. ``versions`` are the losses of each version that answered.
    """

    start: datetime
    end: datetime
    measured_at: datetime
    metric: str
    value: float
    low: float | None
    high: float | None
    limit: float | None
    rows: int
    labelled: int
    maturity: float
    versions: tuple[VersionShare, ...]


@dataclass(frozen=True, slots=True)
class VersionShare:
    """What one version lost in a window, and on how many labelled rows."""

    version: str
    loss: float
    rows: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A signal at one look; ``start`` and ``end`` are the window of its rows, ``limit`` from where it is *drifted*."""

    at: datetime
    start: datetime | None
    end: datetime | None
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    verdict: str
    rows: int
    detail: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that was done, at a moment of event time.

    ``kind`` is one of ``asked refused promoted held free drill``, ``rolled back`` and ``policy changed``.
    """

    at: datetime
    kind: str
    sentence: str
    version: str | None
    run: str | None
    event: int


def windows_of(events: Iterable[Event]) -> list[WindowLoss]:
    """List the labelled windows of looks by their end; of one window the measurement that was made last.

    Parameters
    ----------
    events : iterable of Event
        Looks among them; events of another form are passed over.
    """
    found: dict[tuple[datetime, datetime], WindowLoss] = {}
    for event in _looks(events):
        own = event.payload.get("quality")
        limit = (_signal(event, "quality") or {}).get("limit")
        for quality in (*(event.payload.get("reopened") or ()), own):
            window = _window(quality, event.at, limit if quality is own else None)
            if window is not None:
                before = found.get((window.start, window.end))
                found[window.start, window.end] = _with_limit(window, before)
    return sorted(found.values(), key=lambda window: (window.end, window.start))


def readings_of(events: Iterable[Event], name: str) -> list[Reading]:
    """List a signal look by look, where it was measured.

    Parameters
    ----------
    events : iterable of Event
        Looks among them.
    name : str
        Of the signal, such as ``data_drift``.
    """
    found = {event.at: reading for event in _looks(events) if (reading := _reading(event, name))}
    return [found[at] for at in sorted(found)]


def marks_of(events: Iterable[Event]) -> list[Mark]:
    """List what was asked for, promoted, refused, held and rehearsed, in the order it was recorded."""
    marks = (_mark(event) for _, event in sorted({event.seq: event for event in events}.items()))
    return [mark for mark in marks if mark]


def _looks(events: Iterable[Event]) -> Iterator[Event]:
    for _, event in sorted({event.seq: event for event in events}.items()):
        if event.kind == SIGNALS:
            yield event


def _signal(event: Event, name: str) -> Mapping[str, Any] | None:
    return (event.payload.get("measured") or {}).get(name)


def _window(quality: Mapping[str, Any] | None, at: datetime, limit: float | None) -> WindowLoss | None:
    if not quality or not quality.keys() >= _MEASURED or quality["loss"] is None:
        return None
    value, error = quality["loss"], quality.get("error")
    return WindowLoss(
        start=datetime.fromisoformat(quality["start"]),
        end=datetime.fromisoformat(quality["end"]),
        measured_at=at,
        metric=quality["metric"],
        value=value,
        low=None if error is None else value - _HALF * error,
        high=None if error is None else value + _HALF * error,
        limit=limit,
        rows=quality["rows"],
        labelled=quality["labelled"],
        maturity=quality["maturity"],
        versions=tuple(
            VersionShare(version, found["loss"], found["rows"])
            for version, found in sorted((quality.get("by_version") or {}).items())
        ),
    )


def _with_limit(window: WindowLoss, before: WindowLoss | None) -> WindowLoss:
    """Keep the limit of the look whose own window it was, where the window was measured again later."""
    if window.limit is not None or before is None or before.limit is None:
        return window
    return replace(window, limit=before.limit)


def _reading(event: Event, name: str) -> Reading | None:
    signal = _signal(event, name)
    if signal is None or "verdict" not in signal:
        return None
    start, end = (datetime.fromisoformat(found) if (found := signal.get(key)) else None for key in ("start", "end"))
    numbers = {key: signal.get(key) for key in ("value", "low", "high", "limit")}
    return Reading(
        at=event.at,
        start=start,
        end=end,
        verdict=signal["verdict"],
        rows=signal.get("rows") or 0,
        detail=str(signal.get("detail") or ""),
        **numbers,
    )


def _mark(event: Event) -> Mark | None:
    payload = event.payload
    if event.kind == DRILL:
        rehearsed = f"a rollback to version {payload.get('version')} was rehearsed: {payload.get('verdict')}"
        return Mark(event.at, "drill", rehearsed, None, event.run, event.seq)
    if payload.get("cause") == DRILL:
        return None
    kind, sentence = _MARKS.get(event.kind), deed_of(event)
    if event.kind == FREEZE:
        kind = "held" if payload.get("frozen") else "free"
    elif event.kind == PROMOTION and payload.get("cause") == ROLLBACK:
        kind = "rolled back"
    if kind is None or sentence is None:
        return None
    return Mark(event.at, kind, sentence, version_of(payload), event.run, event.seq)
