"""Rows for a suite, where they are, and the failing ones on their way into the store."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.lifecycle.spool import spooled
from airflow_mlops.snapshots import open_rows
from airflow_mlops.snapshots.rows import FileRows
from airflow_mlops.stages.validate.findings import worst_first
from airflow_mlops.stages.validate.quarantine import quarantine_stream
from airflow_mlops.stages.validate.values import most_kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    import pyarrow as pa
    import pyarrow.dataset as ds

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.snapshots.rows import Rows
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.data_sections import ValidateSpec
    from airflow_mlops.stages.validate import Finding, Validation
    from airflow_mlops.stages.validate.quarantine import DuckdbRows
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


def with_quarantine(
    store: ArtifactStore,
    uri: str,
    validation: Validation,
    rows: SqlRows | pa.Table | None,
    snapshot: SnapshotRef,
    suite: Mapping[str, Any] | None,
    spec: ModelSpec,
) -> Validation:
    """Store the failing rows: those at hand where all rows are, or a stream of them out of DuckDB.

    A database has no order to count rows by, and words of its own: what failed there is looked for again among the rows
    of the snapshot, which are those that would be used.

    Parameters
    ----------
    store : ArtifactStore
    uri : str
        The Parquet file of the quarantine.
    validation : Validation
        What was found.
    rows : SqlRows or Table or None
        Where the suite ran.
    snapshot : SnapshotRef
    suite : mapping or None
        With ``expectations``, as many as the validation has.
    spec : ModelSpec
        With ``validate.quarantine_rows`` and sensitive columns.

    Returns
    -------
    Validation
        The same, with the number of rows stored and the first of them.
    """
    from airflow_mlops.stages.validate.suite import SqlRows, run_suite_on

    if not isinstance(rows, SqlRows):
        if validation.quarantine is None:
            return validation
        if validation.rows < snapshot.rows:  # of a sample
            with _scanned(store, snapshot) as all_rows:
                return _quarantined(store, uri, validation, all_rows, validation.findings, spec)
        store.write_table(uri, validation.quarantine)
        return validation
    if rows.place == "duckdb":
        return _quarantined(store, uri, validation, rows, validation.findings, spec)
    judged = zip((suite or {}).get("expectations") or [], validation.expectations, strict=True)
    failed = [item for item, finding in judged if not finding.passed and finding.severity != "info"]
    with snapshot_in_duckdb(store, snapshot) as near:
        again = run_suite_on(near, {**(suite or {}), "expectations": failed}, sensitive=spec.data.sensitive)
        return _quarantined(store, uri, validation, near, [*validation.data_check, *again], spec)


@dataclass(frozen=True, slots=True)
class _Scanned:
    """A snapshot in DuckDB itself, without what a suite needs."""

    duckdb: duckdb.DuckDBPyConnection
    table: str
    names: list[str]


@contextmanager
def _scanned(store: ArtifactStore, snapshot: SnapshotRef) -> Iterator[_Scanned]:
    """Open a snapshot for one query, a batch at a time."""
    import duckdb
    import pyarrow as pa

    opened = open_rows(store, snapshot)
    with (
        tempfile.TemporaryDirectory(prefix="mlops-scan-") as spill,
        duckdb.connect(config={"memory_limit": "256MB", "threads": 1, "temp_directory": spill}) as connection,
    ):
        connection.register("stored_rows", pa.RecordBatchReader.from_batches(opened.schema, opened.batches()))
        yield _Scanned(connection, "stored_rows", opened.schema.names)


def _quarantined(
    store: ArtifactStore,
    uri: str,
    validation: Validation,
    rows: DuckdbRows,
    findings: Sequence[Finding],
    spec: ModelSpec,
) -> Validation:
    failing = quarantine_stream(rows, worst_first(findings), keep=most_kept(spec), sensitive=spec.data.sensitive)
    count, head = store_quarantine(store, uri, failing)
    return replace(validation, quarantine=head, quarantined=count)


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
