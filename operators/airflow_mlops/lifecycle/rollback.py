"""Back to the last version that served well, in phases that may each be repeated.

The request goes to the ledger first, with what it is about: a run that is retried after somebody else promoted must not
roll back what came meanwhile. Then the same phases as of a deploy: trial, load aside, golden rows, compare-and-swap -
which freezes the bad version in the same transaction - and MLflow and the server follow. Everything is taken from
ledger and artifact store, so that MLflow may be away.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import (
    MLOpsError,
    NotReady,
    Permanent,
    PromotionConflict,
    RollbackConflict,
    RollbackImpossible,
)
from airflow_mlops.events import PROMOTION, ROLLBACK
from airflow_mlops.lifecycle.attempt import Attempt
from airflow_mlops.lifecycle.coming_back import has_bytes, returning, seconds_of, show
from airflow_mlops.lifecycle.freeze import expect_reason, freeze_beside, not_before_champion
from airflow_mlops.lifecycle.proof import Proof, lasting, patiently
from airflow_mlops.lifecycle.targets import Candidate, LocalProcess
from airflow_mlops.lifecycle.trial import try_out
from airflow_mlops.loop.back import choose_back, choose_named, standing, version_in
from airflow_mlops.loop.history import DEPLOY
from airflow_mlops.refs import ModelRef, RollbackRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.deploy import ServabilityReport

log = logging.getLogger(__name__)

# Two people who see the same alarm press the same button: the second click must not go one version further.
SECOND_CLICK = timedelta(hours=1)


@dataclass(frozen=True)
class Rollback:
    """Everything a rollback works with; the clients are open already.

    ``of_version`` is what has to go, ``to`` what shall serve instead; None: what serves, and the last version that
    served well. ``run`` names the request: the same run made again goes on with it.
    """

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    client: MlflowClient
    moment: datetime
    run: str
    reason: str
    by: str
    of_version: str | None = None
    to: str | None = None
    freeze: bool = True
    target: Target = field(default_factory=LocalProcess)
    trial: Callable[..., ServabilityReport] = try_out

    def roll_back(self) -> RollbackRef:
        """Have the last version that served well serve again, and freeze what it takes the place of.

        Returns
        -------
        RollbackRef
            The same for the same request made again, and for one that names a version already rolled back.

        Raises
        ------
        LedgerMisuse
            No reason is given.
        NotReady
            The target loads the version, or has still to swap to it: call again.
        RollbackConflict
            Another version was promoted since the request, or what it names does not serve.
        RollbackImpossible
            There is nothing to go back to, or the champion itself came by a rollback just now.
        ModelUnusable, ArtifactCorrupt
            The version to go back to may not serve.
        ServerRefused, ServerUnavailable
            The model server does not serve this model or refuses the token; or it is away.
        """
        expect_reason(self.reason)
        event = self._done_before()
        if event is None:
            event = self._promote_or_refuse()
            # At once: the ledger's word is out, however long a server takes to follow it.
            show(self.ledger, self.client, self.spec, at=event.at, run=self.run)
        back = ModelRef.from_dict(event.payload["model"])
        self.target.swap(self._candidate(back, event.epoch or 0))
        return self._settle(event, back)

    def roll_back_within(self, patience_s: float) -> RollbackRef:
        """Roll back, and wait a little for a target that needs time.

        Raises
        ------
        NotReady
            It needs longer.
        """
        return patiently(self.roll_back, patience_s)

    def give_up(self, wait: NotReady, *, after_s: float) -> MLOpsError:
        """End a wait that took too long: record the refusal where the version is to blame, and return the error."""
        error = lasting(wait, after_s=after_s)
        if isinstance(error, Permanent) and self._done_before() is None:
            self._refuse(error)
        return error

    # What the record says

    def _done_before(self) -> Event | None:
        """Return the promotion of this run, or of an earlier one that rolled back the same version."""
        promotions = self._promotions()
        for event in promotions:
            if event.payload.get("cause") == ROLLBACK and event.run == self.run:
                return event
        present, asked = standing(promotions), self.ledger.find(self.spec.name, ROLLBACK, self.run)
        of_version = asked.payload["replaced"] if asked else self.of_version
        told = (present.payload.get("rollback") or {}) if present else {}
        if present is not None and told and of_version is not None and told["replaced"] == of_version:
            return present if self.to in (None, version_in(present)) else None
        if present is not None and told and self.to == version_in(present):
            return present
        return None

    def _promotions(self) -> list[Event]:
        return self.ledger.events(self.spec.name, kind=PROMOTION)

    def _ask(self, state: ModelState, present: Event) -> Event:
        """Record what this run is about, before anything is done; made again, it is still about that."""
        facts = {
            "outcome": "asked",
            "replaced": self.of_version or version_in(present),
            "is_named": bool(self.of_version or self.to),
            "to": self.to,
            "of_epoch": state.epoch,
            "reason": self.reason,
            "by": self.by,
        }
        return self.ledger.append(self.spec.name, ROLLBACK, self.run, facts, at=self._at(state), run=self.run)

    # Up to the promotion

    def _promote_or_refuse(self) -> Event:
        try:
            return self._promote()
        except Permanent as error:
            self._refuse(error)
            raise

    def _promote(self) -> Event:
        state, promotions = self.ledger.state(self.spec.name), self._promotions()
        present = standing(promotions)
        if present is None or state.champion is None:
            raise RollbackImpossible(f"nothing of {self.spec.name} was ever promoted: there is nothing to roll back.")
        asked = self._ask(state, present)
        self._expect_wanted(asked, present, state)
        chosen = self._choose(state, promotions)
        back = ModelRef.from_dict(chosen.payload["model"])
        rows = chosen.payload.get("rows") or {}
        attempt = self._attempt(back, state)
        candidate = self._candidate(back, state.epoch + 1)
        Proof(self.spec, candidate, attempt, self.target, rows, self.trial, None).give()
        try:
            return self._swap(state, version_in(present), back, rows)
        except PromotionConflict as error:
            if version_in(standing(self._promotions()) or present) != version_in(present):
                raise self._conflict(asked) from error
        # A drill went there or back meanwhile: what is to go is still the same.
        return self._promote()

    def _swap(self, state: ModelState, replaced: str, back: ModelRef, rows: Mapping[str, Any]) -> Event:
        payload = {
            "model": back.to_dict(),
            "rows": rows,
            "mlflow_version": back.version,
            "cause": ROLLBACK,
            "rollback": {"replaced": replaced, "reason": self.reason, "by": self.by, "of_epoch": state.epoch},
            "evaluation": returning("roll back", self.reason),
        }
        beside = freeze_beside(state, replaced, reason=self.reason, by=self.by) if self.freeze else []
        version, epoch = str(back.version), state.epoch
        event = self.ledger.promote(
            self.spec.name,
            version,
            expected_epoch=epoch,
            payload=payload,
            at=self._at(state),
            run=self.run,
            beside=beside,
        )
        if event.payload.get("cause") != ROLLBACK:
            # A drill, or an election, took the same version from the same epoch: another act, which froze nothing.
            raise PromotionConflict(model=self.spec.name, version=version, expected_epoch=epoch, epoch=epoch + 1)
        return event

    def _expect_wanted(self, asked: Event, present: Event, state: ModelState) -> None:
        """Refuse to roll back another version than the one that was meant."""
        if asked.payload["replaced"] != version_in(present):
            raise self._conflict(asked)
        told = present.payload.get("rollback")
        if not told or asked.payload["is_named"] or asked.recorded_at - present.recorded_at > SECOND_CLICK:
            return
        raise RollbackImpossible(
            f"version {version_in(present)} of {self.spec.name} serves since epoch {state.epoch} because {told['by']} "
            f"rolled back version {told['replaced']} ({told['reason']}) less than an hour ago. Nothing was done: to go "
            f"back further on purpose, name version {version_in(present)} as the one that has to go."
        )

    def _conflict(self, asked: Event) -> RollbackConflict:
        state = self.ledger.state(self.spec.name)
        return RollbackConflict(
            model=self.spec.name,
            version=asked.payload["replaced"],
            expected_epoch=asked.payload["of_epoch"],
            epoch=state.epoch,
            serving=state.champion.version if state.champion else "none",
        )

    def _choose(self, state: ModelState, promotions: list[Event]) -> Event:
        whole = partial(has_bytes, self.store)
        choice = (
            choose_named(state, promotions, self.to, has_bytes=whole)
            if self.to
            else choose_back(state, promotions, has_bytes=whole)
        )
        for version, reason in choice.passed_over:
            log.info("Version %s was passed over: it %s", version, reason)
        if choice.promotion is None:
            raise RollbackImpossible(
                f"there is no version of {self.spec.name} to go back to: {choice.describe()}. The champion stays. "
                "Unfreeze a version that may serve (airflow-mlops unfreeze), name one that was rolled back and is free "
                "(airflow-mlops rollback --to), or train another one."
            )
        return choice.promotion

    def _refuse(self, error: Permanent) -> None:
        """Record that the request came to nothing, and let a server go of what it was asked to load."""
        state = self.ledger.state(self.spec.name)
        for event in reversed(self.ledger.events(self.spec.name, kind=DEPLOY)):
            if event.run == self.run and event.payload.get("cause") == ROLLBACK:
                if event.payload["outcome"] == "prepared":
                    back = ModelRef.from_dict(event.payload["model"])
                    self._attempt(back, state).record("refused", {"reasons": [str(error)]})
                break
        facts = {"outcome": "refused", "reasons": [str(error)], "reason": self.reason, "by": self.by}
        self.ledger.append(self.spec.name, ROLLBACK, f"{self.run}:refused", facts, at=self._at(state), run=self.run)

    def _attempt(self, back: ModelRef, state: ModelState) -> Attempt:
        return Attempt.current(
            self.ledger, self.spec.name, back, state.epoch, at=self._at(state), run=self.run, cause=ROLLBACK
        )

    def _candidate(self, back: ModelRef, epoch: int) -> Candidate:
        return Candidate(self.spec.name, str(back.version), epoch, back, self.store)

    def _at(self, state: ModelState) -> datetime:
        return not_before_champion(state, self.moment)

    # After the promotion

    def _settle(self, event: Event, back: ModelRef) -> RollbackRef:
        """Record once that the target answers with it, bring MLflow in line, and say what serves."""
        run, told = event.run or self.run, event.payload["rollback"]
        attempt = Attempt.current(
            self.ledger, self.spec.name, back, told["of_epoch"], at=event.at, run=run, cause=ROLLBACK
        )
        attempt.record("done", {"epoch": event.epoch, "previous_version": told["replaced"]})
        show(self.ledger, self.client, self.spec, at=event.at, run=self.run)
        known = self.ledger.state(self.spec.name).versions.get(told["replaced"])
        asked = self.ledger.find(self.spec.name, ROLLBACK, run)
        return RollbackRef(
            model=self.spec.name,
            version=version_in(event),
            epoch=event.epoch or 0,
            replaced=told["replaced"],
            reason=told["reason"],
            by=told["by"],
            frozen=bool(known and known.frozen),
            seconds=seconds_of(asked, attempt, event),
        )
