"""A model's history told from its events: what served when, why, by whose word, on which evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, FREEZE, PROMOTION, REQUEST, ROLE, Event, utc_text, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evaluation a promotion rests on; None where the promotion names no such fact, as one back does."""

    id: str | None
    verdict: str | None
    metrics: dict[str, float]
    reasons: tuple[str, ...]
    uri: str | None
    html_uri: str | None


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether a version was let through by itself, or by whom and why."""

    version: str
    answer: str
    by: tuple[str, ...]
    reason: str
    at: datetime
    evaluation: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """One version's time as champion.

    ``since`` and ``until`` are event time, ``until`` None for what serves now. ``recorded_at`` and ``recorded_until``
    are when the ledger began and ceased to say so. ``event`` is the number of the promotion in the chain.
    """

    version: str
    epoch: int
    since: datetime
    until: datetime | None
    recorded_at: datetime
    recorded_until: datetime | None
    cause: str | None
    reason: str | None
    by: str | None
    decision: str | None
    run: str | None
    approval: Approval | None
    evidence: Evidence
    event: int

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object; times are ISO 8601 in UTC."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class Change:
    """A word by somebody: something frozen or let go, or a role given."""

    kind: str
    subject: str
    what: str
    by: str | None
    reason: str | None
    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object; times are ISO 8601 in UTC."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """Every stretch of a model in the order of epochs, and the answers, freezes and roles between them."""

    model: str
    stretches: tuple[Stretch, ...] = ()
    approvals: tuple[Approval, ...] = ()
    changes: tuple[Change, ...] = ()

    def at(self, moment: datetime, *, recorded: bool = False) -> Stretch | None:
        """Return what served at a moment: of the promotions that were not later, the one of the largest epoch.

        Parameters
        ----------
        moment : datetime
            Event time, with a zone.
        recorded : bool, default=False
            Whether ``moment`` is the clock's time of writing instead: what the ledger said then.
        """
        for stretch in reversed(self.stretches):
            if (stretch.recorded_at if recorded else stretch.since) <= moment:
                return stretch
        return None

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object; times are ISO 8601 in UTC."""
        return _plain(self)


def history_of(events: Iterable[Event], *, model: str) -> ModelHistory:
    """Tell a model's history.

    Parameters
    ----------
    events : iterable of Event
        Its promotions, approvals, requests, freezes and roles; others are passed over. Their order does not matter.
    model : str
        Whose history it is.
    """
    ordered = sorted({event.seq: event for event in events}.values(), key=lambda event: event.seq)
    promotions = [event for event in ordered if event.kind == PROMOTION]
    approvals = tuple(_approval(event) for event in ordered if event.kind == APPROVAL)
    answers = {(each.version, each.evaluation): each for each in approvals}
    requests = {event.run: event for event in ordered if event.kind == REQUEST and event.run}
    following: Sequence[Event | None] = [*promotions[1:], None]
    return ModelHistory(
        model,
        tuple(
            _stretch(event, after, answers=answers, request=requests.get(event.run or ""))
            for event, after in zip(promotions, following, strict=False)
        ),
        approvals,
        tuple(_change(event) for event in ordered if event.kind in (FREEZE, ROLE)),
    )


def _stretch(
    event: Event,
    after: Event | None,
    *,
    answers: Mapping[tuple[str, str | None], Approval],
    request: Event | None,
) -> Stretch:
    payload, asked = event.payload, request.payload if request else {}
    back = payload.get("rollback") or {}
    evidence = _evidence(payload.get("evaluation") or {})
    version = str(version_of(payload))
    return Stretch(
        version=version,
        epoch=event.epoch or 0,
        since=event.at,
        until=after.at if after else None,
        recorded_at=event.recorded_at,
        recorded_until=after.recorded_at if after else None,
        cause=payload.get("cause"),
        reason=back.get("reason") or payload.get("reason") or asked.get("reason"),
        by=back.get("by") or payload.get("by"),
        decision=asked.get("decision"),
        run=event.run,
        # The last answer about this evaluation of it; a rollback names none, whatever was said before.
        approval=answers.get((version, evidence.id)) if evidence.id else None,
        evidence=evidence,
        event=event.seq,
    )


def _evidence(evaluation: dict[str, Any]) -> Evidence:
    return Evidence(
        id=evaluation.get("id"),
        verdict=evaluation.get("verdict"),
        metrics=dict(evaluation.get("metrics") or {}),
        reasons=tuple(evaluation.get("reasons") or ()),
        uri=evaluation.get("uri"),
        html_uri=evaluation.get("html_uri"),
    )


def _approval(event: Event) -> Approval:
    payload = event.payload
    evaluation = payload.get("evaluation")
    return Approval(
        version=str(version_of(payload)),
        answer=str(payload.get("answer")),
        by=tuple(payload.get("by") or ()),
        reason=str(payload.get("reason") or ""),
        at=event.at,
        evaluation=evaluation.get("id") if isinstance(evaluation, dict) else evaluation,
    )


def _change(event: Event) -> Change:
    payload = event.payload
    if event.kind == ROLE:
        subject, what = f"version {payload.get('version')}", str(payload.get("role"))
    else:
        scope = payload.get("scope")
        subject = f"version {payload.get('version')}" if scope == "version" else str(scope)
        what = "frozen" if payload.get("frozen") else "unfrozen"
    return Change(event.kind, subject, what, payload.get("by"), payload.get("reason"), event.at)


def _plain(value: Any) -> Any:
    """Turn nested facts into JSON values."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return utc_text(value) if hasattr(value, "isoformat") else value
