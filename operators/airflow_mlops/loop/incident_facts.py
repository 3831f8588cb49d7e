"""What single events say of incidents: that something holds, or is over, and what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow_mlops.events import APPROVAL, FREEZE, OVERRIDE, PROMOTION, REQUEST, ROLLBACK, version_of
from airflow_mlops.loop.bake import BAKE
from airflow_mlops.loop.control import APPROVAL as AWAITED
from airflow_mlops.loop.control import DATA_CHECK, PAUSE, SPENT
from airflow_mlops.loop.control import FREEZE as FROZEN
from airflow_mlops.loop.history import DECISION, DEPLOY, EVALUATE, SIGNALS
from airflow_mlops.loop.verdicts.readings import FRESHNESS
from airflow_mlops.refs import PASSED
from airflow_mlops.spec.vocabulary import IncidentKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_mlops.events import Event

Kind = IncidentKind
KINDS: tuple[Kind, ...] = get_args(Kind)

VALIDATE, SLO, HAND_CHANGE = "validate", "slo", "hand_change"
# Reasons of one event that a sentence takes up; the event has all of them.
_NAMED = 3
_DRIFTS = ("data_drift", "prediction_drift")
_SETTLED = {
    "restore": "the alias was set back",
    "adopt": "the version shown was tried, to be promoted if it may serve",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """What an event says of one incident.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    holds : bool
        False: it is over, as far as ``source`` can tell.
    source : str
        What says so: an incident that two signals speak of is over when neither says that it holds.
    subject : str or None
        What keeps incidents of a kind apart, such as the objective of a budget.
    cause : str
        One sentence; empty where it is over.
    start : datetime or None
        Since when it holds, where that is earlier than the event's own time.
    is_moment : bool
        It is over as soon as it is noticed.
    """

    kind: Kind
    holds: bool
    source: str
    subject: str | None = None
    cause: str = ""
    start: datetime | None = None
    is_moment: bool = False


def facts_of(event: Event, *, trains: bool) -> Iterator[Fact]:
    """List what an event says of incidents; an event that is of another form says nothing.

    Parameters
    ----------
    event : Event
        Of any kind.
    trains : bool
        Whether its run is one that a training was asked of: then the rows it validates are not those of a look.
    """
    payload = event.payload
    if event.kind == VALIDATE:
        yield from _judged_rows(payload.get("ref") or {}, "training" if trains else None)
    elif event.kind == SIGNALS:
        yield from _measured(event)
    elif event.kind == DECISION:
        yield from _decided(payload)
    elif event.kind == SLO:
        yield from _budgets(payload)
    elif event.kind == BAKE and payload.get("verdict") in ("broken", "held"):
        is_broken = payload["verdict"] == "broken"
        said = (payload.get("signal") or {}).get("detail") or "its guards are broken"
        cause = f"the bake of version {payload.get('version')} broke: {said}"
        yield Fact("bake broken", is_broken, BAKE, cause=cause if is_broken else "")
    elif event.kind == HAND_CHANGE and payload.get("alias"):
        yield _by_hand(payload)


def _judged_rows(ref: Mapping[str, Any], subject: str | None) -> Iterator[Fact]:
    verdict = ref.get("verdict")
    if verdict == "failed":
        worst = (ref.get("summary") or {}).get("worst") or ()
        said = [each["message"] for each in worst if each.get("severity") == "critical" and each.get("message")]
        yield Fact("data blocked", True, "data check", subject, _sentence(said, "the data check stopped these rows"))
    elif verdict in ("passed", "warning"):
        yield Fact("data blocked", False, "data check", subject)


def _measured(event: Event) -> Iterator[Fact]:
    payload, measured = event.payload, event.payload.get("measured") or {}
    check, reasons = payload.get("data_check"), payload.get("data_check_reasons") or ()
    if check == "missing":
        yield Fact("data missing", True, "data check", cause=_sentence(reasons, "no data check was made of the look"))
    elif check:
        yield Fact("data missing", False, "data check")
        cause = _sentence(reasons, "the data check stopped these rows") if check == "failed" else ""
        yield Fact("data blocked", check == "failed", "data check", cause=cause)
    for name in _DRIFTS:
        yield from _judged("drift", measured.get(name))
    yield from _judged("excess loss", measured.get("quality"))
    yield from _judged("bake broken", measured.get(BAKE))
    fresh = measured.get(FRESHNESS)
    for fact in _judged("stale data", fresh):
        days = (fresh or {}).get("value")
        start = event.at - timedelta(days=days) if fact.holds and days is not None else None
        yield Fact("stale data", fact.holds, fact.source, cause=fact.cause, start=start)


def _judged(kind: Kind, signal: Mapping[str, Any] | None) -> Iterator[Fact]:
    """Read a signal's verdict; one that is not known neither begins an incident nor ends one."""
    verdict = signal.get("verdict") if signal else None
    if signal is None or verdict not in ("stable", "watch", "drifted"):
        return
    holds = verdict == "drifted"
    name = str(signal.get("name"))
    cause = str(signal.get("detail") or name) if holds else ""
    yield Fact(kind, holds, name, cause=cause, start=_moment(signal.get("start")) if holds else None)


