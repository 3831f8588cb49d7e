"""Does this machine's Airflow put the ledger where it can live? Read without importing Airflow, which takes seconds."""

from __future__ import annotations

import json
import os
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import urlsplit

from airflow_mlops.spec.document import Finding

_CONNECTION = "AIRFLOW_CONN_MLOPS_LEDGER"


def deployment_findings() -> list[Finding]:
    """Find a ledger in a SQLite file beside artifacts that are not on a local path.

    Workers of several machines would each write a file of their own, and each promote a champion of its own.
    """
    uri, where = _artifacts_uri()
    if "://" not in uri.removeprefix("file://"):
        return []
    connection = os.environ.get(_CONNECTION)
    if connection is None:
        message = f"the artifacts are at {uri}, so the connection mlops_ledger must lead to Postgres"
        return [Finding("warning", where, 1, 1, "mlops.artifacts_uri", message)]
    if _is_sqlite(connection):
        message = f"the artifacts are at {uri}, but {_CONNECTION} is a SQLite file; use Postgres, or a local path"
        return [Finding("error", where, 1, 1, "mlops.artifacts_uri", message)]
    return []


def _artifacts_uri() -> tuple[str, str]:
    """Return ``[mlops] artifacts_uri`` and where it was read."""
    variable = "AIRFLOW__MLOPS__ARTIFACTS_URI"
    if variable in os.environ:
        return os.environ[variable], variable
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    file = Path(os.environ.get("AIRFLOW_CONFIG", home / "airflow.cfg"))
    config = ConfigParser(interpolation=None, strict=False)
    config.read(file)
    return config.get("mlops", "artifacts_uri", fallback=""), str(file)


def _is_sqlite(connection: str) -> bool:
    """Read a connection in either of Airflow's forms, JSON or URI."""
    if connection.lstrip().startswith("{"):
        fields = json.loads(connection)
        extra = fields.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
        host = fields.get("host") or ""
        return "path" in extra or (not fields.get("schema") and (host.startswith("/") or host.endswith(".db")))
    parts = urlsplit(connection)
    return parts.path.strip("/") == "" and (parts.hostname or "").replace("%2f", "/").endswith(".db")
