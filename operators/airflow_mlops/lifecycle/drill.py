"""A rollback that is rehearsed for real: there, until the server answers with the version before, and back.

It takes the same steps as a rollback, freezes nothing, and measures. Whatever happens in between, the version that
served is put back: by this run, or, where it was killed, by the next one. Somebody who promotes meanwhile wins.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import (
    DrillFailed,
    MLOpsError,
    NothingToRehearse,
    NotReady,
    Permanent,
    PromotionConflict,
    RollbackImpossible,
)
from airflow_mlops.events import APPROVAL, DRILL, PROMOTION, REGISTER
from airflow_mlops.lifecycle.attempt import Attempt
from airflow_mlops.lifecycle.coming_back import has_bytes, returning, seconds_of, show
from airflow_mlops.lifecycle.freeze import not_before_champion
from airflow_mlops.lifecycle.proof import Proof, lasting, patiently
from airflow_mlops.lifecycle.targets import Candidate, LocalProcess
from airflow_mlops.lifecycle.trial import try_out
from airflow_mlops.loop.back import choose_back, version_in
from airflow_mlops.loop.history import DEPLOY
from airflow_mlops.refs import DrillRef, ModelRef

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

_LEGS = ("there", "back")


@dataclass(frozen=True)
class Drill:
    """Everything a drill works with; the clients are open already. ``run`` names the drill: made again, it goes on."""

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    client: MlflowClient
    moment: datetime
    run: str
    target: Target = field(default_factory=LocalProcess)
    trial: Callable[..., ServabilityReport] = try_out

    def rehearse(self) -> DrillRef:
        """Go there and back, and record how long restoring took.

        Raises
        ------
        NotReady
            The target loads a version, or has still to swap back: call again.
        NothingToRehearse
            No other version could serve, a version that passed its gate waits, whose verdict a drill would void, or
            somebody promoted before anything was swapped.
        DrillFailed
            Restoring took longer than ``drill.limit``; the champion serves as before.
        RollbackImpossible
            A version to go back to has lost its bytes.
        ModelUnusable, ServerRefused, ServerUnavailable
            The version before cannot serve, or the server is away; nothing was swapped.
        """
        told = self.ledger.find(self.spec.name, DRILL, self.run)
        if told is None:
            self._finish_others()
            there = self._leg(_LEGS[0]) or self._go_there()
            told = self._come_back(there)
        show(self.ledger, self.client, self.spec, at=told.at, run=self.run)
        return self._answer(told)

    def rehearse_within(self, patience_s: float) -> DrillRef:
        """Rehearse, and wait a little for a target that needs time.

        Raises
        ------
        NotReady
            It needs longer.
        """
        return patiently(self.rehearse, patience_s)

    def give_up(self, wait: NotReady, *, after_s: float) -> MLOpsError:
        """End a wait that took too long; what was swapped is swapped back in the ledger, which servers follow."""
        error = lasting(wait, after_s=after_s)
        there = self._leg(_LEGS[0])
        if there is not None:
            self._promote_back(there)
        return error

    # There

    def _go_there(self) -> Event:
        state, promotions = self.ledger.state(self.spec.name), self._promotions()
        self._expect_nobody_waits(state, promotions)
        chosen = self._choose(state, promotions)
        before = ModelRef.from_dict(chosen.payload["model"])
        attempt = self._attempt(before, state.epoch, at=self._at(state))
        attempt.record("asked", {"by": "the loop"})
        rows = chosen.payload.get("rows") or {}
        candidate = self._candidate(before, state.epoch + 1)
        try:
            Proof(self.spec, candidate, attempt, self.target, rows, self.trial, None).give()
            there = self._promote(state, before, rows, leg=_LEGS[0], replaced=promotions[-1])
        except Permanent as error:
            attempt.record("refused", {"reasons": [str(error)]})
            if isinstance(error, PromotionConflict):
                raise self._forestalled() from error
            raise
        if "drill" not in there.payload:
            # A rollback, or an election, took the same version from the same epoch.
            attempt.record("refused", {"reasons": [str(self._forestalled())]})
            raise self._forestalled()
        return there

    def _forestalled(self) -> NothingToRehearse:
        return NothingToRehearse(
            f"somebody promoted or rolled back {self.spec.name} while the drill got ready: nothing was swapped."
        )

    def _choose(self, state: ModelState, promotions: list[Event]) -> Event:
        choice = choose_back(state, promotions, has_bytes=partial(has_bytes, self.store))
        if choice.promotion is not None:
            return choice.promotion
        if choice.lost:
            raise RollbackImpossible(
                f"a rollback of {self.spec.name} would find nothing to go back to: {choice.describe()}. Restore the "
                "artifacts."
            )
        raise NothingToRehearse(
            f"there is nothing to rehearse: {choice.describe() or 'nothing was ever promoted'}. A drill needs a second "
            "version that has served."
        )

    def _expect_nobody_waits(self, state: ModelState, promotions: list[Event]) -> None:
        """Leave a challenger its verdict: it holds for the present epoch only, and a drill moves that twice."""
        since = promotions[-1].seq if promotions else 0
        waiting = {
            str(event.payload.get("version"))
            for event in self.ledger.events(self.spec.name, kind=REGISTER)
            if event.seq > since
        }
        for event in self.ledger.events(self.spec.name, kind=DEPLOY):
            if event.payload["outcome"] == "refused":
                waiting.discard(str(event.payload["version"]))
        for event in self.ledger.events(self.spec.name, kind=APPROVAL):
            if event.payload.get("answer") == "rejected":
                waiting.discard(str(event.payload.get("version")))
        waiting -= {version for version, known in state.versions.items() if known.frozen or known.role == "retired"}
        if waiting:
            raise NothingToRehearse(
                f"version {', '.join(sorted(waiting))} of {self.spec.name} has passed its gate and is about to serve; "
                "a drill now would void that verdict. Drill again when it serves or is refused."
            )

    # And back

    def _come_back(self, there: Event) -> Event:
        """Wait until the target answers with the version before, then put the champion back and wait for that."""
        before = ModelRef.from_dict(there.payload["model"])
        attempt = self._attempt(before, (there.epoch or 0) - 1, at=there.at)
        limit_s = self.spec.drill.limit.total_seconds()
        is_late = self._leg(_LEGS[1]) is not None and attempt.find("done") is None
        if not is_late:
            try:
                patiently(lambda: self.target.swap(self._candidate(before, there.epoch or 0)), limit_s)
                attempt.record("done", {"epoch": there.epoch, "previous_version": there.payload["drill"]["replaced"]})
            except NotReady as wait:
                log.warning("%s Longer than drill.limit, so the champion is put back", wait)
        back = self._promote_back(there)
        if back is not None:
            self.target.swap(self._candidate(ModelRef.from_dict(back.payload["model"]), back.epoch or 0))
        return self._record(there, seconds_of(attempt.find("asked"), attempt, there), is_overtaken=back is None)

    def _promote_back(self, there: Event) -> Event | None:
        """Put the champion back, once; None where somebody promoted meanwhile, who wins."""
        champion = there.payload["drill"]["champion"]
        state = self.ledger.state(self.spec.name)
        try:
            return self.ledger.promote(
                self.spec.name,
                str(champion["version"]),
                expected_epoch=there.epoch or 0,
                payload={
                    "model": champion["model"],
                    "rows": champion.get("rows") or {},
                    "mlflow_version": str(champion["version"]),
                    "cause": DRILL,
                    "drill": {"leg": _LEGS[1], "run": there.run, "replaced": version_in(there)},
                    "evaluation": returning("drill", "the drill is over"),
                },
                at=not_before_champion(state, there.at),
                run=there.run,
            )
        except PromotionConflict as error:
            log.warning("The drill of %s does not put version %s back: %s", self.spec.name, champion["version"], error)
            return None

    def _record(self, there: Event, seconds: dict[str, float], *, is_overtaken: bool, is_cut: bool = False) -> Event:
        limit_s = self.spec.drill.limit.total_seconds()
        held = bool(seconds) and seconds["total"] <= limit_s
        verdict = "cut short" if is_cut else "overtaken" if is_overtaken else "held" if held else "late"
        facts = {
            "version": version_in(there),
            "replaced": there.payload["drill"]["replaced"],
            "epoch": self.ledger.state(self.spec.name).epoch,
            "seconds": seconds,
            "limit_s": limit_s,
            "verdict": verdict,
        }
        return self.ledger.append(self.spec.name, DRILL, there.run or "", facts, at=there.at, run=there.run)

    def _finish_others(self) -> None:
        """Put back what a drill left swapped that was killed half-way."""
        there = next(reversed(self._promotions()), None)
        leg = (there.payload.get("drill") or {}) if there else {}
        if there is None or leg.get("leg") != _LEGS[0] or there.run == self.run:
            return
        log.warning("The drill of run %s was cut short; its champion is put back", there.run)
        back = self._promote_back(there)
        if back is not None:
            self.target.swap(self._candidate(ModelRef.from_dict(back.payload["model"]), back.epoch or 0))
        self._record(there, {}, is_overtaken=back is None, is_cut=True)

    def _answer(self, told: Event) -> DrillRef:
        ref = DrillRef.from_dict({"model": self.spec.name, **told.payload})
        if ref.verdict == "late":
            took = f"took {ref.seconds['total']:.1f} s" if ref.seconds else f"had not ended after {ref.limit_s:g} s"
            raise DrillFailed(
                f"restoring version {ref.version} of {self.spec.name} {took}; drill.limit allows {ref.limit_s:g} s. "
                f"Parts: {ref.seconds or 'not measured'}. Version {ref.replaced} serves as before."
            )
        return ref

    # What both ways need

    def _promotions(self) -> list[Event]:
        return self.ledger.events(self.spec.name, kind=PROMOTION)

    def _leg(self, leg: str) -> Event | None:
        for event in self._promotions():
            if event.run == self.run and (event.payload.get("drill") or {}).get("leg") == leg:
                return event
        return None

    def _promote(
        self, state: ModelState, back: ModelRef, rows: Mapping[str, Any], *, leg: str, replaced: Event
    ) -> Event:
        champion = {
            "version": version_in(replaced),
            **{key: replaced.payload.get(key) for key in ("model", "rows")},
        }
        payload = {
            "model": back.to_dict(),
            "rows": rows,
            "mlflow_version": back.version,
            "cause": DRILL,
            "drill": {"leg": leg, "run": self.run, "replaced": version_in(replaced), "champion": champion},
            "evaluation": returning("drill", "a rollback is rehearsed"),
        }
        return self.ledger.promote(
            self.spec.name,
            str(back.version),
            expected_epoch=state.epoch,
            payload=payload,
            at=self._at(state),
            run=self.run,
        )

    def _attempt(self, model: ModelRef, epoch: int, *, at: datetime) -> Attempt:
        return Attempt.current(self.ledger, self.spec.name, model, epoch, at=at, run=self.run, cause=DRILL)

    def _candidate(self, model: ModelRef, epoch: int) -> Candidate:
        return Candidate(self.spec.name, str(model.version), epoch, model, self.store)

    def _at(self, state: ModelState) -> datetime:
        return not_before_champion(state, self.moment)
