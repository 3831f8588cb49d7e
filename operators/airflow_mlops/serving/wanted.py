"""What a server should have in memory, by the ledger: champion, the one before it, and the one that is prepared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.events import PROMOTION
from airflow_mlops.loop.history import DEPLOY
from airflow_mlops.serving.loaded import RowFacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger

Role = Literal["champion", "previous", "prepared"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A version to have in memory, and as what; ``model`` names its bytes as the ledger does."""

    role: Role
    version: str
    epoch: int | None
    model: dict[str, Any]
    facts: RowFacts
    since: datetime | None = None

    @property
    def id(self) -> tuple[str, str]:
        """Tells loaded versions apart; a number may have been given twice."""
        return self.version, str(self.model.get("digest"))


def wanted_versions(ledger: Ledger, model: str) -> list[Wanted]:
    """Read which versions of a model a server should have, the most urgent first.

    Raises
    ------
    LedgerUnavailable
        The ledger did not answer.
    LedgerCorrupt
        An event was changed.
    """
    state = ledger.state(model)
    promotions = ledger.events(model, kind=PROMOTION) if state.champion else []
    found = [_of_promotion("champion", event) for event in promotions[-1:]]
    if prepared := _prepared(ledger.events(model, kind=DEPLOY), state):
        found.append(prepared)
    current = state.champion.version if state.champion else None
    earlier = [event for event in promotions[:-1] if str(event.payload["version"]) != current]
    found += [_of_promotion("previous", event) for event in earlier[-1:]]
    by_id: dict[tuple[str, str], Wanted] = {}
    for each in found:
        by_id.setdefault(each.id, each)
    return list(by_id.values())


def _of_promotion(role: Role, event: Event) -> Wanted:
    payload = event.payload
    facts = RowFacts.of(payload.get("rows"))
    return Wanted(role, str(payload["version"]), event.epoch, payload.get("model") or {}, facts, event.at)


def _prepared(deploys: Sequence[Event], state: ModelState) -> Wanted | None:
    """Return the version that was prepared last against the present epoch, unless it was refused since."""
    refused: set[str] = set()
    for event in reversed(deploys):
        payload = event.payload
        version = str(payload.get("version"))
        if payload.get("expected_epoch") != state.epoch or version in refused:
            continue
        if payload.get("outcome") == "refused":
            refused.add(version)
        if payload.get("outcome") == "prepared" and payload.get("model"):
            return Wanted("prepared", version, None, payload["model"], RowFacts.of(payload.get("rows")))
    return None
