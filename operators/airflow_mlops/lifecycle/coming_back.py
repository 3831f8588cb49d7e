"""What a rollback and its rehearsal share: bytes that are there, what stands for a verdict, seconds, MLflow."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing, TrackingRefused, TrackingUnavailable
from airflow_mlops.lifecycle.reconcile import reconcile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.attempt import Attempt
    from airflow_mlops.spec import ModelSpec

log = logging.getLogger(__name__)


def returning(action: str, reason: str) -> dict[str, Any]:
    """Return what stands for an evaluation in the promotion of a version that comes back: it was judged before."""
    return {"action": action, "gate": "none", "verdict": "pass", "metrics": {}, "reasons": [reason]}


def has_bytes(store: ArtifactStore, model: Mapping[str, Any]) -> bool:
    """Tell whether a model's folder is whole in the artifact store; one of another store, or damaged, is not."""
    try:
        return bool(model.get("uri")) and store.manifest(model["uri"]) is not None
    except (ArtifactMissing, ArtifactCorrupt):
        return False


def seconds_of(asked: Event | None, attempt: Attempt, promotion: Event) -> dict[str, float]:
    """Return how long each part took, by the ledger's clock; ``total`` is the time to restore."""
    names = ("trial", "probe", "swap", "server")
    marks = [asked, attempt.find("prepared"), attempt.find("servable"), promotion, attempt.find("done")]
    found = [mark.recorded_at for mark in marks if mark is not None]
    if len(found) < len(marks):
        return {}
    lasted = [(after - before).total_seconds() for before, after in pairwise(found)]
    return {**dict(zip(names, lasted, strict=True)), "total": (found[-1] - found[0]).total_seconds()}


def show(ledger: Ledger, client: MlflowClient, spec: ModelSpec, *, at: datetime, run: str | None) -> None:
    """Have MLflow show what the ledger says; where it is away, the next reconcile does."""
    from mlflow.exceptions import MlflowException

    try:
        reconcile(ledger, client, spec, at=at, run=run, has_promoted=True)
    except (TrackingUnavailable, TrackingRefused, MlflowException) as error:
        log.warning("MLflow does not show yet what serves, and follows at the next look of the monitor: %s", error)
