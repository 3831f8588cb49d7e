"""What a run came to, in a few sentences: the note that stands beside it in Airflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import APPROVAL, BACK, DRILL, FREEZE, OVERRIDE, PROMOTION, REPLACED, REQUEST, ROLLBACK
from airflow_mlops.loop.markdown import inert
from airflow_mlops.overview.plain import items, mapping, name, number

if TYPE_CHECKING:
    from airflow_mlops.events import Event

NOTED = ("decision", "evaluate", "deploy", APPROVAL, REQUEST, PROMOTION, DRILL, FREEZE, OVERRIDE, "reproduction")
"""Kinds of events that may end a run."""

# Airflow keeps no more of a note.
_LONGEST = 1000
_REASONS = 3
_OWN_AGAIN = "From now on the spec's own policy decides again."


@dataclass(frozen=True, slots=True)
class Note:
    """A note for a run; ``kinds`` are those of the DAGs it may be of, the likeliest first."""

    run_id: str
    kinds: tuple[str, ...]
    text: str


def note_of(event: Event) -> Note | None:
    """Return the note to an event; None where it ends no run, or no run recorded it.

    Parameters
    ----------
    event : Event
        Of one of the kinds `NOTED`; of any other there is no note.
    """
    tell = _TELLING.get(event.kind)
    told = tell(event) if tell and event.run else None
    if told is None:
        return None
    kinds, text = told
    return Note(str(event.run), kinds, text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


_Told = tuple[tuple[str, ...], str] | None


def _decided(event: Event) -> _Told:
    payload = event.payload
    action, held_by = name(payload.get("action")), name(payload.get("held_by"))
    if action is None:
        return None
    head = f"Decided: {action}{f', held by the {held_by}' if held_by else ''}."
    return ("monitor", "bake"), _joined(head, *_reasons(payload), payload.get("counterfactual"))


def _judged(event: Event) -> _Told:
    if event.payload.get("verdict") != "fail":
        return None
    return ("retrain",), _joined("Refused: what was trained does not replace the champion.", *_reasons(event.payload))


def _deployed(event: Event) -> _Told:
    payload = event.payload
    if payload.get("outcome") != "refused":
        return None
    kinds = _kinds_of(payload.get("cause"))
    return kinds, _joined(f"Refused: v{name(payload.get('version'))} does not serve.", *_reasons(payload))


def _answered(event: Event) -> _Told:
    payload = event.payload
    if payload.get("answer") != "rejected":
        return None
    people = " and ".join(str(each) for each in items(payload.get("by"))) or "somebody"
    head = f"Rejected by {people}: v{name(payload.get('version'))} does not serve."
    return ("retrain",), _joined(head, payload.get("reason"))


def _asked(event: Event) -> _Told:
    if event.payload.get("cause") is not None:
        return None
    return ("retrain",), _joined("Nothing was trained.", event.payload.get("reason"))


def _promoted(event: Event) -> _Told:
    payload = event.payload
    version, cause = name(payload.get("version")), payload.get("cause")
    if version is None or cause == DRILL:
        return None
    head = f"Rolled back: v{version} serves again." if cause == ROLLBACK else f"Promoted: v{version} serves."
    given = payload.get("reason")
    reasons = [given] if isinstance(given, str) and given else _reasons(mapping(payload.get("evaluation")))
    return _kinds_of(cause), _joined(head, *reasons)


def _rehearsed(event: Event) -> _Told:
    seconds = number(mapping(event.payload.get("seconds")).get("total"))
    took = "" if seconds is None else f" It took {seconds:.1f} s."
    return ("drill", "actions"), f"Rollback rehearsed: {name(event.payload.get('verdict'))}.{took}"


def _held(event: Event) -> _Told:
    payload = event.payload
    if REPLACED in event.key:
        # Beside a rollback, which is what the run came to.
        return None
    version, is_frozen = name(payload.get("version")), bool(payload.get("frozen"))
    scope = payload.get("scope")
    if scope == "loop":
        head = "Paused: the loop asks for nothing by itself." if is_frozen else "Resumed: the loop goes on."
    elif scope == "promotions":
        head = "Frozen: nothing is promoted." if is_frozen else "Unfrozen: versions may be promoted again."
    elif version is None:
        return None
    else:
        head = f"Frozen: v{version} is not promoted." if is_frozen else f"Unfrozen: v{version} may be promoted again."
    return ("actions",), _joined(head, payload.get("reason"))


def _overridden(event: Event) -> _Told:
    payload = event.payload
    head = "From now on the policy in shadow decides." if payload.get("policy") == "shadow" else _OWN_AGAIN
    return ("actions",), _joined(head, payload.get("reason"))


def _repeated(event: Event) -> _Told:
    told = event.payload.get("sentence")
    return (("reproduce", "actions"), _joined(told)) if isinstance(told, str) and told.strip() else None


_TELLING = {
    "decision": _decided,
    "evaluate": _judged,
    "deploy": _deployed,
    APPROVAL: _answered,
    REQUEST: _asked,
    PROMOTION: _promoted,
    DRILL: _rehearsed,
    FREEZE: _held,
    OVERRIDE: _overridden,
    "reproduction": _repeated,
}


def _kinds_of(cause: Any) -> tuple[str, ...]:
    return ("actions", "bake", "drill") if cause in BACK else ("retrain",)


def _reasons(payload: Any) -> list[Any]:
    return items(payload.get("reasons"))[:_REASONS]


def _joined(*parts: Any) -> str:
    """Make sentences of the texts among the parts."""
    texts = [inert(part.strip()) for part in parts if isinstance(part, str) and part.strip()]
    return " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in texts)
