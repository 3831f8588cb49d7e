"""Rows from Parquet, CSV or JSON lines, on local disk or in any object store."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import EmptyWindow, SourceUnavailable, SourceUnreadable, TypesChanged
from airflow_mlops.hooks.source.csv_file import CsvFile
from airflow_mlops.hooks.source.hive import folders_of, is_in_window
from airflow_mlops.hooks.source.json_file import JsonFile
from airflow_mlops.hooks.source.parquet import ParquetFile, ParquetRows
from airflow_mlops.hooks.source.text_blocks import TextFile
from airflow_mlops.hooks.source.text_rows import rows_of, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from fsspec import AbstractFileSystem

    from airflow_mlops.hooks.source.hive import Value
    from airflow_mlops.spec.data_sections import FileSource

_MAGIC = "*?["
# Text files up to so many bytes are read twice: the first time for the types of all their values.
_SMALL_BYTES = 64 << 20


class FileReader:
    """One file, a folder, or a glob.

    Parameters
    ----------
    source : FileSource
        Its ``uri`` may be relative to ``base_dir``. In a folder, all files in it and below count, but those whose name
        starts with ``_`` or ``.`` do not: writers keep their marks there.
    base_dir : Path, optional
        Where a relative local path starts.
    """

    def __init__(self, source: FileSource, *, base_dir: Path | None = None) -> None:
        self.source = source
        self.base_dir = base_dir
        self._is_exact = False

    def version(self, start: datetime, end: datetime) -> str:
        """Digest names, sizes and marks of change of all files; the window does not matter."""
        with _storage_errors(self.source):
            return digest_json([[path, facts["size"], _mark(facts)] for path, facts in self._files()])[:16]

    def listing(self) -> list[tuple[str, int, str]]:
        """Return path, size and mark of change of each file, in order; none where no file is.

        Raises
        ------
        SourceUnavailable
            The storage did not answer.
        SourceUnreadable
            It may not be listed.
        """
        with _storage_errors(self.source):
            return [(path, facts["size"], _mark(facts)) for path, facts in self._found()]

    def stream(self, start: datetime, end: datetime, time: str) -> pa.RecordBatchReader:
        """Open the files one by one, so that a fault has a file name; files outside the window are left alone."""
        import pyarrow as pa

        with _storage_errors(self.source):
            files = self._files_of(start, end, time)
            with self._unchanged(files):
                if self.source.format == "parquet":
                    rows = self._parquet(files, start, end, time)
                    schema, batches = rows.schema, rows.batches()
                else:
                    schema, batches = self._text(files)
        return pa.RecordBatchReader.from_batches(schema, self._guarded(batches, files))

    def _guarded(self, batches: Iterator[pa.RecordBatch], files: Sequence[_Found]) -> Iterator[pa.RecordBatch]:
        with _storage_errors(self.source), self._unchanged(files):
            try:
                yield from batches
            except TypesChanged:
                self._is_exact = True  # of whoever reads again
                raise
            self._check_unchanged(files)

    @contextmanager
    def _unchanged(self, files: Sequence[_Found]) -> Iterator[None]:
        """Blame a fault on whoever writes a file meanwhile: the next try finds it whole."""
        try:
            yield
        except SourceUnreadable:
            self._check_unchanged(files)
            raise

    def _check_unchanged(self, files: Sequence[_Found]) -> None:
        """Refuse rows of a file that somebody wrote while it was read: they may be of two versions, or cut."""
        now = dict(self._found())
        for file in files:
            facts = now.get(file.path)
            if facts is None or (facts["size"], _mark(facts)) != (file.facts["size"], _mark(file.facts)):
                found = "is gone" if facts is None else f"has {facts['size']} bytes now"
                raise SourceUnavailable(
                    f"{file.path} was changed while it was read: it had {file.facts['size']} bytes before and {found}. "
                    "Write files under another name and rename them when they are whole."
                )

    def _parquet(self, files: Sequence[_Found], start: datetime, end: datetime, time: str) -> ParquetRows:
        from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

        filesystem = LocalFileSystem() if self._is_local else PyFileSystem(FSSpecHandler(self._fs))
        listed = [ParquetFile(file.path, file.facts["size"], file.folders) for file in files]
        return ParquetRows(filesystem, listed, start=start, end=end, time=time)

    def _text(self, files: Sequence[_Found]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        is_small = sum(file.facts["size"] for file in files) <= _SMALL_BYTES
        kind = CsvFile if self.source.format == "csv" else JsonFile
        opened = [kind(self._opened(file, is_small=is_small), self.source.options) for file in files]
        schema = schema_of(opened, is_exact=is_small or self._is_exact)
        return schema, rows_of(opened, schema)

    def _opened(self, file: _Found, *, is_small: bool) -> TextFile:
        if is_small:  # read twice, fetched once
            payload = self._fs.cat_file(file.path)
            return TextFile(file.path, lambda: BytesIO(payload), file.folders)
        return TextFile(file.path, partial(self._fs.open, file.path, "rb"), file.folders)

    def _files_of(self, start: datetime, end: datetime, time: str) -> list[_Found]:
        """List the files that may hold rows of the window."""
        files = self._files()
        folders = folders_of([path for path, _ in files]) if self.source.partitioning == "hive" else [{}] * len(files)
        found = [_Found(path, facts, says) for (path, facts), says in zip(files, folders, strict=True)]
        inside = [file for file in found if is_in_window(file.folders, time=time, start=start, end=end)]
        if not inside:
            raise EmptyWindow(start=start, end=end, rows_read=0)
        return inside

    def _files(self) -> list[tuple[str, dict[str, Any]]]:
        files = self._found()
        if not files:
            raise SourceUnreadable(
                f"no file is at {self.source.uri}; check data.source.uri, or wait until the data has landed."
            )
        return files

    def _found(self) -> list[tuple[str, dict[str, Any]]]:
        self._fs.invalidate_cache()  # a listing from an earlier task of the same process may be stale
        root = self._path
        found = self._fs.glob(root, detail=True) if any(mark in root for mark in _MAGIC) else self._below(root)
        return sorted((path, facts) for path, facts in found.items() if facts["type"] == "file" and _counts(path, root))

    def _below(self, root: str) -> dict[str, dict[str, Any]]:
        try:
            facts = self._fs.info(root)  # not exists(): that takes a store which is away for an empty one
        except FileNotFoundError:
            return {}
        return {root: facts} if facts["type"] == "file" else self._fs.find(root, detail=True)

    @cached_property
    def _fs(self) -> AbstractFileSystem:
        if self._is_local:
            from fsspec.implementations.local import LocalFileSystem

            return LocalFileSystem()
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(self.source.uri, conn_id=self.source.conn_id).fs

    @property
    def _is_local(self) -> bool:
        return "://" not in self.source.uri or self.source.uri.startswith("file://")

    @cached_property
    def _path(self) -> str:
        if self._is_local:
            return (self.base_dir or Path.cwd()).joinpath(self.source.uri.removeprefix("file://")).as_posix()
        place = self.source.uri.split("://", 1)[1]
        return place.rpartition("@")[2] if "@" in place.split("/", 1)[0] else place


@dataclass(frozen=True, slots=True)
class _Found:
    """A file, what the storage says of it, and what its folders say of its rows."""

    path: str
    facts: dict[str, Any]
    folders: dict[str, Value]


@contextmanager
def _storage_errors(source: FileSource) -> Iterator[None]:
    """Turn what a storage raises into: it refuses, or it is away."""
    with_what = f"connection {source.conn_id!r}" if source.conn_id else "no connection"
    try:
        yield
    except PermissionError as error:
        raise SourceUnreadable(
            f"{source.uri} may not be read with {with_what} ({error}); give it the right to list and to get."
        ) from error
    except FileNotFoundError as error:
        raise SourceUnreadable(f"no file is at {source.uri} ({error}); check data.source.uri.") from error
    except _outages() as error:
        raise SourceUnavailable(f"{source.uri} did not answer with {with_what}: {error}.") from error


def _outages() -> tuple[type[Exception], ...]:
    """Name what object stores raise when they are away; Amazon's client has errors that are no `OSError`."""
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError)


def _counts(path: str, root: str) -> bool:
    below = posixpath.relpath(path, root).split("/") if path != root else []
    return not any(part.startswith(("_", ".")) and part != ".." for part in below)


def _mark(facts: dict[str, Any]) -> str:
    for name in ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated"):
        if facts.get(name):
            value = facts[name]
            return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
    return ""
