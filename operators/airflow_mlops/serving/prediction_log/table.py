"""Rows of the log as Arrow: one schema for every model and version."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_mlops.serving.prediction_log.record import parse_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

SKIPPED = b"skipped_lines"

# Rows are parsed in so small steps because a server compacts in a thread: between two steps its requests have a turn.
_BATCH_ROWS = 256
_STEP_ROWS = 32


def schema(skipped: int = 0) -> pa.Schema:
    """Return the columns of every table of predictions.

    Parameters
    ----------
    skipped : int, default=0
        Lines that were torn or foreign, kept in the metadata under `SKIPPED`.
    """
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    columns = [
        pa.field("id", pa.string()),
        pa.field("time", moment),
        pa.field("received_at", moment),
        pa.field("model", pa.string()),
        pa.field("version", pa.string()),
        pa.field("epoch", pa.int64()),
        pa.field("output", pa.list_(pa.float64())),
        pa.field("label", pa.string()),
        pa.field("features", pa.string()),
    ]
    return pa.schema(columns, metadata={SKIPPED: str(skipped)})


def skipped_lines(table: pa.Table) -> int:
    """Return how many torn or foreign lines lay between the rows of a table."""
    return int((table.schema.metadata or {}).get(SKIPPED, b"0"))


def read_segment(path: Path) -> pa.Table:
    """Read the whole lines of a segment, in the order they were written.

    Raises
    ------
    FileNotFoundError
        The segment was compacted meanwhile.
    """
    import pyarrow as pa

    batches, rows, skipped = [], [], 0
    for line in _lines(path):
        row = parse_line(line)
        if row is None:
            skipped += 1
            continue
        rows.append(row)
        if len(rows) == _BATCH_ROWS:
            batches.append(_batch(rows))
            rows = []
    batches.append(_batch(rows))
    return pa.Table.from_batches(batches).replace_schema_metadata({SKIPPED: str(skipped)})


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if number % _STEP_ROWS == 0:
                time.sleep(0)
            if line != b"\n":
                yield line.removesuffix(b"\n")


def _batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_pylist(rows, schema=schema().remove_metadata())
