"""Where a stored report is opened in the browser, and through which DAGs.

A report belongs to a model, while Airflow's permissions belong to DAGs. The two are tied by a small file that each
DAG leaves beside the model's artifacts when one of its tasks stores a report: whoever may read that DAG may read the
model's reports. The task writes the file, the API server only reads it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_mlops.artifacts import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_mlops.artifacts import ArtifactStore

ROUTE = "/mlops/reports"
"""Address below Airflow's own; the plugin mounts its application at the first part."""

# One segment never begins with a dot and holds no separator, so no path made of segments can climb.
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_REPORT_FILE = re.compile(rf"(?P<folder>(?P<model>{_SEGMENT})/reports/{_SEGMENT}/{_SEGMENT})(?:/{_SEGMENT})+")
_DAG_ID = re.compile(r"[\w.-]{1,250}")


def report_url(base_url: str, dag_id: str, path: str) -> str:
    """Return the address of a report file; ``path`` is its place in the store."""
    return f"{base_url.rstrip('/')}{ROUTE}/{quote(dag_id)}/{path}"


def model_page_url(base_url: str, model: str) -> str:
    """Return the address of a model's page in Airflow."""
    return f"{base_url.rstrip('/')}/plugin/models/{quote(model)}"


def admit(store: ArtifactStore, model: str, dag_id: str) -> None:
    """Let the readers of a DAG read the reports of a model; a second time changes nothing."""
    uri = _admission_uri(store, model, dag_id)
    if not store.exists(uri):
        store.write_json(uri, {"model": model, "dag_id": dag_id})


def admitted(store: ArtifactStore, model: str, dag_ids: Iterable[str]) -> str | None:
    """Return the first of some DAGs whose readers may read the reports of a model; None where there is none."""
    return next((each for each in dag_ids if store.exists(_admission_uri(store, model, each))), None)


def readable_uri(store: ArtifactStore, dag_id: str, path: str) -> str | None:
    """Return the URI of a report file that the readers of a DAG may open.

    Parameters
    ----------
    store : ArtifactStore
        Where reports are kept.
    dag_id : str
        A DAG the user may read; the caller has checked that.
    path : str
        ``model/reports/stage/id/file``, as it came from the browser.

    Returns
    -------
    str or None
        None where the path is no file of a complete report, or the DAG never worked on that model.
    """
    matched = _REPORT_FILE.fullmatch(path)
    if not matched or not _DAG_ID.fullmatch(dag_id):
        return None
    if not store.exists(_admission_uri(store, matched["model"], dag_id)):
        return None
    if not store.exists(store.uri(matched["folder"], MANIFEST)):
        return None
    uri = store.uri(path)
    return uri if store.exists(uri) and _stays_inside(store, matched["folder"], path) else None


def _admission_uri(store: ArtifactStore, model: str, dag_id: str) -> str:
    return store.uri(model, "readers", f"{dag_id}.json")


def _stays_inside(store: ArtifactStore, folder: str, path: str) -> bool:
    """Tell whether a local file is really below its report, and not behind a symbolic link."""
    if store.protocol != "file":
        return True
    from pathlib import Path

    root = Path(store.root).resolve()
    return Path(store.root, path).resolve().is_relative_to(root / folder)
