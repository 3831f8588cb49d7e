"""What a person may do to a model now, and what would happen: read from the ledger, without the spec."""

from __future__ import annotations

from dataclasses import dataclass

# The API reads these types while it runs.
from datetime import datetime  # noqa: TC003
from functools import partial
from typing import TYPE_CHECKING

from airflow_mlops.events import DRILL, OVERRIDE
from airflow_mlops.lifecycle.coming_back import has_bytes
from airflow_mlops.lifecycle.override import Override, overridden_by
from airflow_mlops.loop.back import choose_back, choose_named, version_in
from airflow_mlops.loop.history import DECISION, SHADOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, Freeze, ModelState
    from airflow_mlops.ledger.reader import LedgerReader

# A list that a person chooses from; whoever means an older version has the form of the actions DAG.
_MOST = 20
# Versions of which a sentence says why a rollback passes them over.
_TOLD = 5
# Looks over which the policy in shadow is compared with the one that decides.
_LOOKS = 50


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version that served before and is free to serve again; times are event time."""

    version: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """A frozen version: by whom, why, since when."""

    version: str
    by: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class AskedOverride(Override):
    """An override that was asked for last; ``retrain`` names the retrain section of the spec for which it holds."""

    retrain: str | None


@dataclass(frozen=True, slots=True)
class Policies:
    """Which policy decides and which one is in shadow, by kind, and in how many of the last looks they differed.

    ``from_next_look`` tells that somebody has changed it since the last look.
    """

    live: str | None
    shadow: str | None
    override: Override | None
    from_next_look: bool
    looks: int
    differed: int
    live_retrains: int
    shadow_retrains: int


@dataclass(frozen=True, slots=True)
class Acting:
    """What may be done to a model.

    ``back`` is the version that a rollback would choose, ``no_back`` why there is none; ``earlier`` are all that may be
    named, the newest first. ``free`` are versions that may be frozen. ``restore_seconds`` is what the last drill took.
    ``at`` is the newest moment that the ledger knows. ``asked`` is the last override, in force or not: the spec says.
    """

    serving: str | None
    back: Earlier | None
    no_back: str | None
    earlier: tuple[Earlier, ...]
    free: tuple[str, ...]
    frozen: tuple[HeldVersion, ...]
    paused: Freeze | None
    promotions_frozen: Freeze | None
    policies: Policies | None
    asked: AskedOverride | None
    restore_seconds: float | None
    at: datetime | None


def what_may_be_done(ledger: LedgerReader, store: ArtifactStore, model: str) -> Acting:
    """Read what a person may do to a model now.

    Parameters
    ----------
    ledger : LedgerReader
        Of the model.
    store : ArtifactStore
        Where the bytes of versions are: what lost them cannot serve again.
    model : str
        Whose.

    Raises
    ------
    LedgerCorrupt
        A promotion is missing, or an event that is read whole was changed.
    """
    outline = ledger.outline(model)
    state, promotions = outline.state, outline.promotions
    choice = choose_back(state, promotions, has_bytes=partial(has_bytes, store))
    back = _earlier(version_in(choice.promotion), promotions) if choice.promotion else None
    versions = list(reversed(state.versions.values()))
    drill = state.last.get(DRILL)
    return Acting(
        serving=state.champion.version if state.champion else None,
        back=back,
        no_back=None if back else _no_back(state, choice.passed_over),
        earlier=_all_earlier(state, promotions, store),
        free=tuple(each.version for each in versions if each.frozen is None)[:_MOST],
        frozen=tuple(
            HeldVersion(each.version, each.frozen.by, each.frozen.reason, each.frozen.since)
            for each in versions
            if each.frozen
        )[:_MOST],
        paused=state.paused,
        promotions_frozen=state.promotions_frozen,
        policies=_policies(ledger, state, model),
        asked=_asked(state.last.get(OVERRIDE)),
        restore_seconds=((drill.payload if drill else {}).get("seconds") or {}).get("total"),
        at=max((event.at for event in state.last.values()), default=None),
    )


def _no_back(state: ModelState, passed_over: Sequence[tuple[str, str]]) -> str:
    if state.champion is None:
        return "nothing serves yet"
    others = [f"version {version} {reason}" for version, reason in passed_over if reason != "serves now"]
    if len(others) > _TOLD:
        others[_TOLD:] = [f"and so on, {len(others)} versions in all"]
    return "; ".join(others) or f"no version but version {state.champion.version} ever served"


def _all_earlier(state: ModelState, promotions: list[Event], store: ArtifactStore) -> tuple[Earlier, ...]:
    served = list(dict.fromkeys(version_in(event) for event in reversed(promotions)))[: _MOST + 1]
    whole = partial(has_bytes, store)
    free = [each for each in served if choose_named(state, promotions, each, has_bytes=whole).promotion]
    return tuple(_earlier(each, promotions) for each in free[:_MOST])


def _earlier(version: str, promotions: list[Event]) -> Earlier:
    """Say when a version served last; a drill, which lets another one answer for a moment, ends nothing."""
    served = [event for event in promotions if event.payload.get("cause") != DRILL]
    place = max(place for place, event in enumerate(served) if version_in(event) == version)
    return Earlier(version, served[place].at, served[place + 1].at if place + 1 < len(served) else None)


def _policies(ledger: LedgerReader, state: ModelState, model: str) -> Policies | None:
    """Compare the two policies of the last looks; None where the last look had none in shadow."""
    decision, shadow, asked = (state.last.get(kind) for kind in (DECISION, SHADOW, OVERRIDE))
    is_newer = asked is not None and (decision is None or asked.seq > decision.seq)
    if decision is None or shadow is None or decision.key != shadow.key:
        return _not_looked(asked) if asked is not None and is_newer else None
    override = _override(decision)
    wanted = overridden_by(asked) if asked is not None and is_newer else override
    kinds = [_kind(decision), _kind(shadow)]
    changes = (wanted is None) is not (override is None)
    live, beside = reversed(kinds) if changes else kinds
    return Policies(live, beside, wanted, changes, *_compared(ledger, model))


def _asked(event: Event | None) -> AskedOverride | None:
    override = overridden_by(event) if event else None
    if event is None or override is None:
        return None
    return AskedOverride(override.by, override.reason, override.since, event.payload.get("retrain"))


def _not_looked(asked: Event) -> Policies:
    """Tell of an override before the policy in shadow has looked for the first time."""
    kinds, override = asked.payload.get("kinds") or {}, overridden_by(asked)
    live, shadow = ("shadow", "own") if override else ("own", "shadow")
    return Policies(kinds.get(live), kinds.get(shadow), override, override is not None, 0, 0, 0, 0)


def _compared(ledger: LedgerReader, model: str) -> tuple[int, int, int, int]:
    """Count looks, those in which the two differed, and the trainings that either asked for."""
    found = ledger.newest(model, kinds=(DECISION, SHADOW), limit=2 * _LOOKS)
    shadows = {event.key: event.payload.get("action") for event in found if event.kind == SHADOW}
    pairs = [
        (event.payload.get("action"), shadows[event.key])
        for event in found
        if event.kind == DECISION and event.key in shadows
    ]
    differed = sum(ours != theirs for ours, theirs in pairs)
    live, beside = (sum(pair[place] == "retrain" for pair in pairs) for place in (0, 1))
    return len(pairs), differed, live, beside


def _override(decision: Event) -> Override | None:
    told = (decision.payload.get("policy") or {}).get("override")
    return Override.from_dict(told) if told else None


def _kind(decision: Event) -> str | None:
    return (decision.payload.get("policy") or {}).get("kind")
