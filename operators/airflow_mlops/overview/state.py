"""What a model's row says first: of all that holds, the one that needs a person most, and why in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

# The first that holds is said. "out of order" is said of a ledger that cannot be trusted, by who reads it.
State = Literal[
    "out of order",
    "data blocked",
    "needs approval",
    "budget spent",
    "needs a person",
    "paused",
    "frozen",
    "no champion",
    "retraining",
    "watching",
    "healthy",
]
STATES: tuple[State, ...] = get_args(State)
NEEDS_PERSON = STATES[:5]


def state_of(overview: Mapping[str, Any]) -> tuple[str, str]:
    """Return the state and the sentence why.

    Parameters
    ----------
    overview : mapping
        From `advance`.
    """
    for state in STATES:
        why = _REASONS[state](overview) if state in _REASONS else None
        if why is not None:
            return state, why
    return "healthy", _quiet(overview)


def _blocked(overview: Mapping[str, Any]) -> str | None:
    check = overview["data_check"] or {}
    if check.get("verdict") not in ("failed", "missing"):
        return None
    silent = "it ended without a verdict" if check["verdict"] == "missing" else "its report says why"
    return f"the data check of {_day(check['at'])} did not pass: {check['sentence'] or silent}"


def _awaited(overview: Mapping[str, Any]) -> str | None:
    found = overview["approval"]
    return found and f"v{found['version']} waits for a person's approval since {_day(found['since'])}"


def _spent(overview: Mapping[str, Any]) -> str | None:
    budget = overview["budget"] or {}
    return f"the error budget of {budget['objective']} is spent" if budget.get("state") == "spent" else None


def _called(overview: Mapping[str, Any]) -> str | None:
    decision = overview["decision"] or {}
    return decision["sentence"] if decision.get("action") == "call" else None


def _paused(overview: Mapping[str, Any]) -> str | None:
    held = overview["paused"]
    return held and f"the loop is paused by {held['by']} since {_day(held['since'])} ({held['reason']})"


def _frozen(overview: Mapping[str, Any]) -> str | None:
    held = overview["frozen"]
    return held and f"promotions are frozen by {held['by']} since {_day(held['since'])} ({held['reason']})"


def _unserved(overview: Mapping[str, Any]) -> str | None:
    if overview["serving"] is not None:
        return None
    opened, challenger = overview["request"], overview["challenger"] or {}
    if opened is not None:
        return f"no version was promoted yet; {_doing(opened)}"
    if challenger.get("stage") == "refused":
        return "no version was promoted yet; the last challenger was refused"
    return "no version was promoted yet"


def _retraining(overview: Mapping[str, Any]) -> str | None:
    opened = overview["request"]
    return opened and f"{_doing(opened)}: {opened['reason']}"


def _doing(opened: Mapping[str, Any]) -> str:
    return f"a run is at it since {_day(opened['since'])} ({opened['action']})"


def _watching(overview: Mapping[str, Any]) -> str | None:
    decision, budget = overview["decision"] or {}, overview["budget"] or {}
    if decision.get("action", "nothing") != "nothing" or decision.get("held_by"):
        return decision["sentence"]
    if budget.get("state") in ("page", "ticket"):
        return f"the error budget of {budget['objective']} is burned faster than it may"
    if overview["moved"]:
        return f"out of the ordinary at the last look: {', '.join(overview['moved']).replace('_', ' ')}"
    return None


def _quiet(overview: Mapping[str, Any]) -> str:
    decision = overview["decision"]
    return decision["sentence"] if decision else "nothing was decided yet"


def _day(at: str) -> str:
    return at[:16].replace("T", " ")


_REASONS = {
    "data blocked": _blocked,
    "needs approval": _awaited,
    "budget spent": _spent,
    "needs a person": _called,
    "paused": _paused,
    "frozen": _frozen,
    "no champion": _unserved,
    "retraining": _retraining,
    "watching": _watching,
}
