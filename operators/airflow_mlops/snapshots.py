"""Rows of a snapshot, wherever they are: the one door for whoever reads them.

A small snapshot is read whole, with `read_rows`. One of any size is opened, with `open_rows`, and read a batch at a
time, some columns, some stretch of time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import SnapshotRef

# Rows of a batch: large enough for vectors, small enough for any number of columns.
BATCH_ROWS = 131_072
# Bytes that are hashed at a time.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Rows:
    """Rows that are opened and not read.

    Attributes
    ----------
    dataset : pyarrow Dataset
        With the schema of all files.
    rows : int
    """

    dataset: ds.Dataset
    rows: int

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self.dataset.schema

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows in order, at most 131,072 at a time.

        Parameters
        ----------
        columns : sequence of str, optional
            Which; default all.
        time : str, optional
            Column that ``start`` (included) and ``end`` (left out) are about; row groups outside are not read.
        start, end : datetime, optional
            Bounds with a zone.
        """
        # Little is read ahead: what waits to be used is memory that a snapshot of any size may not take.
        scanner = self.dataset.scanner(
            columns=list(columns) if columns is not None else None,
            filter=_between(time, start, end),
            batch_size=BATCH_ROWS,
            batch_readahead=4,
            fragment_readahead=1,
        )
        return iter(scanner.to_reader())

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pa.Table:
        """Read rows into memory; parameters as for `batches`."""
        return self.dataset.to_table(
            columns=list(columns) if columns is not None else None, filter=_between(time, start, end)
        )


def open_rows(store: ArtifactStore, snapshot: SnapshotRef) -> Rows:
    """Open a snapshot of any size, after its bytes have been compared with their digests.

    Raises
    ------
    ArtifactMissing
        A file is gone.
    ArtifactCorrupt
        The bytes of a file do not match its digest, or are not Parquet.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

    for uri, digest in snapshot.files:
        check_digest(store, uri, digest)
    paths = [store.path(uri) for uri, _ in snapshot.files]
    filesystem = LocalFileSystem() if store.protocol == "file" else PyFileSystem(FSSpecHandler(store.fs))
    try:
        return Rows(ds.dataset(paths, format="parquet", filesystem=filesystem), snapshot.rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactCorrupt(
            f"snapshot {snapshot.id} is not Parquet ({error}); restore its files or ingest again."
        ) from error


def read_rows(store: ArtifactStore, snapshot: SnapshotRef, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a snapshot into memory, after its bytes have been compared with their digests.

    Raises
    ------
    ArtifactMissing
        A file is gone.
    ArtifactCorrupt
        The bytes of a file do not match its digest, or are not Parquet.
    """
    import pyarrow as pa

    chosen = list(columns) if columns is not None else None
    tables = [store.read_table(uri, digest=digest, columns=chosen) for uri, digest in snapshot.files]
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")


def read_frame(store: ArtifactStore, snapshot: SnapshotRef, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a snapshot into a pandas frame; errors as for `read_rows`."""
    return read_rows(store, snapshot, columns).to_pandas()


def is_stored(store: ArtifactStore, snapshot: SnapshotRef) -> bool:
    """Tell whether all files of a snapshot are there."""
    return all(store.exists(uri) for uri, _ in snapshot.files)


def check_digest(store: ArtifactStore, uri: str, digest: str) -> None:
    """Compare a file with its digest, a block at a time.

    Raises
    ------
    ArtifactMissing
        Nothing is stored there.
    ArtifactCorrupt
        The bytes are not those that were written.
    """
    found = hashlib.sha256()
    try:
        with store.fs.open(store.path(uri), "rb") as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except FileNotFoundError as error:
        raise ArtifactMissing(f"nothing is stored at {uri}; run the stage that makes it again.") from error
    if found.hexdigest() != digest:
        raise ArtifactCorrupt(
            f"{uri} has digest {found.hexdigest()[:12]}, but {digest[:12]} was written: the file was changed or cut. "
            "Restore it, or delete its folder and run the stage again."
        )


def _between(time: str | None, start: datetime | None, end: datetime | None) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.timestamp("us", "UTC")
    bounds = []
    if time is not None and start is not None:
        bounds.append(pc.field(time) >= pa.scalar(start, kind))
    if time is not None and end is not None:
        bounds.append(pc.field(time) < pa.scalar(end, kind))
    return None if not bounds else bounds[0] if len(bounds) == 1 else bounds[0] & bounds[1]
