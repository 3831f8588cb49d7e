"""The events of one attempt to have a version served: what a repeated try finds, and what a fresh one begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.loop.history import DEPLOY

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.refs import ModelRef


@dataclass(frozen=True)
class Attempt:
    """One attempt, from the trial to *done* or *refused*; a version that was refused may have another.

    Whoever follows the ledger takes *prepared* as a word to load a version, and *refused* as a word to let go of it: a
    second attempt has to say *prepared* again, and so needs keys of its own. ``epoch`` is the one that is to end.
    ``cause`` is "rollback" or "drill" where a version comes back; then each run makes its own attempt.
    """

    ledger: Ledger
    name: str
    model: ModelRef
    epoch: int
    number: int
    at: datetime
    run: str | None
    cause: str | None = None

    @classmethod
    def current(
        cls,
        ledger: Ledger,
        name: str,
        model: ModelRef,
        epoch: int,
        *,
        at: datetime,
        run: str | None,
        cause: str | None = None,
    ) -> Self:
        """Return the attempt that is under way, or that comes next."""
        ours = (str(model.version), epoch, cause, run if cause else None)
        refusals = sum(
            event.payload["outcome"] == "refused" and _whose(event) == ours
            for event in ledger.events(name, kind=DEPLOY)
        )
        return cls(ledger, name, model, epoch, 1 + refusals, at, run, cause)

    def find(self, outcome: str) -> Event | None:
        """Return this attempt's event, or None."""
        return self.ledger.find(self.name, DEPLOY, self._key(outcome))

    def record(self, outcome: str, facts: dict[str, Any]) -> Event:
        """Append an event; the same outcome twice leaves one."""
        payload = {
            "outcome": outcome,
            "version": str(self.model.version),
            "expected_epoch": self.epoch,
            "model_id": self.model.id,
            **({"cause": self.cause} if self.cause else {}),
            **facts,
        }
        return self.ledger.append(self.name, DEPLOY, self._key(outcome), payload, at=self.at, run=self.run)

    def _key(self, outcome: str) -> str:
        again = f"#{self.number}" if self.number > 1 else ""
        whose = f":{self.cause} {self.run}" if self.cause else ""
        return f"{self.model.version}@{self.epoch}:{outcome}{again}{whose}"


def _whose(event: Event) -> tuple[str, int, str | None, str | None]:
    payload = event.payload
    cause = payload.get("cause")
    return str(payload["version"]), payload["expected_epoch"], cause, event.run if cause else None
