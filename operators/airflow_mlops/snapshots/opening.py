"""From a reference to rows, after what is stored has been compared with what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing
from airflow_mlops.snapshots.lakes import open_lake
from airflow_mlops.snapshots.rows import FileRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.snapshots.rows import Rows


def open_rows(store: ArtifactStore, snapshot: SnapshotRef, *, is_checked: bool = True) -> Rows:
    """Open a snapshot of any size, after its bytes have been compared with their digests.

    Parameters
    ----------
    store : ArtifactStore
    snapshot : SnapshotRef
    is_checked : bool, default=True
        False leaves the comparison, `check_files`, to the caller, who keeps nothing of the rows before it is done.

    Raises
    ------
    ArtifactMissing
        A file is gone, or the version of the lake.
    ArtifactCorrupt
        The bytes of a file do not match its digest, or are not Parquet.
    SourceUnavailable
        The storage or the catalog of a lake did not answer.
    """
    if snapshot.lake is not None:
        return open_lake(snapshot.lake, store.credentials, snapshot.rows)

    import pyarrow as pa
    from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

    if is_checked:
        check_files(store, snapshot)
    paths = tuple(store.path(uri) for uri, _ in snapshot.files)
    rows = FileRows(
        LocalFileSystem() if store.protocol == "file" else PyFileSystem(FSSpecHandler(store.fs)), paths, snapshot.rows
    )
    try:
        rows.schema  # noqa: B018 - read from the files, once, where it says what is wrong with them
    except (pa.ArrowInvalid, OSError) as error:
        check_files(store, snapshot)
        raise ArtifactCorrupt(
            f"snapshot {snapshot.id} is not Parquet ({error}); restore its files or ingest again."
        ) from error
    return rows


def read_rows(store: ArtifactStore, snapshot: SnapshotRef, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a snapshot into memory, after its bytes have been compared with their digests.

    A column that one of its files lacks is null there.

    Raises
    ------
    ArtifactMissing
        A file is gone, or the version of the lake.
    ArtifactCorrupt
        The bytes of a file do not match its digest, or are not Parquet, or no file has one of the columns.
    """
    if snapshot.lake is None and len(snapshot.files) == 1:
        (uri, digest), *_ = snapshot.files
        return store.read_table(uri, digest=digest, columns=list(columns) if columns is not None else None)
    rows = open_rows(store, snapshot)
    missing = [name for name in columns or () if name not in rows.schema.names]
    if missing:
        named = ", ".join(map(repr, missing))
        raise ArtifactCorrupt(f"snapshot {snapshot.id} has no column {named}; ingest or run it again.")
    return rows.table(columns)


def read_frame(store: ArtifactStore, snapshot: SnapshotRef, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a snapshot into a pandas frame; errors as for `read_rows`."""
    return read_rows(store, snapshot, columns).to_pandas()


def is_stored(store: ArtifactStore, snapshot: SnapshotRef) -> bool:
    """Tell whether all files of a snapshot are there; of a lake, its version with the files of the window."""
    if snapshot.lake is not None:
        try:
            open_lake(snapshot.lake, store.credentials, snapshot.rows)
        except ArtifactMissing:
            return False
        return True
    return all(store.exists(uri) for uri, _ in snapshot.files)


def check_files(store: ArtifactStore, snapshot: SnapshotRef) -> None:
    """Compare all files of a snapshot with their digests; errors as for `check_digest`."""
    for uri, digest in snapshot.files:
        check_digest(store, uri, digest)


def check_digest(store: ArtifactStore, uri: str, digest: str) -> None:
    """Compare a file with its digest, a block at a time.

    Raises
    ------
    ArtifactMissing
        Nothing is stored there.
    ArtifactCorrupt
        The bytes are not those that were written.
    """
    found = store.digest_of(uri)
    if found != digest:
        raise ArtifactCorrupt(
            f"{uri} has digest {found[:12]}, but {digest[:12]} was written: the file was changed or cut. "
            "Restore it, or delete its folder and run the stage again."
        )
