"""Bring a version from another ledger, artifact store and MLflow into ours: from development to production.

Bytes are copied by digest and checked again, the version is registered here, proves here that it can serve, and is
swapped in only if the champion has not moved. Each step finds what an earlier try of it did: killed anywhere, the next
run goes on, and one that is repeated later finds everything done.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt, DeploymentMisuse, PromotionConflict
from airflow_mlops.events import APPROVAL, PROMOTION, REGISTER, version_of
from airflow_mlops.lifecycle.approval import APPROVED, expect_approved
from airflow_mlops.lifecycle.by_hand import evaluation_of, known_version, not_before_champion
from airflow_mlops.lifecycle.copying import Copy
from airflow_mlops.lifecycle.register import Origin, register
from airflow_mlops.lifecycle.registry import DIGEST
from airflow_mlops.loop.history import EVALUATE, TRAIN
from airflow_mlops.refs import EvaluationRef, ModelRef

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.by_hand import ByHand
    from airflow_mlops.refs import DeploymentRef

log = logging.getLogger(__name__)

KIND, CAUSE = "transfer", "transfer"


@dataclass(frozen=True)
class Source:
    """Where the version comes from; without a client its MLflow is not asked."""

    ledger: Ledger
    store: ArtifactStore
    client: MlflowClient | None = None


@dataclass(frozen=True)
class Transfer:
    """One version's way from ``source`` to where ``to`` promotes; ``artifact_location`` is that of a new experiment."""

    source: Source
    to: ByHand
    artifact_location: str | None = None

    def promote(
        self, version: str, *, by: str, reason: str, patience_s: float, expected_epoch: int | None = None
    ) -> DeploymentRef:
        """Copy, register, try and promote a version.

        Parameters
        ----------
        version : str
            As the source's ledger knows it; here it may get another number.
        by, reason : str
            Who asks for it, and why.
        patience_s : float
            How long a server is waited for.
        expected_epoch : int, optional
            Refuse where the ledger here is at another one. Default: the one it is at.

        Returns
        -------
        DeploymentRef
            ``promoted`` is False where the version serves here already.

        Raises
        ------
        DeploymentMisuse
            Both ledgers are the same, or the source does not know the version or has not let it pass.
        ApprovalMissing
            A person rejected it in the source, or has to approve it by the spec here and did not.
        PromotionFrozen
            The version is frozen in the source or here, or promotions are frozen here.
        PromotionConflict
            The ledger here is at another epoch.
        ArtifactCorrupt, ArtifactMissing
            Bytes are gone or are not those on record, in the source or here.
        LedgerCorrupt
            The source's chain of events is broken.
        ModelUnusable
            The version cannot serve here.
        """
        name = self.to.spec.name
        state = self._expect_fit(version, expected_epoch)
        epoch = state.epoch if expected_epoch is None else expected_epoch
        there = self.source.ledger.state(name)
        model = known_version(there, version)
        evaluation = evaluation_of(self.source.ledger, there, model)
        expect_approved(self.source.ledger, self.to.spec, version, evaluation)
        self._expect_registered(model)
        facts = self._origin(there, model)
        copy = Copy(self.source.store, self.to.store)
        copy.version(name, model, evaluation)
        log.info("%d files of %.1f MB compared, %d written", copy.files, copy.size / 1e6, copy.written)
        ours = _without_registry(copy.rebased(model.to_dict()))
        judged = replace(EvaluationRef.from_dict(copy.rebased(evaluation.to_dict())), mlflow_run_id=None)
        tags = {"mlops.transferred_from": f"version {version} in {facts['ledger']}"}
        origin = Origin(self.artifact_location, tags)
        registered = register(self.to.client, self.to.store, self.to.spec, ours, judged, origin=origin)
        self._record(registered, judged, epoch, copy, facts)
        payload = {"by": by, "reason": reason, "source": facts}
        deployed = self.to.deploy(
            state, registered, judged, cause=CAUSE, facts=payload, patience_s=patience_s, expected_epoch=epoch
        )
        self._append(KIND, f"{registered.version}@{deployed.epoch}", {"version": registered.version, **payload})
        return deployed

    # Before anything is written

    def _expect_fit(self, version: str, expected_epoch: int | None) -> ModelState:
        name = self.to.spec.name
        if repr(self.source.ledger) == repr(self.to.ledger):
            raise DeploymentMisuse(
                f"{self.to.ledger!r} is source and destination at once; leave out --from-... to promote a version that "
                "it knows, or name another ledger to copy from."
            )
        self.source.ledger.verify(name)
        state = self.to.ledger.state(name)
        if expected_epoch is not None and state.epoch != expected_epoch:
            raise PromotionConflict(model=name, version=version, expected_epoch=expected_epoch, epoch=state.epoch)
        return state

    def _expect_registered(self, model: ModelRef) -> None:
        """Compare the digest in the source's MLflow with the one in its ledger."""
        if self.source.client is None:
            return
        name = model.registered_name or self.to.spec.registered_model
        found = self.source.client.get_model_version(name, str(model.version)).tags.get(DIGEST)
        if found != model.digest:
            raise ArtifactCorrupt(
                f"the source's MLflow says digest {str(found)[:12]} of version {model.version}, its ledger says "
                f"{model.digest[:12]}: one of the two was changed. Nothing was copied."
            )

    def _origin(self, there: ModelState, model: ModelRef) -> dict[str, Any]:
        """Say where the version comes from, what vouches for it there, and who approved it there."""
        name, version = there.model, str(model.version)
        ledger = self.source.ledger
        promotions = [each for each in ledger.events(name, kind=PROMOTION) if version_of(each.payload) == version]
        made = [each for each in ledger.events(name, kind=REGISTER) if version_of(each.payload) == version]
        approvals = [each for each in ledger.events(name, kind=APPROVAL) if version_of(each.payload) == version]
        vouched = (promotions or made)[-1]
        return {
            "ledger": repr(ledger),
            "version": version,
            "epoch": there.epoch,
            "event": {"kind": vouched.kind, "key": vouched.key, "hash": vouched.hash},
            "approvals": [{"at": each.at.isoformat(), **each.payload} for each in approvals],
        }

    # What is recorded here

    def _record(
        self, model: ModelRef, evaluation: EvaluationRef, epoch: int, copy: Copy, facts: dict[str, Any]
    ) -> None:
        """Append what the loop here reads of a version: that it was trained, judged and registered."""
        name = self.to.spec.name
        for member in (*model.members, model.id):
            if trained := self.source.ledger.find(name, TRAIN, member):
                self._append(TRAIN, member, copy.rebased(trained.payload))
        # Its epoch is one of the source's: here it counts as judged when it came.
        judged = replace(evaluation, epoch=epoch, champion_version=None, action=CAUSE)
        source = {**facts, "epoch_of_evaluation": evaluation.epoch}
        self._append(EVALUATE, evaluation.id, {"model": model.to_dict(), **judged.to_dict(), "source": source})
        self._append(REGISTER, model.digest, model.to_dict())
        for answer in facts["approvals"]:
            # A person's word is about the evaluation, which is the same here.
            if answer.get("evaluation") == evaluation.id and answer["answer"] == APPROVED:
                carried = {**answer, "version": model.version, "source": facts["ledger"]}
                self._append(APPROVAL, f"{model.version}:{evaluation.id}", carried)

    def _append(self, kind: str, key: str, payload: dict[str, Any]) -> None:
        at = not_before_champion(self.to.ledger.state(self.to.spec.name), self.to.at)
        self.to.ledger.append(self.to.spec.name, kind, key, payload, at=at, run=self.to.run)


def _without_registry(payload: dict[str, Any]) -> ModelRef:
    return replace(ModelRef.from_dict(payload), registered_name=None, version=None, mlflow_run_id=None)
