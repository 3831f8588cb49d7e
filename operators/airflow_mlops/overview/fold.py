"""The fold: what each event changes of an overview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, BACK, DRILL, FREEZE, PROMOTION, REGISTER, REQUEST, ROLE, version_of
from airflow_mlops.overview import curves, tally
from airflow_mlops.overview.plain import first_sentence, items, mapping, moment, name, number, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_mlops.events import Event

Overview = dict[str, Any]

# To be raised with every change of what the fold gives: an overview of another form is made anew from the events.
FORM = 5

_PASSED = ("pass", "passed")
_WAITS = "awaiting approval"


def begun() -> Overview:
    """Return the overview of a model before its first event; plain JSON."""
    return {
        "form": FORM,
        "seq": 0,
        "serving": None,
        "challenger": None,
        "approval": None,
        "paused": None,
        "frozen": None,
        "request": None,
        "decision": None,
        "data_check": None,
        "budget": None,
        "maturity": None,
        "freshness": None,
        "moved": [],
        "quality": None,
        "drift": None,
        "tally": tally.none_yet(),
        "curves": curves.none_yet(),
    }


def advance(overview: Mapping[str, Any], event: Event) -> Overview:
    """Give the overview after one more event; ``overview`` is not changed.

    Parameters
    ----------
    overview : mapping
        From `begun` or an earlier call.
    event : Event
        The next one of this model. What it lacks, or holds in another form than our stages write, is passed over: the
        event is on record, and nobody is helped by a fold that stops.
    """
    change = _CHANGES.get(event.kind)
    changed = change(overview, event) if change else {}
    return {**overview, **changed, "tally": tally.counted(overview["tally"], event), "seq": event.seq}


# What people and the server see


def _promoted(overview: Mapping[str, Any], event: Event) -> Overview:
    payload = event.payload
    version, cause = _version(payload), name(payload.get("cause"))
    if version is None:
        return {}
    evaluation = name(mapping(payload.get("evaluation")).get("id"))
    goes_on = cause in BACK
    challenger, model = overview["challenger"], name(mapping(payload.get("model")).get("id"))
    # A training on the same rows gives a model that has its version already, and is not registered again.
    is_again = model is not None and model == (challenger or {}).get("model")
    return {
        "serving": _serving(overview["serving"], event, version, cause),
        "challenger": None if is_again or _is_challenger(overview, version) else _asked_no_more(challenger),
        # What was judged against the champion before does not serve any more, whatever somebody answers.
        "approval": None,
        # A training is not ended by a version that comes back meanwhile.
        "request": overview["request"] if goes_on else None,
        "curves": curves.trained(overview["curves"], event, evaluation=evaluation, outcome="promoted", version=version)
        if evaluation
        else overview["curves"],
    }


def _asked_no_more(challenger: Overview | None) -> Overview | None:
    is_waiting = challenger is not None and challenger["stage"] == _WAITS
    return {**challenger, "stage": "passed"} if challenger and is_waiting else challenger


def _serving(before: Overview | None, event: Event, version: str, cause: str | None) -> Overview:
    """Return what serves now; what a drill brings back after a moment serves as long as it did before."""
    now = {"version": version, "epoch": event.epoch, "since": event.at.isoformat(), "cause": cause}
    if cause != DRILL or before is None:
        return now
    drilled = before.get("drilled")
    if drilled and drilled["version"] == version:
        return {**drilled, "epoch": event.epoch}
    return {**now, "drilled": {key: value for key, value in before.items() if key != "drilled"}}


def _trained(overview: Mapping[str, Any], event: Event) -> Overview:
    model = name(event.payload.get("id"))
    return {
        "challenger": _challenger(event, "trained", model=model),
        "curves": curves.trained(overview["curves"], event, model=model),
    }


def _judged(overview: Mapping[str, Any], event: Event) -> Overview:
    payload = event.payload
    model, evaluation = name(payload.get("model_id")), name(payload.get("id"))
    has_passed = payload.get("verdict") in _PASSED
    changed: Overview = {"challenger": _challenger(event, "passed" if has_passed else "refused", model=model)}
    if payload.get("gate", "full") == "full":
        learned = name(payload.get("trained_id")) or model
        outcome = {} if has_passed else {"outcome": "refused"}
        changed["curves"] = curves.trained(overview["curves"], event, model=learned, evaluation=evaluation, **outcome)
    return changed if has_passed else changed | {"request": None}


def _registered(overview: Mapping[str, Any], event: Event) -> Overview:
    version, model = _version(event.payload), name(event.payload.get("id"))
    if version is None:
        return {}
    known = overview["challenger"] or {}
    is_known = model is not None and known.get("model") == model
    return {
        "challenger": {**known, "version": version}
        if is_known
        else _challenger(event, "trained", model=model, version=version),
        # Of two versions only the one registered last is asked about.
        "approval": None,
    }


def _deployed(overview: Mapping[str, Any], event: Event) -> Overview:
    payload = event.payload
    if payload.get("outcome") != "refused" or payload.get("cause") in BACK:
        return {}
    return _refused(overview, event, _version(payload))


def _refused(overview: Mapping[str, Any], event: Event, version: str | None) -> Overview:
    """End what was asked for: the challenger does not serve."""
    ended: Overview = {"request": None, "approval": None}
    if version is None or not _is_challenger(overview, version):
        return ended
    known = overview["challenger"]
    return ended | {
        "challenger": {**known, "stage": "refused", "since": event.at.isoformat()},
        "curves": curves.trained(
            overview["curves"], event, evaluation=known["evaluation"], outcome="refused", version=version
        )
        if known["evaluation"]
        else overview["curves"],
    }


def _answered(overview: Mapping[str, Any], event: Event) -> Overview:
    version, answer = _version(event.payload), event.payload.get("answer")
    if version is None:
        return {}
    if answer == "rejected":
        return _refused(overview, event, version)
    is_open = answer in ("asked", "first")
    waiting = overview["approval"] or {}
    since = waiting.get("since") if waiting.get("version") == version else event.at.isoformat()
    changed: Overview = {"approval": {"version": version, "since": since} if is_open else None}
    if _is_challenger(overview, version):
        stage = _WAITS if is_open else "passed"
        changed["challenger"] = {**overview["challenger"], "stage": stage, "since": event.at.isoformat()}
    return changed


def _given_role(overview: Mapping[str, Any], event: Event) -> Overview:
    version, role = _version(event.payload), event.payload.get("role")
    if version is None:
        return {}
    if role == "shadow":
        return {"challenger": _challenger(event, "shadow", version=version)}
    is_over = role == "retired" or (overview["challenger"] or {}).get("stage") == "shadow"
    return {"challenger": None} if is_over and _is_challenger(overview, version) else {}


def _froze(_: Mapping[str, Any], event: Event) -> Overview:
    payload = event.payload
    place = {"loop": "paused", "promotions": "frozen"}.get(str(payload.get("scope")))
    if place is None:
        return {}
    by, reason = name(payload.get("by")) or "somebody", sentence(payload.get("reason")) or "no reason is given"
    return {place: {"by": by, "reason": reason, "since": event.at.isoformat()} if payload.get("frozen") else None}


# What the loop sees and decides


def _asked(overview: Mapping[str, Any], event: Event) -> Overview:
    payload = event.payload
    if payload.get("cause") is None:
        # A run that found nothing to do.
        opened = overview["request"] or {}
        return {"request": None} if opened.get("run") == event.run else {}
    action, reason = name(payload.get("action")) or "retrain", sentence(payload.get("reason")) or "no reason is given"
    return {"request": {"action": action, "reason": reason, "since": event.at.isoformat(), "run": name(event.run)}}


def _looked(overview: Mapping[str, Any], event: Event) -> Overview:
    payload = event.payload
    signals = {key: mapping(each) for key, each in mapping(payload.get("measured")).items()}
    quality, age = mapping(payload.get("quality")), signals.get("freshness", {})
    share, at = number(quality.get("maturity")), moment(quality.get("end"))
    days = number(age.get("value"))
    # Twenty names are more than a row can say.
    moved = sorted(key for key, each in signals.items() if each.get("verdict") in ("drifted", "watch"))[:20]
    drawn = curves.measured(overview["curves"], event)
    changed: Overview = {
        "moved": [name(key) for key in moved],
        # Beside the curves, so that a thousand models are sorted without reading theirs.
        **{each: curves.last(drawn[each]) for each in ("quality", "drift")},
        "curves": drawn,
    }
    if payload.get("data_check") is not None:
        why = first_sentence(payload.get("data_check_reasons"))
        changed["data_check"] = _checked(event, payload["data_check"], why)
    if share is not None and at is not None:
        changed["maturity"] = {"share": share, "at": at}
    if days is not None:
        changed["freshness"] = {"days": days, "limit": number(age.get("limit"))}
    return changed


def _validated(_: Mapping[str, Any], event: Event) -> Overview:
    report = mapping(event.payload.get("ref")) or event.payload
    if report.get("verdict") is None:
        return {}
    worst = [mapping(each).get("message") for each in items(mapping(report.get("summary")).get("worst"))]
    return {"data_check": _checked(event, report["verdict"], first_sentence(worst))}


def _checked(event: Event, verdict: object, why: str | None) -> Overview:
    return {"at": event.at.isoformat(), "verdict": name(verdict), "sentence": why}


def _decided(_: Mapping[str, Any], event: Event) -> Overview:
    action = name(event.payload.get("action"))
    if action is None:
        return {}
    said = first_sentence(event.payload.get("reasons")) or "no reason is given"
    held_by = name(event.payload.get("held_by"))
    return {
        "decision": {
            "at": event.at.isoformat(),
            "action": action,
            "sentence": said,
            "key": name(event.key),
            "held_by": held_by,
        }
    }


def _counted(_: Mapping[str, Any], event: Event) -> Overview:
    """Keep the objective of which the least is left; that a run is late says nothing of the rest."""
    found = [
        {"at": event.at.isoformat(), "objective": objective, "left": number(each.get("left")), "state": state}
        for each in map(mapping, items(event.payload.get("objectives")))
        if (objective := name(each.get("objective"))) and (state := name(each.get("state")))
    ]
    if not found:
        return {"budget": None} if "objectives" in event.payload else {}
    # Nothing can be said of an objective with few counts, so another one is told of where there is one.
    return {"budget": min(found, key=_left)}


def _left(budget: Mapping[str, Any]) -> tuple[bool, float]:
    left = budget["left"]
    return budget["state"] == "unknown" or left is None, 0.0 if left is None else left


def _challenger(event: Event, stage: str, *, model: str | None = None, version: str | None = None) -> Overview:
    is_evaluation = event.kind == "evaluate"
    return {
        "version": version,
        "stage": stage,
        "since": event.at.isoformat(),
        "model": model,
        "evaluation": name(event.payload.get("id")) if is_evaluation else None,
    }


def _is_challenger(overview: Mapping[str, Any], version: str) -> bool:
    return (overview["challenger"] or {}).get("version") == version


def _version(payload: Mapping[str, Any]) -> str | None:
    return name(version_of({**payload, "model": mapping(payload.get("model"))}))


_CHANGES: dict[str, Callable[[Mapping[str, Any], Event], Overview]] = {
    PROMOTION: _promoted,
    REGISTER: _registered,
    APPROVAL: _answered,
    FREEZE: _froze,
    ROLE: _given_role,
    REQUEST: _asked,
    "train": _trained,
    "evaluate": _judged,
    "deploy": _deployed,
    "signals": _looked,
    "validate": _validated,
    "decision": _decided,
    "slo": _counted,
}