def _decided(payload: Mapping[str, Any]) -> Iterator[Fact]:
    held_by, action = payload.get("held_by"), payload.get("action")
    cause = _sentence(payload.get("reasons") or (), "the policy asks for a person")
    # A bake's own decision was made of no look, and what people or the data check hold hides what the policy said.
    is_whole = payload.get("signals") is not None and held_by not in (DATA_CHECK, PAUSE, FROZEN, AWAITED, SPENT)
    for kind, holds in (
        ("circuit open", held_by == "circuit"),
        ("call", action == "call" and held_by != "circuit"),
    ):
        if holds or is_whole:
            yield Fact(kind, holds, "decision", cause=cause if holds else "")  # type: ignore[arg-type]  # of a tuple
    standing = payload.get("standing") or {}
    excess, limit = standing.get("excess"), standing.get("limit")
    if excess is not None and limit is not None:
        version, since = standing.get("champion_version"), _moment(standing.get("losing_since"))
        said = f"version {version} has lost {excess:.3g} more than a fresh model would have, {limit:.3g} is the limit"
        yield Fact("excess loss", excess > limit, "standing", cause=said, start=since)


def _budgets(payload: Mapping[str, Any]) -> Iterator[Fact]:
    if payload.get("late"):
        late = f"a run of {payload['late']} takes longer than slo.loop_time.limit ({payload.get('limit')})"
        yield Fact("late run", True, "deadline", str(payload["late"]), late, is_moment=True)
    for budget in payload.get("objectives") or ():
        objective, state = str(budget.get("objective")), budget.get("state")
        if state == "unknown":
            continue
        left = budget.get("left")
        share = "" if left is None else f", {max(0.0, left):.0%} of the error budget is left"
        burning = f"{objective} is missed faster than its budget allows ({state}){share}"
        spent = (
            f"the error budget of {objective} is spent: {budget.get('bad', 0):,} bad, {budget.get('good', 0):,} good"
        )
        yield Fact("budget burn", state in ("ticket", "page"), "slo", objective, burning)
        yield Fact("budget spent", state == "spent", "slo", objective, spent)


def _by_hand(payload: Mapping[str, Any]) -> Fact:
    alias, settled = str(payload.get("alias")), payload.get("settled")
    shown, known = (_named(payload.get(name)) for name in ("shown", "ledger"))
    gone = f" ({payload['deleted']} was deleted)" if payload.get("deleted") else ""
    cause = f"MLflow's alias {alias!r} was moved by hand: it shows {shown}, the ledger says {known}{gone}"
    return Fact("hand change", True, "hand", alias, cause, is_moment=settled in _SETTLED)


def deed_of(event: Event) -> str | None:
    """Say what an event did about what is wrong; None where it did nothing."""
    payload = event.payload
    if event.kind == REQUEST and payload.get("cause"):
        action = str(payload.get("action") or "retrain").replace("_", " ")
        if payload["cause"] == "decision":
            return f"the decision asked to {action}"
        who = "a person" if payload["cause"] == "person" else payload["cause"]
        return f"{who} asked to {action} ({payload.get('reason')})"
    if event.kind == EVALUATE and payload.get("verdict") not in (*PASSED, None):
        return _sentence(
            [f"the challenger was refused: {each}" for each in payload.get("reasons") or ()][:1], "refused"
        )
    if event.kind == APPROVAL and payload.get("answer") == "rejected":
        who = ", ".join(payload.get("by") or ()) or "nobody in time"
        return f"version {version_of(payload)} was rejected by {who}: {payload.get('reason')}"
    if event.kind == DEPLOY and payload.get("outcome") == "refused":
        why = _sentence(payload.get("reasons") or (), "it may not serve")
        return f"version {payload.get('version')} was not deployed: {why}"
    if event.kind == PROMOTION:
        return _promoted(payload)
    if event.kind == FREEZE:
        return _held(payload)
    if event.kind == OVERRIDE and payload.get("by"):
        policy = "the policy in shadow" if payload.get("policy") == "shadow" else "the spec's own policy"
        return f"{payload['by']} had {policy} decide: {payload.get('reason')}"
    if event.kind == HAND_CHANGE:
        return _SETTLED.get(str(payload.get("settled")))
    return None


def _promoted(payload: Mapping[str, Any]) -> str:
    version, back = version_of(payload), payload.get("rollback") or {}
    if payload.get("cause") != ROLLBACK:
        return f"version {version} was promoted"
    return f"rolled back from version {back.get('replaced')} to {version} by {back.get('by')}: {back.get('reason')}"


def _held(payload: Mapping[str, Any]) -> str:
    scope, is_frozen = str(payload.get("scope")), payload.get("frozen")
    words = {
        "loop": "the loop was paused" if is_frozen else "the loop was resumed",
        "promotions": f"promotions were {'frozen' if is_frozen else 'unfrozen'}",
    }
    said = words.get(scope, f"version {payload.get('version')} was {'frozen' if is_frozen else 'unfrozen'}")
    return f"{said} by {payload.get('by')}: {payload.get('reason')}"


def _named(version: object) -> str:
    return "no version" if version is None else f"version {version}"


def _sentence(said: Any, otherwise: str) -> str:
    return "; ".join(str(each) for each in list(said)[:_NAMED]) or otherwise


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
