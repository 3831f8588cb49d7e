"""A segment that nobody writes becomes one Parquet file; then, and only then, it goes."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.serving.prediction_log.places import (
    PREDICTIONS,
    SEGMENTS,
    compacted_files,
    compacted_uri,
    segment_id,
)
from airflow_mlops.serving.prediction_log.segment import sync_folder
from airflow_mlops.serving.prediction_log.table import read_segment, skipped_lines

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore

log = logging.getLogger(__name__)

# A reader of a short span passes over the row groups outside it.
_ROW_GROUP_ROWS = 10_000


def compact(store: ArtifactStore, model: str, path: Path) -> int:
    """Write a segment as Parquet and delete it; the caller holds its lock.

    Returns
    -------
    int
        Lines that were torn or foreign.
    """
    identity = segment_id(path)
    skipped = 0
    if all(file.segment_id != identity for file in compacted_files(store, model)):
        table = read_segment(path)
        skipped = skipped_lines(table)
        if skipped:
            log.warning("%s: left out %d torn or foreign lines", path, skipped)
        if table.num_rows:
            _write(store, model, identity, table)
    path.unlink(missing_ok=True)
    return skipped


def _write(store: ArtifactStore, model: str, identity: str, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    ordered = table.sort_by([("time", "ascending"), ("received_at", "ascending")])
    first, last = ordered["time"][0].as_py(), ordered["time"][-1].as_py()
    buffer = io.BytesIO()
    pq.write_table(
        ordered.replace_schema_metadata(table.schema.metadata),
        buffer,
        compression="zstd",
        row_group_size=_ROW_GROUP_ROWS,
    )
    uri = compacted_uri(store, model, first=first, last=last, segment=identity)
    store.write_bytes(uri, buffer.getvalue())
    if store.protocol == "file":
        _sync(Path(store.path(uri)))
    log.info("Compacted %d predictions of %s to %s", ordered.num_rows, model, uri)


def _sync(path: Path) -> None:
    """Have the disk hold a file and its name, because the segment it replaces was on the disk already."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
    sync_folder(path.parent)


def compact_left_behind(store: ArtifactStore, root: Path) -> int:
    """Compact the segments of processes that are gone; one that a living process writes is not touched.

    Returns
    -------
    int
        Lines that were torn or foreign.
    """
    skipped = 0
    paths = list(root.glob(f"*/{PREDICTIONS}/{SEGMENTS}/*.jsonl"))
    # In no order, so that one which fails each time does not keep the others back for ever.
    random.shuffle(paths)
    for path in paths:
        try:
            skipped += _compact_if_free(store, path)
        except FileNotFoundError:
            log.debug("%s was compacted by another server", path)
        except BlockingIOError:
            log.debug("%s is written by a living process", path)
        except PermissionError as error:
            log.warning("%s stays as it is: %s", path, error)
    return skipped


def _compact_if_free(store: ArtifactStore, path: Path) -> int:
    file = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return compact(store, path.parents[2].name, path)
    finally:
        os.close(file)
