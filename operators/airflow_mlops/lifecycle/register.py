"""From a model in the artifact store to a version in MLflow's registry.

The order of effects is such that a process killed between any two of them leaves nothing that the next try does not
find and continue: run, facts, entry, files, version, end of the run.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.lifecycle import registry, tracking
from airflow_mlops.lifecycle.made_of import MadeOf
from airflow_mlops.lifecycle.model_folder import Packaging, write_model_folder
from airflow_mlops.lifecycle.stored_model import StoredModel

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import EvaluationRef, ModelRef
    from airflow_mlops.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Origin:
    """Who registers: tags of the run and of the version, such as ``mlops.dag_run`` and ``mlops.code_version``."""

    artifact_location: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


def register(
    client: MlflowClient,
    store: ArtifactStore,
    spec: ModelSpec,
    model: ModelRef,
    evaluation: EvaluationRef | None = None,
    *,
    origin: Origin,
) -> ModelRef:
    """Register a model once, however often this is called.

    Parameters
    ----------
    client : MlflowClient
        Bound to its server.
    store : ArtifactStore
        Holds the model's folder.
    spec : ModelSpec
        Names the experiment and the registered model.
    model : ModelRef
        From *train*.
    evaluation : EvaluationRef, optional
        Its verdict and metrics become tags and metrics.
    origin : Origin
        Who registers.

    Returns
    -------
    ModelRef
        With name, version and MLflow run.

    Raises
    ------
    ArtifactMissing, ArtifactCorrupt
        The model's folder is not complete, or not what was trained.
    TrackingRefused
        The experiment is deleted.
    """
    name = spec.registered_model
    if found := registry.version_with(client, name, model.digest):
        tracking.finish(client, found.run_id)
        return _as_registered(model, name, str(found.version), found.run_id)
    stored = StoredModel.read(store, model)
    made_of = MadeOf.read(store, spec.name, model, partial(_version, client, name))
    run = tracking.run_for(client, spec.experiment, model.id, origin.tags, artifact_location=origin.artifact_location)
    _log_run(client, run, spec, model, evaluation, origin)
    logged = registry.logged_model(client, run.info.experiment_id, run.info.run_id, name, model.digest)
    if str(logged.status) != "READY":
        _upload(client, logged, spec, model, stored)
    tags = {**origin.tags, **_tags(model, evaluation), **made_of.tags(model), registry.DIGEST: model.digest}
    made = registry.create_version(client, name, logged, run.info.run_id, tags)
    kept = registry.version_with(client, name, model.digest) or made
    tracking.finish(client, run.info.run_id)
    return _as_registered(model, name, str(kept.version), kept.run_id)


def _version(client: MlflowClient, name: str, digest: str) -> str | None:
    found = registry.version_with(client, name, digest)
    return str(found.version) if found else None


def _as_registered(model: ModelRef, name: str, version: str, run_id: str | None) -> ModelRef:
    return replace(model, registered_name=name, version=version, mlflow_run_id=run_id)


def _log_run(
    client: MlflowClient,
    run: Run,
    spec: ModelSpec,
    model: ModelRef,
    evaluation: EvaluationRef | None,
    origin: Origin,
) -> None:
    features = model.features
    params: dict[str, Any] = {
        "estimator": model.estimator,
        "seed": spec.train.seed,
        "window": features.get("window", spec.train.window),
        "rows": model.rows,
        **{f"train.{name}": value for name, value in spec.train.params.items()},
    }
    datasets = [
        tracking.DatasetFact(
            f"{spec.name}-{part}-{each['id']}", each["digest"], each["uri"], each["rows"], context=part
        )
        for part, each in [
            *(("training", snapshot) for snapshot in features.get("snapshots", [])),
            *(("labels", snapshot) for snapshot in features.get("label_snapshots", [])),
        ]
    ]
    tracking.log_facts(client, run, params=params, tags={**origin.tags, **_tags(model, evaluation)}, datasets=datasets)
    if evaluation is not None:
        tracking.log_evaluation(client, run, metrics=evaluation.metrics)


def _tags(model: ModelRef, evaluation: EvaluationRef | None) -> dict[str, str]:
    tags = {
        "mlops.model_id": model.id,
        "mlops.data_digest": str(model.features.get("training_set", "")),
        "mlops.serialization": model.serialization,
        "mlops.model_uri": model.uri,
    }
    if evaluation is not None:
        tags |= {"mlops.evaluation": evaluation.id, "mlops.verdict": evaluation.verdict}
    return tags


def _upload(client: MlflowClient, logged: LoggedModel, spec: ModelSpec, model: ModelRef, stored: StoredModel) -> None:
    packaging = Packaging(
        columns=list(spec.features.columns),
        sensitive=list(spec.data.sensitive),
        example_rows=spec.register_.input_example_rows,
        metadata={"mlops": {"model_id": model.id, "digest": model.digest}},
    )
    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        write_model_folder(Path(folder), stored, packaging, model_id=logged.model_id)
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")


def origin_of_run(*, dag_id: str, run_id: str, code_version: str, artifact_location: str | None) -> Origin:
    """Name a DAG run as the origin of a version."""
    tags = {"mlops.dag": dag_id, "mlops.dag_run": run_id, "mlops.code_version": code_version}
    return Origin(artifact_location, tags)
