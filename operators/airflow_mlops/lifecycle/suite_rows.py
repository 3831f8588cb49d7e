"""Rows for a suite, where they are, and the failing ones on their way into the store."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from airflow_mlops.lifecycle.spool import spooled
from airflow_mlops.snapshots import open_rows
from airflow_mlops.snapshots.rows import FileRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    import pyarrow.dataset as ds

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.snapshots.rows import Rows
    from airflow_mlops.spec.data_sections import ValidateSpec
    from airflow_mlops.stages.validate.suite import SqlRows

Engine = Literal["pandas", "duckdb", "source"]
# Rows times columns up to which engine auto means pandas: about 250,000 rows of 20 columns.
PANDAS_CELLS = 5_000_000
# Rows in quarantine that the page may show.
_HEAD_ROWS = 100


def chosen_engine(section: ValidateSpec, snapshot: SnapshotRef) -> Engine:
    """Return where a suite runs on a snapshot: as the spec says, or by size."""
    if section.engine != "auto":
        return section.engine
    is_small = snapshot.rows * snapshot.columns <= PANDAS_CELLS and snapshot.rows <= section.check_rows
    return "pandas" if is_small and snapshot.lake is None else "duckdb"


@contextmanager
def snapshot_in_duckdb(store: ArtifactStore, snapshot: SnapshotRef, *, threads: int = 2) -> Iterator[SqlRows]:
    """Open a snapshot in DuckDB, after its bytes have been compared with their digests.

    Parameters
    ----------
    store : ArtifactStore
    snapshot : SnapshotRef
        In files or in a lake.
    threads : int, default=2
        Of DuckDB.

    Raises
    ------
    ArtifactMissing
        A file is gone.
    ArtifactCorrupt
        The bytes of a file do not match its digest, or are not Parquet.
    """
    from airflow_mlops.stages.validate.suite import duckdb_rows

    opened = open_rows(store, snapshot)
    if not isinstance(opened, FileRows):
        # A lake gives its rows once, in a stream, and a suite asks more than once.
        with tempfile.TemporaryDirectory(prefix="mlops-lake-") as folder:
            path = str(Path(folder, "rows.parquet"))
            _copy(opened, path)
            with duckdb_rows([path], threads=threads) as rows:
                yield rows
        return
    with duckdb_rows(_readable(store, opened), threads=threads) as rows:
        yield rows


def _readable(store: ArtifactStore, opened: FileRows) -> list[str] | ds.Dataset:
    """Give DuckDB the files themselves, which it reads faster than through Arrow, where it can open them."""
    import pyarrow.dataset as ds

    # A path with one of these stands for several files to DuckDB.
    if store.protocol == "file" and not any(mark in path for path in opened.paths for mark in "*?["):
        return list(opened.paths)
    return ds.dataset(list(opened.paths), schema=opened.schema, filesystem=opened.filesystem, format="parquet")


def _copy(rows: Rows, path: str) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, rows.schema) as writer:
        for batch in rows.batches():
            writer.write_batch(batch)


def store_quarantine(
    store: ArtifactStore, uri: str, failing: pa.RecordBatchReader | None
) -> tuple[int, pa.Table | None]:
    """Write failing rows a batch at a time, so that any number of them fits.

    Parameters
    ----------
    store : ArtifactStore
    uri : str
        The Parquet file.
    failing : RecordBatchReader or None
        From `quarantine_stream`.

    Returns
    -------
    rows : int
        Written; nothing is written where there are none.
    head : Table or None
        The first of them, for the page.
    """
    import pyarrow as pa

    if failing is None:
        return 0, None
    counted, head = [0], []

    def passing() -> Iterator[pa.RecordBatch]:
        for batch in failing:
            if counted[0] < _HEAD_ROWS:
                head.append(batch.slice(0, _HEAD_ROWS - counted[0]))
            counted[0] += batch.num_rows
            yield batch

    with spooled(store, uri.rpartition("/")[0]) as spool:
        spool.write(pa.RecordBatchReader.from_batches(failing.schema, passing()))
        if counted[0]:
            spool.move(uri)
    return counted[0], pa.Table.from_batches(head, failing.schema) if counted[0] else None
