"""What of a model's past counts as good or bad, for each objective."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.events import APPROVAL, PROMOTION, REQUEST
from airflow_mlops.loop.history import DECISION, DEPLOY, EVALUATE
from airflow_mlops.loop.slo.budget import Count
from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow_mlops.events import Event
    from airflow_mlops.loop.facts import Window
    from airflow_mlops.loop.signals import Signals

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Requests:
    """What a server has counted since it began to answer with a version: all requests, and the slow ones.

    ``since`` is when that was, by the clock: a server that starts anew counts anew.
    """

    at: datetime
    since: str
    total: int
    slow: int

    @classmethod
    def of(cls, event: Event) -> Self | None:
        """Read what a look put on record; None where it asked no server."""
        found: Mapping[str, Any] | None = event.payload.get("requests")
        return cls(event.at, found["since"], found["total"], found["slow"]) if found else None


def quality(windows: Sequence[Window], limit: float) -> list[Count]:
    """Count labelled rows: those of a window whose loss is above the limit are bad."""
    counts = [
        Count(each.measured_at, *((0, each.labelled) if each.loss > limit else (each.labelled, 0)))
        for each in windows
        if each.is_sound
    ]
    return sorted(counts, key=lambda count: count.at)


def freshness(looks: Sequence[Signals], limit: timedelta) -> list[Count]:
    """Count looks: one whose newest row is too old is bad, and so is one without rows."""
    counts = []
    for look in looks:
        signal = look.measured.get("freshness")
        if signal is not None:
            is_fresh = signal.value is not None and signal.value * _DAY_S <= limit.total_seconds()
            counts.append(_one(look.now, is_good=is_fresh))
    return counts


def completeness(looks: Sequence[Signals], limit: float) -> list[Count]:
    """Count windows: one of whose labels too few have come when they are due is bad, and so is one without rows."""
    counts = []
    for look in looks:
        if look.quality is not None and look.quality.rows:
            counts.append(_one(look.now, is_good=look.quality.maturity >= limit))
        elif look.data_check == "missing":
            counts.append(_one(look.now, is_good=False))
    return counts


def latency(readings: Sequence[Requests]) -> list[Count]:
    """Count the requests between two looks; where the server started anew, those since then."""
    counts = [Count(each.at, each.total - each.slow, each.slow) for each in readings[:1]]
    for before, after in pairwise(readings):
        same = before.since == after.since and before.total <= after.total
        total, slow = (after.total - before.total, after.slow - before.slow) if same else (after.total, after.slow)
        counts.append(Count(after.at, max(0, total - slow), max(0, slow)))
    return counts


def loop_time(events: Sequence[Event], limit: timedelta) -> list[Count]:
    """Count runs of the retrain DAG that were asked for, by the clock from the decision to a promotion or a verdict.

    One that has not ended is bad as soon as it takes longer, and before that counts for nothing.
    """
    asked_at = {event.key: event.recorded_at for event in events if event.kind == DECISION}
    latest = max((event.recorded_at for event in events), default=None)
    counts = []
    for request in events:
        if request.kind != REQUEST or request.payload.get("cause") is None or latest is None:
            continue
        began = asked_at.get(request.payload.get("decision") or "", request.recorded_at)
        ended = next((each.recorded_at for each in events if each.run == request.run and _ends(each)), None)
        took = (ended or latest) - began
        if ended is not None or took > limit:
            counts.append(_one(request.at, is_good=took <= limit))
    return sorted(counts, key=lambda count: count.at)


def _ends(event: Event) -> bool:
    """Tell whether a run came to its end here: something was promoted, or refused."""
    if event.kind == EVALUATE:
        return event.payload.get("verdict") not in PASSED
    if event.kind == DEPLOY:
        return event.payload.get("outcome") == "refused"
    return event.kind == PROMOTION or (event.kind == APPROVAL and event.payload.get("answer") == "rejected")


def _one(at: datetime, *, is_good: bool) -> Count:
    return Count(at, int(is_good), int(not is_good))
