"""Which version a rollback goes back to: the last one that served well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.events import DRILL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_mlops.events import Event, ModelState

    # Takes the model of a promotion, as the event holds it.
    HasBytes = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """What to go back to: the last promotion of that version, or None where there is none.

    ``passed_over`` says of each version that served later why it was not taken; ``lost`` are those among them whose
    bytes are gone.
    """

    promotion: Event | None
    passed_over: tuple[tuple[str, str], ...]
    lost: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say why the others were passed over, in one line."""
        return "; ".join(f"version {version} {reason}" for version, reason in self.passed_over)


def standing(promotions: Sequence[Event]) -> Event | None:
    """Return the promotion of what serves when no drill is going on: the last one that was none."""
    return next((event for event in reversed(promotions) if event.payload.get("cause") != DRILL), None)


def choose_back(state: ModelState, promotions: Sequence[Event], *, has_bytes: HasBytes) -> Choice:
    """Choose the last version that served well.

    Promotions are walked back from the newest. Passed over are what serves now, what is frozen, what was itself rolled
    back and not promoted since, and what has lost its bytes. Drills do not count as serving.

    Parameters
    ----------
    state : ModelState
        Says what is frozen.
    promotions : sequence of Event
        In the order of epochs.
    has_bytes : callable
        Whether the model of a promotion is whole in the artifact store.
    """
    present, rolled_back = standing(promotions), _rolled_back(promotions)
    passed_over: dict[str, str] = {}
    lost = []
    for event in reversed(promotions):
        version = str(event.payload["version"])
        if event.payload.get("cause") == DRILL or version in passed_over:
            continue
        reason = "serves now" if present and version == version_in(present) else _held(state, version)
        reason = reason or next((why for seq, why in rolled_back.get(version, ()) if seq > event.seq), None)
        if reason is None and not has_bytes(event.payload.get("model") or {}):
            reason = "is not whole in the artifact store"
            lost.append(version)
        if reason is None:
            return Choice(event, tuple(passed_over.items()), tuple(lost))
        passed_over[version] = reason
    return Choice(None, tuple(passed_over.items()), tuple(lost))


def choose_named(state: ModelState, promotions: Sequence[Event], version: str, *, has_bytes: HasBytes) -> Choice:
    """Choose the version that somebody names: one that has served, is not frozen, and is whole.

    That it was rolled back before does not count: whoever names it knows that.
    """
    served = [event for event in promotions if version_in(event) == version and event.payload.get("cause") != DRILL]
    present = standing(promotions)
    if not served:
        return Choice(None, ((version, "has never served"),))
    reason = "serves now" if present and version == version_in(present) else _held(state, version)
    if reason is None and not has_bytes(served[-1].payload.get("model") or {}):
        return Choice(None, ((version, "is not whole in the artifact store"),), (version,))
    return Choice(None, ((version, reason),)) if reason else Choice(served[-1], ())


def version_in(promotion: Event) -> str:
    """Return the version of a promotion."""
    return str(promotion.payload["version"])


def _held(state: ModelState, version: str) -> str | None:
    known = state.versions.get(version)
    return f"is frozen by {known.frozen.by} ({known.frozen.reason})" if known and known.frozen else None


def _rolled_back(promotions: Sequence[Event]) -> dict[str, list[tuple[int, str]]]:
    """Say of each version that was rolled back by which events, in their order."""
    found: dict[str, list[tuple[int, str]]] = {}
    for event in promotions:
        if told := event.payload.get("rollback"):
            why = f"was itself rolled back ({told.get('reason')})"
            found.setdefault(str(told.get("replaced")), []).append((event.seq, why))
    return found
