"""An event of the ledger as a sentence: what happened, by whose hand, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.payloads import Sentence, facts, text, texts, versioned
from airflow_mlops.loop.told_loop import LOOP_SENTENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.events import Event

# What people, and care by hand, did; the rest happened by itself.
PEOPLE = (
    "approval",
    "freeze",
    "role",
    "override",
    "rollback",
    "hand_change",
    "drill",
    "transfer",
    "retention",
    "clock",
)
# Whose hand it was where no person is named.
LOOP = "the loop"
# MLflow does not say who moved an alias.
_NAMELESS = {"hand_change": "somebody, in MLflow"}


@dataclass(frozen=True, slots=True)
class Told:
    """An event for people.

    ``who`` is a person, or ``the loop``; ``what`` and ``why`` are sentences, ``why`` None where none is on record.
    ``is_person`` tells that a person did it.
    """

    who: str
    what: str
    why: str | None
    is_person: bool


def tell(event: Event) -> Told:
    """Say an event as a sentence; one of a kind, or with a payload, that is not known is named by its kind and key."""
    payload = event.payload
    sentence = _SENTENCES.get(event.kind)
    what = (sentence(payload) if sentence else None) or f"{event.kind.replace('_', ' ').capitalize()} {event.key}."
    people = _people(payload) or [name for kind, name in _NAMELESS.items() if kind == event.kind]
    people = [name for name in people if name != LOOP]
    return Told(", ".join(people) or LOOP, what, _why(payload), bool(people))


def _people(payload: Mapping[str, Any]) -> list[str]:
    by = payload.get("by") or facts(payload, "rollback").get("by") or facts(payload, "correction").get("by")
    return [by] if isinstance(by, str) else texts(by)


def _why(payload: Mapping[str, Any]) -> str | None:
    """Return the first reason that is on record, whoever gave it."""
    given = payload.get("reason") or facts(payload, "rollback").get("reason")
    reasons = [given] if isinstance(given, str) else texts(payload.get("reasons"))
    reasons = reasons or texts(facts(payload, "evaluation").get("reasons"))
    return reasons[0] if reasons else None


# What people did


def _approval(payload: Mapping[str, Any]) -> str:
    version, answer = versioned(payload), payload.get("answer")
    if answer == "automatic":
        return f"{version} was let through without asking anybody."
    if answer == "asked":
        return f"An approval of {version} was asked for."
    return f"{version} was {answer or 'answered'}."


def _freeze(payload: Mapping[str, Any]) -> str:
    is_frozen, scope = bool(payload.get("frozen")), payload.get("scope")
    if scope == "loop":
        return "The loop was paused." if is_frozen else "The loop goes on after a pause."
    subject = versioned(payload) if scope == "version" else "Promotions"
    was = "was" if scope == "version" else "were"
    return f"{subject} {was} frozen." if is_frozen else f"{subject} {was} unfrozen."


def _role(payload: Mapping[str, Any]) -> str:
    return f"{versioned(payload)} was given the role {payload.get('role')}."


def _override(payload: Mapping[str, Any]) -> str:
    policy = payload.get("policy")
    kind = facts(payload, "kinds").get(str(policy))
    named = f" ({str(kind).replace('_', ' ')})" if kind else ""
    if policy == "shadow":
        return f"The policy in shadow{named} decides from now on, until the spec changes."
    return f"The policy of the spec{named} decides again."


def _rollback(payload: Mapping[str, Any]) -> str:
    replaced = f"v{payload['replaced']}" if payload.get("replaced") else "the champion"
    if payload.get("outcome") == "refused":
        return "A rollback was refused."
    to = f"to v{payload['to']}" if payload.get("to") else "to the version before"
    return f"A rollback from {replaced} {to} was asked for."


def _hand_change(payload: Mapping[str, Any]) -> str:
    alias = payload.get("alias")
    shown, ledger = (f"v{payload[key]}" if payload.get(key) else "no version" for key in ("shown", "ledger"))
    done = {"restore": "it is set back", "adopt": "that version is tried", "ask": "it is left as it is"}
    gone = f"; {payload['deleted']} is deleted there" if payload.get("deleted") else ""
    settled = done.get(str(payload.get("settled")), f"settled as {payload.get('settled')}")
    return f"MLflow's alias {alias} was changed by hand: on {shown}, the ledger says {ledger}{gone}; {settled}."


def _drill(payload: Mapping[str, Any]) -> str:
    verdict, seconds = payload.get("verdict"), facts(payload, "seconds").get("total")
    took = f" in {seconds:.3g} s" if isinstance(seconds, int | float) else ""
    limit = f" ({payload['limit_s']:g} s may be)" if isinstance(payload.get("limit_s"), int | float) else ""
    replaced = f" from v{payload['replaced']}" if payload.get("replaced") else ""
    return f"A drill went back{replaced} to {versioned(payload)}{took}{limit}: {verdict}."


def _reproduction(payload: Mapping[str, Any]) -> str:
    said = payload.get("sentence")
    return str(said).rstrip(".") + "." if said else f"{versioned(payload)} was trained again: {payload.get('verdict')}."


def _transfer(payload: Mapping[str, Any]) -> str:
    source = facts(payload, "source")
    version = f"v{source['version']}" if source.get("version") else "a version"
    return f"{versioned(payload)} came from another ledger, where it is {version}."


def _retention(payload: Mapping[str, Any]) -> str:
    kinds: dict[str, int] = {}
    for item in payload.get("deleted") or ():
        kind = str(item.get("kind")) if isinstance(item, dict) else "thing"
        kinds[kind] = kinds.get(kind, 0) + 1
    counted = ", ".join(f"{count:,} of kind {kind}" for kind, count in sorted(kinds.items()))
    return f"Retention deleted {counted or 'nothing'}."


def _clock(payload: Mapping[str, Any]) -> str:
    behind = payload.get("behind_s")
    ahead = f" by {behind / 3600:,.1f} h" if isinstance(behind, int | float) else ""
    return f"The clock of writing was set back{ahead}; later times of writing count from here."


def _notice(payload: Mapping[str, Any]) -> str:
    count, target = len(texts(payload.get("told"))), text(payload, "target") or "somebody"
    if not count:
        return f"{target} is told from here on what goes wrong."
    day = f", in the digest of {payload['day']}" if payload.get("day") else ""
    return f"{target} was told of {'one thing' if count == 1 else f'{count:,} things'}{day}."


_SENTENCES: dict[str, Sentence] = {
    **LOOP_SENTENCES,
    "approval": _approval,
    "freeze": _freeze,
    "role": _role,
    "override": _override,
    "rollback": _rollback,
    "hand_change": _hand_change,
    "drill": _drill,
    "reproduction": _reproduction,
    "transfer": _transfer,
    "retention": _retention,
    "clock": _clock,
    "notice": _notice,
}
