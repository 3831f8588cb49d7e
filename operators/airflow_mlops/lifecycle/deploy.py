"""From a registered version to the champion, in phases that may each be repeated.

A trial in a process of its own, *prepared* in the ledger, load aside and replay golden rows, compare-and-swap in the
ledger, then MLflow's alias and the target as its projections, done. Whatever fails before the swap leaves the old
champion serving and its reason in the ledger; whatever fails after it is made good by the next try, which finds the
version promoted. A target that needs time raises `NotReady`: the same call, made again, goes on where it stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import DeploymentMisuse, NotReady, Permanent, PromotionConflict, PromotionFrozen
from airflow_mlops.events import PROMOTION
from airflow_mlops.lifecycle.approval import expect_approved
from airflow_mlops.lifecycle.attempt import Attempt
from airflow_mlops.lifecycle.promote import promote, rows_of
from airflow_mlops.lifecycle.proof import Proof, lasting, patiently
from airflow_mlops.lifecycle.reconcile import expect_known_ledger, reconcile
from airflow_mlops.lifecycle.targets import Candidate, LocalProcess
from airflow_mlops.lifecycle.trial import try_out
from airflow_mlops.refs import DeploymentRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.errors import MLOpsError
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.refs import EvaluationRef, ModelRef
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.deploy import ServabilityReport


@dataclass(frozen=True)
class Deployment:
    """Everything a deploy works with; the clients are open already.

    ``moment`` is event time, ``run`` names who deploys, ``trial`` tries a version out as `try_out` does.
    ``facts`` go into the promotion's event: who asked for it and why, where a person did.
    """

    spec: ModelSpec
    model: ModelRef
    evaluation: EvaluationRef
    store: ArtifactStore
    ledger: Ledger
    client: MlflowClient
    moment: datetime
    target: Target = field(default_factory=LocalProcess)
    run: str | None = None
    trial: Callable[..., ServabilityReport] = try_out
    facts: Mapping[str, Any] = field(default_factory=dict)

    def deploy(self) -> DeploymentRef:
        """Make the version champion, or refuse it and say why.

        Returns
        -------
        DeploymentRef
            ``promoted`` is False where the version served already, promoted by another evaluation.

        Raises
        ------
        NotReady
            The target loads the version, or has still to swap to it: call again.
        PromotionConflict
            Another version was promoted since the evaluation.
        PromotionFrozen
            The version is frozen, or every promotion is.
        DeploymentMisuse
            The evaluation refused the model, or is another model's; or the champion has this version's number and is
            another model.
        ApprovalMissing
            A person rejected the version, or has to approve it and has not.
        ModelUnusable
            The version cannot be loaded, predicts something else than when it was trained, or breaks a limit.
        ArtifactCorrupt
            MLflow does not hold the bytes that were trained.
        LedgerCorrupt
            MLflow was shown a later promotion than this ledger knows.
        ServerRefused, ServerUnavailable
            The model server does not serve this model or refuses the token; or it is away.
        """
        self._expect_fit()
        epoch = self._promoted_epoch()
        if epoch is None:
            expect_approved(self.ledger, self.spec, self.version, self.evaluation)
            epoch = self._promote()
            # At once: the ledger's word is out, however long a server takes to follow it.
            reconcile(self.ledger, self.client, self.spec, at=self.moment, run=self.run, has_promoted=True)
        self.target.swap(self._candidate(epoch))
        return self._settle(epoch)

    def deploy_within(self, patience_s: float) -> DeploymentRef:
        """Deploy, and wait a little for a target that needs time.

        Raises
        ------
        NotReady
            It needs longer.
        """
        return patiently(self.deploy, patience_s)

    def give_up(self, wait: NotReady, *, after_s: float) -> MLOpsError:
        """End a wait that took too long: record the refusal where the version is to blame, and return the error."""
        error = lasting(wait, after_s=after_s)
        if isinstance(error, Permanent) and self._promoted_epoch() is None:
            self._attempt.record("refused", {"reasons": [str(error)]})
        return error

    # Before anything is done

    def _expect_fit(self) -> None:
        if not self.evaluation.passed:
            raise DeploymentMisuse(
                f"version {self.version} of {self.spec.name} was refused by its evaluation: "
                f"{'; '.join(self.evaluation.reasons)}. The champion stays."
            )
        if self.evaluation.model_id not in (None, self.model.id):
            raise DeploymentMisuse(
                f"evaluation {self.evaluation.id} judged model {self.evaluation.model_id}, and version {self.version} "
                f"of {self.spec.name} is model {self.model.id}. Give deploy the evaluation of the version it deploys."
            )

    def _promoted_epoch(self) -> int | None:
        """Return the epoch the version was promoted at: from this evaluation, or from another one and it serves."""
        earlier = self.ledger.find(self.spec.name, PROMOTION, f"{self.version}@{self.evaluation.epoch}")
        if earlier is not None:
            self._expect_same(earlier.payload)
            return earlier.epoch or 0
        champion = self.ledger.state(self.spec.name).champion
        if champion is not None and champion.version == self.version:
            self._expect_same(champion.payload)
            return champion.epoch
        return None

    def _expect_same(self, promoted: Mapping[str, Any]) -> None:
        """Refuse a number that MLflow gave twice: under another name of the registered model, or on another server."""
        served = (promoted.get("model") or {}).get("digest")
        if served not in (None, self.model.digest):
            raise DeploymentMisuse(
                f"{self.spec.name} had a version {self.version} promoted already, and that is another model: MLflow "
                "counts anew after register.model or the tracking server was changed. Change it back, or give the spec "
                "a new name."
            )

    @property
    def version(self) -> str:
        """The version to deploy."""
        return str(self.model.version)

    # Up to the promotion

    def _promote(self) -> int:
        try:
            self._expect_open()
            expect_known_ledger(self.ledger, self.client, self.spec)
            candidate = self._candidate(self.evaluation.epoch + 1)
            rows = rows_of(self.spec)
            Proof(self.spec, candidate, self._attempt, self.target, rows, self.trial, self.client).give()
            event = promote(
                self.ledger,
                self.spec,
                self.model,
                self.evaluation,
                at=self.moment,
                run=self.run,
                facts=self.facts,
            )
        except Permanent as error:
            self._attempt.record("refused", {"reasons": [str(error)]})
            raise
        return event.epoch or 0

    def _expect_open(self) -> None:
        """Refuse early what the swap would refuse later, before anything is downloaded."""
        state = self.ledger.state(self.spec.name)
        if state.epoch != self.evaluation.epoch:
            raise PromotionConflict(
                model=self.spec.name, version=self.version, expected_epoch=self.evaluation.epoch, epoch=state.epoch
            )
        known = state.versions.get(self.version)
        held = (known and known.frozen) or state.promotions_frozen
        if held:
            subject = f"version {self.version}" if held.scope == "version" else "promotions"
            raise PromotionFrozen(
                model=self.spec.name, version=self.version, subject=subject,
                by=held.by, reason=held.reason, since=held.since,
            )  # fmt: skip

    def _candidate(self, epoch: int) -> Candidate:
        return Candidate(self.spec.name, self.version, epoch, self.model, self.store)

    @property
    def _attempt(self) -> Attempt:
        return Attempt.current(
            self.ledger, self.spec.name, self.model, self.evaluation.epoch, at=self.moment, run=self.run
        )

    # After the promotion

    def _settle(self, epoch: int) -> DeploymentRef:
        """Bring MLflow in line with the ledger, and say what serves."""
        reconcile(self.ledger, self.client, self.spec, at=self.moment, run=self.run)
        is_ours = epoch == self.evaluation.epoch + 1
        evidence = self._attempt.find("servable")
        report = evidence.payload["report"] if evidence and is_ours else {}
        previous = self._before(epoch)
        if is_ours:
            self._attempt.record("done", {"epoch": epoch, "previous_version": previous, "report": report})
        return DeploymentRef(
            model=self.spec.name,
            version=self.version,
            epoch=epoch,
            promoted=is_ours,
            previous_version=previous,
            latency_ms=report.get("latency_ms"),
            memory_mb=report.get("memory_mb"),
        )

    def _before(self, epoch: int) -> str | None:
        """Return the version that served before this epoch."""
        for event in self.ledger.events(self.spec.name, kind=PROMOTION):
            if event.epoch == epoch - 1:
                return str(event.payload["version"])
        return None
