"""Predictions of a span of event time, from compacted files and open segments, each record once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt
from airflow_mlops.serving.prediction_log.places import (
    compact_time,
    compacted_files,
    segment_id,
    segments_folder,
    segments_root,
)
from airflow_mlops.serving.prediction_log.table import SKIPPED, read_segment, schema, skipped_lines

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore

log = logging.getLogger(__name__)


def read_predictions(
    store: ArtifactStore, model: str, *, start: datetime, end: datetime, folder: str | Path | None = None
) -> pa.Table:
    """Read the predictions whose event time lies in [start, end).

    Torn and foreign lines are left out; their number stands in the table's metadata under ``skipped_lines``.

    Parameters
    ----------
    store : ArtifactStore
        Where the server keeps its artifacts.
    model : str
        Name of the model.
    start, end : datetime
        With a time zone.
    folder : str or Path, optional
        The server's folder for open segments, where the store is not on a local disk and this is the server's machine.
        Without it such a reader sees what was compacted.

    Returns
    -------
    pyarrow.Table
        Columns id, time, received_at, model, version, epoch, output, label, features (JSON text), ordered by time, then
        received_at; without rows where nothing was predicted.

    Raises
    ------
    ArtifactCorrupt
        A compacted file is not what was written.
    """
    import pyarrow as pa

    # Segments first: one compacted between the two listings is then found twice, not never, and told by its id.
    segments = _read_segments(store, model, folder)
    files = compacted_files(store, model)
    compacted = {file.segment_id for file in files}
    lower, upper = compact_time(start), compact_time(end)
    inside = [_between(table, start, end) for identity, table in segments.items() if identity not in compacted]
    inside += [_read_file(store, file.uri, start, end) for file in files if file.last >= lower and file.first < upper]
    skipped = sum(map(skipped_lines, inside))
    if skipped:
        log.warning("Left out %d torn or foreign lines of the prediction log of %s", skipped, model)
    whole = pa.concat_tables([schema().empty_table(), *inside])
    return whole.sort_by([("time", "ascending"), ("received_at", "ascending")]).replace_schema_metadata(
        {SKIPPED: str(skipped)}
    )


def _read_segments(store: ArtifactStore, model: str, folder: str | Path | None) -> dict[str, pa.Table]:
    if folder is None and store.protocol != "file":
        return {}
    read = {}
    for path in sorted(segments_folder(segments_root(store, folder), model).glob("*.jsonl")):
        try:
            read[segment_id(path)] = read_segment(path)
        except FileNotFoundError:
            log.debug("%s was compacted meanwhile", path)
    return read


def _read_file(store: ArtifactStore, uri: str, start: datetime, end: datetime) -> pa.Table:
    """Read those row groups of a compacted file whose statistics touch the span, and of them the rows inside.

    One row whose client gave a time far away widens the name of a whole file; its footer then tells what to leave.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    filters: list[tuple[str, str, Any]] = [("time", ">=", start), ("time", "<", end)]
    try:
        with store.fs.open(store.path(uri), "rb") as file:
            table = pq.read_table(file, filters=filters)
        return table.cast(schema(skipped_lines(table)))
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        # Arrow says with a plain OSError that the bytes are none; any other one is about the way to them.
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
            raise
        raise ArtifactCorrupt(
            f"{uri} is not a file of the prediction log ({error}); restore it, or delete it to go on without its rows."
        ) from error


def _between(table: pa.Table, start: datetime, end: datetime) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter((pc.field("time") >= start) & (pc.field("time") < end))
