"""A Parquet file of any size, written beside its place and moved there when it is whole.

The writer holds a lock on its file as long as it lives. Who comes later takes away the files that nobody holds: what a
killed process left.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore

# Rows of a group: what a reader holds at a time. Of very many columns, a group has fewer.
GROUP_ROWS = 131_072
_GROUP_VALUES = 16 << 20
_FEWEST_ROWS = 1024
FOLDER = "writing"


@dataclass(frozen=True)
class Spool:
    """A file that is being written.

    Attributes
    ----------
    store : ArtifactStore
        Where it will be.
    path : Path
        Where it is now, on a local disk: that of the store where it has one.
    """

    store: ArtifactStore
    path: Path

    def write(self, rows: pa.RecordBatchReader) -> str:
        """Write all rows with fixed settings, so that the same rows in the same order give the same bytes.

        Returns
        -------
        str
            The file's digest.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        # A dictionary of numbers is given up after a megabyte of trying; zstd finds what repeats by itself.
        texts = [field.name for field in rows.schema if pa.types.is_string(field.type)]
        settings = {"compression": "zstd", "compression_level": 3, "use_dictionary": texts}
        with self.path.open("r+b") as file:
            hashed = _Hashed(file)
            with pq.ParquetWriter(hashed, rows.schema, **settings) as writer:
                for group in _groups(rows):
                    writer.write_table(group, row_group_size=group.num_rows)
        return hashed.digest

    def move(self, uri: str) -> None:
        """Bring the whole file to its place, at once."""
        target = self.store.path(uri)
        if self.store.protocol == "file":
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(target)
        else:
            self.store.fs.put_file(str(self.path), target)


@contextmanager
def spooled(store: ArtifactStore, place: str) -> Iterator[Spool]:
    """Open a new file beside ``place``, and take away what the dead left there; it is gone at the end.

    Parameters
    ----------
    store : ArtifactStore
        On a local disk the file is written there; else in the machine's folder for temporary files.
    place : str
        URI of the folder.
    """
    is_local = store.protocol == "file"
    # Who shares the machine may not open our files, nor we theirs.
    shared = Path(tempfile.gettempdir(), f"mlops-{FOLDER}-{os.getuid()}")
    folder = Path(store.path(place), FOLDER) if is_local else shared
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    path, held = _held(folder)
    try:
        yield Spool(store, path)
    finally:
        path.unlink(missing_ok=True)
        held.close()


def sweep(folder: Path) -> None:
    """Delete the files whose writer is dead."""
    for path in folder.glob("*.parquet"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except (BlockingIOError, FileNotFoundError):
            continue  # held by the living, or gone already


def _held(folder: Path) -> tuple[Path, IO[bytes]]:
    """Make a file and lock it."""
    while True:
        path = folder / f"{uuid.uuid4().hex}.parquet"
        file = path.open("wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return path, file
        file.close()  # swept between the two lines


def _groups(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Cut the rows into groups of one size: the bytes of a file do not depend on the batches they came in."""
    import pyarrow as pa

    size = max(_FEWEST_ROWS, min(GROUP_ROWS, _GROUP_VALUES // len(rows.schema)))
    waiting: list[pa.Table] = []
    count = 0
    for batch in rows:
        waiting.append(pa.Table.from_batches([batch]))
        count += batch.num_rows
        if count < size:
            continue
        joined = pa.concat_tables(waiting)
        whole = count - count % size
        for start in range(0, whole, size):
            yield joined.slice(start, size).combine_chunks()
        waiting, count = [joined.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(waiting).combine_chunks()


class _Hashed:
    """A file that takes the digest of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.closed = False

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, payload: bytes) -> int:
        self._hash.update(payload)
        return self._file.write(payload)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True
