"""From a registered version to the champion, in phases that may each be repeated.

prepare (in the ledger), load aside and replay golden rows, compare-and-swap in the ledger, then the target and MLflow's
alias as its projections, done. Whatever fails before the swap leaves the old champion serving and its reason in the
ledger; whatever fails after it is made good by the next try, which finds the version promoted.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import DeploymentMisuse, ModelUnusable, Permanent, PromotionConflict
from airflow_mlops.events import PROMOTION
from airflow_mlops.lifecycle import registry
from airflow_mlops.lifecycle.promote import promote, reconcile
from airflow_mlops.lifecycle.stored_model import StoredModel
from airflow_mlops.lifecycle.targets import Candidate
from airflow_mlops.refs import DeploymentRef
from airflow_mlops.stages.deploy import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.refs import EvaluationRef, ModelRef
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.deploy import ServabilityReport

log = logging.getLogger(__name__)

KIND = "deploy"


@dataclass(frozen=True)
class Deployment:
    """Everything a deploy works with; the clients are open already.

    ``moment`` is event time, ``run`` names who deploys.
    """

    spec: ModelSpec
    model: ModelRef
    evaluation: EvaluationRef
    store: ArtifactStore
    ledger: Ledger
    client: MlflowClient
    target: Target
    moment: datetime
    run: str | None = None

    def deploy(self) -> DeploymentRef:
        """Make the version champion, or refuse it and say why.

        Returns
        -------
        DeploymentRef
            ``promoted`` is False where the version served already, promoted by another evaluation.

        Raises
        ------
        PromotionConflict
            Another version was promoted since the evaluation.
        DeploymentMisuse
            The evaluation refused the model, or is another model's; or the champion has this version's number and is
            another model.
        ModelUnusable
            The version cannot be loaded, predicts something else than when it was trained, or breaks a limit.
        ArtifactCorrupt
            MLflow does not hold the bytes that were trained.
        """
        self._expect_fit()
        earlier = self.ledger.find(self.spec.name, PROMOTION, f"{self.version}@{self.evaluation.epoch}")
        if earlier is not None:
            self._expect_same(earlier.payload)
            return self._settle(earlier.epoch or 0)
        champion = self.ledger.state(self.spec.name).champion
        if champion is not None and champion.version == self.version:
            self._expect_same(champion.payload)
            return self._settle(champion.epoch)
        with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
            try:
                self._expect_epoch(0 if champion is None else champion.epoch)
                self._record("prepared", {})
                candidate = self._fetch(Path(folder))
                self.target.prepare(candidate)
                self._record("servable", {"report": self._try_out(candidate).to_dict()})
                event = promote(self.ledger, self.spec.name, self.model, self.evaluation, at=self.moment, run=self.run)
            except Permanent as error:
                self._record("refused", {"reasons": [str(error)]})
                raise
            self.target.swap(candidate, epoch=event.epoch or 0)
        return self._settle(event.epoch or 0, has_promoted=True)

    def _expect_fit(self) -> None:
        if self.evaluation.verdict == "refused":
            raise DeploymentMisuse(
                f"version {self.version} of {self.spec.name} was refused by its evaluation: "
                f"{'; '.join(self.evaluation.reasons)}. The champion stays."
            )
        if self.evaluation.model_id not in (None, self.model.id):
            raise DeploymentMisuse(
                f"evaluation {self.evaluation.id} judged model {self.evaluation.model_id}, and version {self.version} "
                f"of {self.spec.name} is model {self.model.id}. Give deploy the evaluation of the version it deploys."
            )

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

    def _expect_epoch(self, epoch: int) -> None:
        """Refuse early what the swap would refuse later, before anything is downloaded."""
        if epoch != self.evaluation.epoch:
            raise PromotionConflict(
                model=self.spec.name, version=self.version, expected_epoch=self.evaluation.epoch, epoch=epoch
            )

    def _fetch(self, folder: Path) -> Candidate:
        """Download the version from MLflow, and check its bytes before anything loads them."""
        name = self.model.registered_name or self.spec.registered_model
        (folder / "model").mkdir()
        files = registry.download(self.client, name, self.version, folder / "model")
        stored = StoredModel.read(self.store, self.model)
        registry.check_folder(files, stored.file, self.model.digest, version=self.version)
        golden = folder / "golden.parquet"
        # As bytes: reading them as a table would start Arrow's threads, and with them this process could not be forked.
        golden.write_bytes(self.store.read_bytes(stored.golden_uri))
        return Candidate(self.spec.name, self.version, files, golden, stored.expected)

    def _try_out(self, candidate: Candidate) -> ServabilityReport:
        section = self.spec.deploy
        limits = Limits(section.tolerance, section.max_latency_ms, section.max_memory_mb)
        report = self.target.replay(candidate, limits, timeout_s=section.timeout.total_seconds())
        if not report.passed:
            raise ModelUnusable(
                f"version {self.version} of {self.spec.name} may not serve: {'; '.join(report.reasons)}. The champion "
                "stays; see the ledger's event for the evidence."
            )
        log.info(
            "Version %s replayed %d golden rows: largest difference %.3g, %.1f ms a row, %.0f MB",
            *(self.version, report.rows, report.max_difference, report.latency_ms, report.memory_mb),
        )
        return report

    def _settle(self, epoch: int, *, has_promoted: bool = False) -> DeploymentRef:
        """Bring projections in line with the ledger, and say what serves."""
        reconcile(self.ledger, self.client, self.spec.name, has_promoted=has_promoted)
        is_ours = epoch == self.evaluation.epoch + 1
        evidence = self.ledger.find(self.spec.name, KIND, self._key("servable"))
        report = evidence.payload["report"] if evidence and is_ours else {}
        previous = self._before(epoch)
        if is_ours:
            self._record("done", {"epoch": epoch, "previous_version": previous, "report": report})
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

    def _record(self, outcome: str, facts: dict[str, Any]) -> Event:
        payload = {
            "outcome": outcome,
            "version": self.version,
            "expected_epoch": self.evaluation.epoch,
            "model_id": self.model.id,
            **facts,
        }
        return self.ledger.append(self.spec.name, KIND, self._key(outcome), payload, at=self.moment, run=self.run)

    def _key(self, outcome: str) -> str:
        return f"{self.version}@{self.evaluation.epoch}:{outcome}"
