"""What is counted and measured of a model, for metrics: a fold over its events, beside what a row of the list says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, PROMOTION
from airflow_mlops.overview.plain import items, mapping, name, number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_mlops.events import Event

Tally = dict[str, Any]

# Names that one count is told apart by, such as actions: those beyond are counted together.
NAMES, OTHER = 16, "other"
# The looks from which the time between two of them is told.
LOOKS = 8

_PASSED = ("pass", "passed")
_MEASURED = ("value", "low", "high", "limit")


def none_yet() -> Tally:
    """Return the tally of a model before its first event; plain JSON."""
    return {
        "events": 0,
        "recorded_at": None,
        "looks": 0,
        "look": None,
        "looked": [],
        "signals": {},
        "decisions": {},
        "checks": {},
        "trainings": 0,
        "training_seconds": 0.0,
        "trained": None,
        "refusals": {},
        "promotions": {},
        "late": 0,
        "objectives": [],
        "asked_at": None,
    }


def counted(tally: Mapping[str, Any], event: Event) -> Tally:
    """Give the tally after one more event; ``tally`` is not changed.

    Parameters
    ----------
    tally : mapping
        From `none_yet` or an earlier call.
    event : Event
        The next one of this model; what it lacks, or holds in another form than our stages write, is not counted.
    """
    change = _CHANGES.get(event.kind)
    changed = change(tally, event) if change else {}
    told = {"events": tally["events"] + 1, "recorded_at": event.recorded_at.isoformat()}
    return {**tally, **changed, **told}


def _looked(tally: Mapping[str, Any], event: Event) -> Tally:
    payload = event.payload
    found = {
        key: _signal(tally, key, each) for each in _signals(payload) if (key := name(each.get("name"))) is not None
    }
    look = {
        "at": event.at.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "version": name(payload.get("champion_version")),
        "age_days": number(payload.get("age_days")),
    }
    # A look that is repeated stands at the same moment.
    looked = sorted({*tally["looked"], look["at"]})[-LOOKS:]
    return {"looks": tally["looks"] + 1, "look": look, "looked": looked, "signals": found}


def _signals(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [mapping(each) for each in list(mapping(payload.get("measured")).values())[:NAMES]]


def _signal(tally: Mapping[str, Any], key: str, signal: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a signal, and how many looks in a row have said that it drifted; one that is not known does not end them."""
    verdict, before = name(signal.get("verdict")), tally["signals"].get(key, {}).get("drifted", 0)
    drifted = before + 1 if verdict == "drifted" else before if verdict == "unknown" else 0
    return {"verdict": verdict, "drifted": drifted, **{each: number(signal.get(each)) for each in _MEASURED}}


def _decided(tally: Mapping[str, Any], event: Event) -> Tally:
    action = name(event.payload.get("action"))
    return {"decisions": _one_more(tally["decisions"], action)} if action else {}


def _validated(tally: Mapping[str, Any], event: Event) -> Tally:
    verdict = name((mapping(event.payload.get("ref")) or event.payload).get("verdict"))
    return {"checks": _one_more(tally["checks"], verdict)} if verdict else {}


def _trained(tally: Mapping[str, Any], event: Event) -> Tally:
    seconds = number(event.payload.get("seconds"))
    return {
        "trainings": tally["trainings"] + 1,
        "training_seconds": round(tally["training_seconds"] + (seconds or 0.0), 3),
        "trained": seconds,
    }


def _judged(tally: Mapping[str, Any], event: Event) -> Tally:
    verdict = name(event.payload.get("verdict"))
    return {} if verdict is None or verdict in _PASSED else {"refusals": _one_more(tally["refusals"], "evaluate")}


def _deployed(tally: Mapping[str, Any], event: Event) -> Tally:
    is_refused = event.payload.get("outcome") == "refused"
    return {"refusals": _one_more(tally["refusals"], "deploy")} if is_refused else {}


def _answered(tally: Mapping[str, Any], event: Event) -> Tally:
    answer = event.payload.get("answer")
    if answer == "asked":
        return {"asked_at": event.recorded_at.isoformat()}
    return {"refusals": _one_more(tally["refusals"], "approve")} if answer == "rejected" else {}


def _promoted(tally: Mapping[str, Any], event: Event) -> Tally:
    return {"promotions": _one_more(tally["promotions"], name(event.payload.get("cause")) or OTHER)}


def _budgets(tally: Mapping[str, Any], event: Event) -> Tally:
    if event.payload.get("late"):
        return {"late": tally["late"] + 1}
    if "objectives" not in event.payload:
        return {}
    told = map(mapping, items(event.payload["objectives"])[:NAMES])
    return {"objectives": [_objective(each) for each in told if name(each.get("objective"))]}


def _objective(budget: Mapping[str, Any]) -> dict[str, Any]:
    rates = (number(mapping(burn).get("rate")) for burn in items(budget.get("burns")))
    return {
        "objective": name(budget.get("objective")),
        "state": name(budget.get("state")),
        **{each: number(budget.get(each)) for each in ("left", "target", "sli")},
        "burn": max((rate for rate in rates if rate is not None), default=None),
    }


def _one_more(counts: Mapping[str, int], what: str) -> dict[str, int]:
    what = what if what in counts or len(counts) < NAMES else OTHER
    return {**counts, what: counts.get(what, 0) + 1}


_CHANGES: dict[str, Callable[[Mapping[str, Any], Event], Tally]] = {
    PROMOTION: _promoted,
    APPROVAL: _answered,
    "signals": _looked,
    "decision": _decided,
    "validate": _validated,
    "train": _trained,
    "evaluate": _judged,
    "deploy": _deployed,
    "slo": _budgets,
}
