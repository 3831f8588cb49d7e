"""Promote a version because somebody says so: by the command line, or by an alias that they moved in MLflow.

Nothing is skipped: the version has to be on record with an evaluation that it passed, may not be frozen, proves in a
process of its own that it can serve, and is swapped in only if the champion has not moved meanwhile.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import DeploymentMisuse, NotReady, Permanent, PromotionFrozen
from airflow_mlops.lifecycle.deploy import Deployment
from airflow_mlops.lifecycle.reconcile import Reconciled, reconcile
from airflow_mlops.lifecycle.targets import LocalProcess
from airflow_mlops.lifecycle.trial import try_out
from airflow_mlops.loop.history import EVALUATE
from airflow_mlops.refs import EvaluationRef, ModelRef

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.refs import DeploymentRef
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.deploy import ServabilityReport

log = logging.getLogger(__name__)

CAUSE = "by hand"
# A small model is loaded by a server within this time; a larger one is waited for by the next look.
_PATIENCE_S = 5.0


@dataclass(frozen=True)
class ByHand:
    """Everything that a promotion by hand works with; the clients are open already.

    ``at`` is event time, ``run`` names who promotes, ``target`` and ``trial`` are as for `Deployment`.
    """

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    client: MlflowClient
    at: datetime
    run: str | None = None
    target: Target = field(default_factory=LocalProcess)
    trial: Callable[..., ServabilityReport] = try_out

    def promote(
        self, version: str, *, by: str, reason: str, patience_s: float, expected_epoch: int | None = None
    ) -> DeploymentRef:
        """Make a version champion.

        Parameters
        ----------
        version : str
            As the ledger knows it.
        by, reason : str
            Who asks for it, and why.
        patience_s : float
            How long a server is waited for.
        expected_epoch : int, optional
            Refuse where the ledger is at another one. Default: the one it is at.

        Raises
        ------
        DeploymentMisuse
            The ledger does not know the version, or has no evaluation of it, or one that it failed.
        PromotionFrozen
            The version is frozen, or every promotion of the model is.
        PromotionConflict
            Another version was promoted meanwhile.
        ModelUnusable, ArtifactCorrupt
            It cannot serve, or MLflow does not hold its bytes.
        NotReady
            The server needs longer.
        """
        state = self.ledger.state(self.spec.name)
        model = known_version(state, version)
        evaluation = evaluation_of(self.ledger, state, model)
        facts = {"by": by, "reason": reason}
        return self.deploy(
            state, model, evaluation, cause=CAUSE, facts=facts, patience_s=patience_s, expected_epoch=expected_epoch
        )

    def deploy(
        self,
        state: ModelState,
        model: ModelRef,
        evaluation: EvaluationRef,
        *,
        cause: str,
        facts: dict[str, Any],
        patience_s: float,
        expected_epoch: int | None = None,
    ) -> DeploymentRef:
        """Take a registered model the whole way of a deploy, on an evaluation that is not repeated.

        Parameters
        ----------
        state : ModelState
            Of the ledger, now.
        model : ModelRef
            Registered.
        evaluation : EvaluationRef
            That it passed, whatever the champion was then.
        cause : str
            Of the promotion.
        facts : dict
            More that the promotion says.
        patience_s : float
            How long a server is waited for.
        expected_epoch : int, optional
            As for `promote`.
        """
        epoch = state.epoch if expected_epoch is None else expected_epoch
        deployment = Deployment(
            spec=self.spec,
            model=model,
            evaluation=replace(evaluation, epoch=epoch, action=cause),
            store=self.store,
            ledger=self.ledger,
            client=self.client,
            target=self.target,
            moment=not_before_champion(state, self.at),
            run=self.run,
            trial=self.trial,
            facts=facts,
        )
        return deployment.deploy_within(patience_s)

    def settle(self, found: Reconciled) -> DeploymentRef | None:
        """Adopt the version that the champion's alias was moved to, or set the alias back where it may not serve.

        Parameters
        ----------
        found : Reconciled
            What `reconcile` noticed; nothing is done where it noticed nothing to adopt.
        """
        adopted = next((change for change in found.by_hand if change.settled == "adopt"), None)
        if adopted is None:
            return None
        reason = f"alias {adopted.alias} was moved in MLflow from version {adopted.ledger} to {adopted.shown}"
        try:
            return self.promote(str(adopted.shown), by="somebody in MLflow", reason=reason, patience_s=_PATIENCE_S)
        except NotReady as wait:
            log.info("Adopting version %s goes on at the next look: %s", adopted.shown, wait)
        except Permanent as error:
            log.warning("Version %s is not adopted, and the alias is set back: %s", adopted.shown, error)
            reconcile(self.ledger, self.client, self.spec, at=self.at, run=self.run, settle="restore")
        return None


def known_version(state: ModelState, version: str) -> ModelRef:
    """Return the model of a version that may serve.

    Raises
    ------
    DeploymentMisuse
        The ledger does not know it.
    PromotionFrozen
        It is frozen.
    """
    known = state.versions.get(version)
    if known is None:
        raise DeploymentMisuse(
            f"the ledger knows no version {version} of {state.model}; it knows {', '.join(state.versions) or 'none'}. "
            "Only what was registered by a run is promoted."
        )
    if held := known.frozen:
        raise PromotionFrozen(
            model=state.model,
            version=version,
            subject=f"version {version}",
            by=held.by,
            reason=held.reason,
            since=held.since,
        )
    return replace(ModelRef.from_dict(known.payload), version=version)


def evaluation_of(ledger: Ledger, state: ModelState, model: ModelRef) -> EvaluationRef:
    """Return the newest evaluation of a model; what promoted it where it served.

    Raises
    ------
    DeploymentMisuse
        It was never judged, or failed.
    """
    judged = [each.payload for each in ledger.events(state.model, kind=EVALUATE)]
    ours = [payload for payload in judged if payload.get("model_id") == model.id]
    if not ours:
        raise DeploymentMisuse(
            f"version {model.version} of {state.model} has no evaluation on record; run retrain, which judges it."
        )
    evaluation = EvaluationRef.from_dict(ours[-1])
    if not evaluation.passed:
        raise DeploymentMisuse(
            f"version {model.version} of {state.model} did not pass its evaluation {evaluation.id} "
            f"({evaluation.verdict}): {'; '.join(evaluation.reasons)}. The champion stays."
        )
    return evaluation


def not_before_champion(state: ModelState, at: datetime) -> datetime:
    """Return the moment of a person's action: never before the champion's promotion, or it would not be the newest."""
    return max(at, state.champion.since) if state.champion else at
