"""MLflow runs: one a model, found by our key, however often a task is tried.

Every function takes a client, and no process-wide state of MLflow is read or set. Calling any of them again with the
same arguments changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.errors import TrackingRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

KEY = "mlops.key"

# What MLflow's database has room for.
_DIGEST_LENGTH, _VALUE_LENGTH = 32, 5000


@dataclass(frozen=True, slots=True)
class DatasetFact:
    """A dataset that went into a model: our name and digest for it, and where it lies."""

    name: str
    digest: str
    uri: str
    rows: int
    context: str = "training"


def run_for(
    client: MlflowClient,
    experiment: str,
    key: str,
    tags: Mapping[str, str] | None = None,
    *,
    artifact_location: str | None = None,
    name: str | None = None,
) -> Run:
    """Return the run with this key, made if there is none.

    Parameters
    ----------
    client : MlflowClient
        Of the tracking server.
    experiment : str
        Name of the experiment, made if there is none.
    key : str
        What the run is about, a model's id; the tag ``mlops.key``.
    tags : mapping, optional
        Further tags of a new run.
    artifact_location : str, optional
        Where a new experiment keeps its artifacts.
    name : str, optional
        What people see.

    Returns
    -------
    Run
        Where two processes made one at the same time, both get the older.

    Raises
    ------
    TrackingRefused
        The experiment is deleted.
    """
    experiment_id = _experiment_id(client, experiment, artifact_location)
    if found := _oldest(client, experiment_id, key):
        return found
    made = client.create_run(experiment_id, tags={**(tags or {}), KEY: key}, run_name=name or key)
    kept = _oldest(client, experiment_id, key) or made
    if kept.info.run_id != made.info.run_id:
        client.delete_run(made.info.run_id)
    return kept


def finish(client: MlflowClient, run_id: str | None) -> None:
    """End a run; one that ended, or was deleted by hand, is left alone."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return
    try:
        if client.get_run(run_id).info.status == "RUNNING":
            client.set_terminated(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def log_facts(
    client: MlflowClient,
    run: Run,
    *,
    params: Mapping[str, object],
    tags: Mapping[str, str],
    datasets: Iterable[DatasetFact] = (),
) -> None:
    """Log what a model was made from.

    Parameters
    ----------
    client : MlflowClient
        Of the tracking server.
    run : Run
        From `run_for`.
    params : mapping
        A value that is there already must be the same.
    tags : mapping
        Replace tags of the same name.
    datasets : iterable of DatasetFact
        The run's inputs, by our digests; no data is read.
    """
    from mlflow.entities import Param, RunTag

    client.log_batch(
        run.info.run_id,
        params=[Param(name, str(value)[:_VALUE_LENGTH]) for name, value in params.items()],
        tags=[RunTag(name, str(value)[:_VALUE_LENGTH]) for name, value in tags.items()],
    )
    if inputs := [_dataset_input(fact) for fact in datasets]:
        client.log_inputs(run.info.run_id, datasets=inputs)


def log_evaluation(
    client: MlflowClient,
    run: Run,
    *,
    metrics: Mapping[str, float],
    files: Iterable[Path] | Path = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log metrics in one call, and files or one folder of files below ``evaluation``.

    Parameters
    ----------
    client : MlflowClient
        Of the tracking server.
    run : Run
        From `run_for`.
    metrics : mapping
        They carry the start of the run as their time, so that logging them again adds no points.
    files : Path or iterable of Path
        A folder, or files.
    tags : mapping, optional
        Such as the verdict.
    """
    from mlflow.entities import Metric, RunTag

    run_id, moment = run.info.run_id, run.info.start_time
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), moment, 0) for name, value in metrics.items()],
        tags=[RunTag(name, str(value)[:_VALUE_LENGTH]) for name, value in (tags or {}).items()],
    )
    for path in [files] if hasattr(files, "is_dir") else files:
        if path.is_dir():
            client.log_artifacts(run_id, str(path), "evaluation")
        else:
            client.log_artifact(run_id, str(path), "evaluation")


def _experiment_id(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifact_location)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        raise TrackingRefused(
            f"the MLflow experiment {name!r} is deleted; restore it (mlflow experiments restore), or name another in "
            "register.experiment."
        )
    return found.experiment_id


def _oldest(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    found = client.search_runs(
        [experiment_id],
        filter_string=f"tags.`{KEY}` = '{key}'",
        order_by=["attributes.start_time ASC", "attributes.run_id ASC"],
        max_results=1,
    )
    return found[0] if found else None


def _dataset_input(fact: DatasetFact) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=fact.name,
        digest=fact.digest[:_DIGEST_LENGTH],
        source_type="local" if fact.uri.startswith("file:") else fact.uri.partition(":")[0],
        source=json.dumps({"uri": fact.uri}),
        profile=json.dumps({"num_rows": fact.rows, "sha256": fact.digest}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", fact.context)])
