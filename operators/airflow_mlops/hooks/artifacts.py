"""The artifact store behind an Airflow connection."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook, conf

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore


def configured_uri() -> str:
    """Return ``[mlops] artifacts_uri``, or a folder in Airflow's home."""
    from airflow.configuration import AIRFLOW_HOME

    return conf.get("mlops", "artifacts_uri", fallback="") or Path(AIRFLOW_HOME, "mlops").as_uri()


class ArtifactsHook(BaseHook):
    """Hand out an `ArtifactStore`.

    Parameters
    ----------
    conn_id : str or None
        Connection of the storage, such as ``aws_default``; none for a local folder.
    uri : str or None
        Folder of the store; default ``[mlops] artifacts_uri``.
    """

    def __init__(self, conn_id: str | None = None, *, uri: str | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.uri = uri

    @cached_property
    def store(self) -> ArtifactStore:
        """Open the store."""
        from airflow_mlops.artifacts import ArtifactStore
        from airflow_mlops.hooks.source.lakes import lake_credentials

        uri = self.uri or configured_uri()
        if uri.startswith("file://") or "://" not in uri:
            return replace(ArtifactStore.local(uri.removeprefix("file://")), credentials=lake_credentials)

        from airflow.sdk import ObjectStoragePath

        place = ObjectStoragePath(uri, conn_id=self.conn_id)
        return ArtifactStore(place.fs, place.path.strip("/"), place.protocol, credentials=lake_credentials)
