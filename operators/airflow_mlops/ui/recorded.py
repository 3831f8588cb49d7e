"""The spec that was kept with a model when it was trained: what the pages know of a spec."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.artifacts import ArtifactStore


def recorded_spec(store: ArtifactStore, uri: str | None) -> Mapping[str, Any] | None:
    """Read the spec beside a trained model; None where it cannot be read now.

    A page stands without it; the parts that need the store say what is away.

    Parameters
    ----------
    store : ArtifactStore
        Where models are.
    uri : str or None
        Folder of the model.
    """
    if uri is None:
        return None
    try:
        record = json.loads((store.manifest(uri) or {}).get("spec") or "null")
    except (ArtifactCorrupt, ArtifactMissing, OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
