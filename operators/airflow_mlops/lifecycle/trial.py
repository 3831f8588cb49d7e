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
    candidate: Candidate, client: MlflowClient, limits: Limits, *, timeout_s: float, fork: bool | None = None
) -> ServabilityReport:
    """Load a version as MLflow hands it out, in a child process, and replay its golden rows there.

    The child shares no object with whoever trained the model.

    Parameters
    ----------
    candidate : Candidate
        The version.
    client : MlflowClient
        Where it is downloaded from; its bytes are checked before anything loads them.
    limits : Limits
        What it must keep to.
    timeout_s : float
        After this long the child is killed.
    fork : bool, optional
        As for `run_isolated`.

    Raises
    ------
    ArtifactCorrupt
        MLflow does not hold the bytes that were trained.
    ModelUnusable
        The version cannot be loaded, crashed, or took too long.
    """
    stored = candidate.stored
    with tempfile.TemporaryDirectory(prefix="mlops-") as place:
        folder, golden = Path(place, "model"), Path(place, "golden.parquet")
        folder.mkdir()
        registry.download(client, candidate.trained.registered_name or candidate.model, candidate.version, folder)
        registry.check_folder(folder, stored.file, candidate.trained.digest, version=candidate.version)
        # As bytes: reading them as a table would start Arrow's threads, and with them this process could not be forked.
        golden.write_bytes(stored.store.read_bytes(stored.golden_uri))
        inputs = {
            "model": str(folder),
            "rows": str(golden),
            "expected": stored.expected,
            "limits": asdict(limits),
        }
        return ServabilityReport.from_dict(
            run_isolated({"stage": "deploy", "inputs": inputs}, timeout_s=timeout_s, fork=fork)
        )
