"""Try a version out in a process of its own, before anything that serves gets to see it."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.lifecycle import registry
from airflow_mlops.lifecycle.isolated import run_isolated
from airflow_mlops.stages.deploy import Limits, ServabilityReport

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from airflow_mlops.lifecycle.targets import Candidate


def try_out(
    candidate: Candidate, client: MlflowClient | None, limits: Limits, *, timeout_s: float, fork: bool | None = None
) -> ServabilityReport:
    """Load a version in a child process, as MLflow hands it out or as a server loads it, and replay its golden rows.

    The child shares no object with whoever trained the model.

    Parameters
    ----------
    candidate : Candidate
        The version.
    client : MlflowClient or None
        Where it is downloaded from; None: the artifact store, which has to be enough where MLflow is away. Either way
        its bytes are checked before anything loads them.
    limits : Limits
        What it must keep to.
    timeout_s : float
        After this long the child is killed.
    fork : bool, optional
        As for `run_isolated`.

    Raises
    ------
    ArtifactCorrupt
        MLflow, or the store, does not hold the bytes that were trained.
    ModelUnusable
        The version cannot be loaded, crashed, or took too long.
    """
    stored = candidate.stored
    with tempfile.TemporaryDirectory(prefix="mlops-") as place:
        golden = Path(place, "golden.parquet")
        # As bytes: reading them as a table would start Arrow's threads, and with them this process could not be forked.
        golden.write_bytes(stored.store.read_bytes(stored.golden_uri))
        stage, loaded = _stored(candidate, Path(place)) if client is None else _from_mlflow(candidate, client, place)
        inputs = {**loaded, "rows": str(golden), "expected": stored.expected, "limits": asdict(limits)}
        return ServabilityReport.from_dict(
            run_isolated({"stage": stage, "inputs": inputs}, timeout_s=timeout_s, fork=fork)
        )


def _from_mlflow(candidate: Candidate, client: MlflowClient, place: str) -> tuple[str, dict[str, str]]:
    folder = Path(place, "model")
    folder.mkdir()
    registry.download(client, candidate.trained.registered_name or candidate.model, candidate.version, folder)
    registry.check_folder(folder, candidate.stored.file, candidate.trained.digest, version=candidate.version)
    return "deploy", {"model": str(folder)}


def _stored(candidate: Candidate, place: Path) -> tuple[str, dict[str, str]]:
    stored = candidate.stored
    file = place / stored.file
    file.write_bytes(stored.payload)
    return "restore", {
        "model": str(file),
        "serialization": candidate.trained.serialization,
        "predict": stored.predict,
    }
