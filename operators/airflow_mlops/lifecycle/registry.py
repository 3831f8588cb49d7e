"""Versions in MLflow's registry, found by the digest of the model's bytes.

MLflow gives a new version for every call, so one content would get as many versions as tries. Here a version is looked
for before one is made, and again after: where two processes made one at the same time, the lowest stays.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import yaml

from airflow_mlops.artifacts import digest_bytes
from airflow_mlops.errors import ArtifactCorrupt, ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

log = logging.getLogger(__name__)

DIGEST = "mlops.digest"


def version_with(client: MlflowClient, name: str, digest: str) -> ModelVersion | None:
    """Return the version that holds these bytes, and delete any later double of it."""
    from mlflow.exceptions import MlflowException

    found = client.search_model_versions(f"name = '{name}' and tags.`{DIGEST}` = '{digest}'")
    if not found:
        return None
    kept, *doubles = sorted(found, key=lambda each: int(each.version))
    for double in doubles:
        log.warning("Deleting version %s of %s: it is the same as version %s", double.version, name, kept.version)
        try:
            client.delete_model_version(name, str(double.version))
        except MlflowException as error:
            # Whoever made it found the same, and was quicker.
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
    return kept


def create_version(
    client: MlflowClient, name: str, logged: LoggedModel, run_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    """Make a version of a logged model, and the registered model too if it is the first."""
    from mlflow.exceptions import MlflowException

    # A database store resolves models:/ URIs through MLflow's process-wide address; a server resolves them itself, and
    # refuses the plain folder that a database store takes.
    is_server = client.tracking_uri.startswith("http")
    source = f"models:/{logged.model_id}" if is_server else logged.artifact_location
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # It announces on the error channel that it will wait, and then need not.
    logging.getLogger("mlflow.store.model_registry").setLevel(logging.WARNING)
    return client.create_model_version(name, source, run_id, tags=dict(tags), model_id=logged.model_id)


def logged_model(client: MlflowClient, experiment_id: str, run_id: str, name: str, digest: str) -> LoggedModel:
    """Return MLflow's entry for these bytes, made if there is none; it may be without files still."""
    found = client.search_logged_models([experiment_id], filter_string=f"tags.`{DIGEST}` = '{digest}'")
    if found:
        return min(found, key=lambda each: (each.creation_timestamp, each.model_id))
    return client.create_logged_model(experiment_id, name=name, source_run_id=run_id, tags={DIGEST: digest})


def download(client: MlflowClient, name: str, version: str, folder: Path) -> Path:
    """Bring a registered version's files into a folder.

    One file after the other, in this thread: MLflow's own download of a folder starts threads, which see nothing of the
    credentials that the caller has bound, and after which this process could no longer be forked.

    Raises
    ------
    ModelUnusable
        The registry has no such version, or its files are gone.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        uri = client.get_model_version_download_uri(name, version)
        repository = get_artifact_repository(uri, tracking_uri=client.tracking_uri)
        files = _fetch(repository, folder)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise _unreadable(name, version, str(error)) from error
    except FileNotFoundError as error:
        raise _unreadable(name, version, str(error)) from error
    if not files:
        raise _unreadable(name, version, "nothing is stored there")
    return folder


def _fetch(repository: ArtifactRepository, folder: Path, path: str | None = None) -> int:
    """Bring everything below ``path``; return the number of files."""
    files = 0
    for item in repository.list_artifacts(path):
        if item.is_dir:
            files += _fetch(repository, folder, item.path)
            continue
        place = (folder / item.path).resolve()
        if not place.is_relative_to(folder.resolve()):
            raise ArtifactCorrupt(f"MLflow names a file {item.path!r} outside its folder; nothing was loaded.")
        place.parent.mkdir(parents=True, exist_ok=True)
        # The one method that every repository has to have, a plugin's too; the public one adds the threads.
        repository._download_file(item.path, str(place))
        files += 1
    return files


def _unreadable(name: str, version: str, reason: str) -> ModelUnusable:
    return ModelUnusable(
        f"version {version} of {name} cannot be read from MLflow ({reason}); its files are gone or out of reach of "
        "this worker. Delete the version and run register again, or mend the artifact location."
    )


def check_folder(folder: Path, file: str, digest: str, *, version: str) -> None:
    """Make sure that a downloaded folder holds the bytes that were trained, and loads them and nothing else.

    Raises
    ------
    ArtifactCorrupt
        The bytes are others.
    ArtifactCorrupt
        The folder's ``MLmodel`` is no longer what *register* wrote: it names another file, loader or code.
    """
    path = folder / file
    found = digest_bytes(path.read_bytes()) if path.is_file() else "nothing"
    if found != digest:
        raise ArtifactCorrupt(
            f"MLflow holds other bytes for version {version} than were trained: {found[:12]} instead of {digest[:12]}. "
            "They were not loaded. Somebody changed the artifacts; delete the version and run register again."
        )
    described = folder / "MLmodel"
    flavors = (yaml.safe_load(described.read_text()) if described.is_file() else {}).get("flavors", {})
    pyfunc, sklearn = flavors.get("python_function", {}), flavors.get("sklearn", {})
    loads = (pyfunc.get("loader_module"), pyfunc.get("model_path"), sklearn.get("pickled_model"), pyfunc.get("code"))
    if loads != ("mlflow.sklearn", file, file, None):
        raise ArtifactCorrupt(
            f"the MLmodel file of version {version} would load {loads[1]} by {loads[0]}, not {file} by mlflow.sklearn. "
            "Nothing was loaded. Somebody changed the artifacts; delete the version and run register again."
        )
