"""Where segments and compacted files lie, and what their names say.

``{model}/predictions/segments/{opened}-{segment id}.jsonl`` is a segment. Its Parquet file carries the same id:
``{model}/predictions/{first time}-{last time}-{segment id}.parquet``. A reader that finds the second ignores the first,
so a crash between writing one and deleting the other doubles nothing.
"""

from __future__ import annotations

import posixpath
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from airflow_mlops.errors import PredictionLogMisuse

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore

PREDICTIONS = "predictions"
SEGMENTS = "segments"


class Compacted(NamedTuple):
    """A Parquet file by what its name says: span of event time (both inclusive) and segment."""

    uri: str
    first: str
    last: str
    segment_id: str


def segments_root(store: ArtifactStore, folder: str | Path | None) -> Path:
    """Return the local folder under which each model has its open segments.

    Raises
    ------
    PredictionLogMisuse
        The store is not on this machine's disk and no folder was given.
    """
    if folder is not None:
        return Path(folder)
    if store.protocol == "file":
        return Path(store.root)
    raise PredictionLogMisuse(
        f"the artifact store {store.uri()} is not on a local disk, and a prediction log writes its open segments to "
        "one. Name a folder of this machine for them."
    )


def segments_folder(root: Path, model: str) -> Path:
    """Return the folder of a model's open segments."""
    return root / model / PREDICTIONS / SEGMENTS


def new_segment_name() -> str:
    """Return a name no other segment has, sortable by the time it was opened."""
    return f"{compact_time(datetime.now(UTC))}-{uuid.uuid4().hex[:16]}.jsonl"


def segment_id(path: Path) -> str:
    """Return the id in a segment's name."""
    return path.stem.rpartition("-")[2]


def compacted_uri(store: ArtifactStore, model: str, *, first: datetime, last: datetime, segment: str) -> str:
    """Return where a segment's Parquet file goes."""
    return store.uri(model, PREDICTIONS, f"{compact_time(first)}-{compact_time(last)}-{segment}.parquet")


def compacted_files(store: ArtifactStore, model: str) -> list[Compacted]:
    """List a model's Parquet files, sorted by first event time; half-written ones have another suffix."""
    folder = store.path(store.uri(model, PREDICTIONS))
    store.fs.invalidate_cache(folder)
    try:
        paths = store.fs.ls(folder, detail=False)
    except FileNotFoundError:
        return []
    names = sorted(posixpath.basename(path) for path in paths if path.endswith(".parquet"))
    parts = [(name, name.removesuffix(".parquet").split("-")) for name in names]
    return [Compacted(store.uri(model, PREDICTIONS, name), *part) for name, part in parts if len(part) == 3]


def compact_time(moment: datetime) -> str:
    """Return UTC as text of one width that sorts like time, without characters that a file name may not have."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")
    return text.replace("-", "").replace(":", "").replace(".", "") + "Z"
