"""What a look finds of the time before it: who serves since when, and the looks made then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.events import BACK, PROMOTION
from airflow_mlops.loop.history import SIGNALS
from airflow_mlops.loop.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_mlops.events import Event


def trained(events: Sequence[Event]) -> tuple[datetime | None, dict[str, Any]]:
    """Return since when what was trained serves, and its evaluation; a version that was gone back to begins anew.

    Parameters
    ----------
    events : sequence of Event
        Of one model, in the order of their numbers.
    """
    promotions = [event for event in events if event.kind == PROMOTION]
    full = [event for event in promotions if _is_of_training(event)]
    last = promotions[-1] if promotions else None
    if last is not None and last.payload.get("cause") in BACK:
        own = [event for event in full if event.payload.get("version") == last.payload.get("version")]
        return last.at, (own[-1].payload.get("evaluation") or {}) if own else {}
    return (full[-1].at, full[-1].payload.get("evaluation") or {}) if full else (None, {})


def looks_of(events: Sequence[Event], *, before: datetime) -> list[Signals]:
    """Return the signals of the looks before a moment, one each; of a look that was made twice the last."""
    looks = [event for event in events if event.kind == SIGNALS and event.at < before]
    found = {event.at: Signals.from_dict(event.payload) for event in looks}
    return [found[at] for at in sorted(found)]


def _is_of_training(promotion: Event) -> bool:
    return (promotion.payload.get("evaluation") or {}).get("gate", "full") == "full"
