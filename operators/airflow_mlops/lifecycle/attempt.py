"""The events of one attempt to deploy a version: what a repeated try finds, and what a fresh one begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.refs import EvaluationRef, ModelRef

KIND = "deploy"


@dataclass(frozen=True)
class Attempt:
    """One attempt, from the trial to *done* or *refused*; a version that was refused may have another.

    Whoever follows the ledger takes *prepared* as a word to load a version, and *refused* as a word to let go of it: a
    second attempt has to say *prepared* again, and so needs keys of its own.
    """

    ledger: Ledger
    name: str
    model: ModelRef
    evaluation: EvaluationRef
    number: int
    at: datetime
    run: str | None

    @classmethod
    def current(
        cls,
        ledger: Ledger,
        name: str,
        model: ModelRef,
        evaluation: EvaluationRef,
        *,
        at: datetime,
        run: str | None,
    ) -> Self:
        """Return the attempt that is under way, or that comes next."""
        ours = (str(model.version), evaluation.epoch)
        payloads = [event.payload for event in ledger.events(name, kind=KIND)]
        refusals = sum(
            payload["outcome"] == "refused" and (str(payload["version"]), payload["expected_epoch"]) == ours
            for payload in payloads
        )
        return cls(ledger, name, model, evaluation, 1 + refusals, at, run)

    def find(self, outcome: str) -> Event | None:
        """Return this attempt's event, or None."""
        return self.ledger.find(self.name, KIND, self._key(outcome))

    def record(self, outcome: str, facts: dict[str, Any]) -> Event:
        """Append an event; the same outcome twice leaves one."""
        payload = {
            "outcome": outcome,
            "version": str(self.model.version),
            "expected_epoch": self.evaluation.epoch,
            "model_id": self.model.id,
            **facts,
        }
        return self.ledger.append(self.name, KIND, self._key(outcome), payload, at=self.at, run=self.run)

    def _key(self, outcome: str) -> str:
        again = f"#{self.number}" if self.number > 1 else ""
        return f"{self.model.version}@{self.evaluation.epoch}:{outcome}{again}"
