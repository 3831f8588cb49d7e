"""Bytes at a URI: the only module that reads or writes them.

Everything stored is immutable, and its place is a function of what it holds, so two writers of the same place write the
same. (Models that only cloudpickle can store differ in bytes, so their files are named by digest.) A thing made of
several files is complete when its ``manifest.json`` exists: that file is written last, and nothing reads a folder
without one. A process killed half-way leaves files without a manifest; the retry writes over.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import tempfile
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pandas as pd
    import pyarrow as pa
    from fsspec import AbstractFileSystem

MANIFEST = "manifest.json"
# Rows that a reader of one batch at a time has to decode at once.
ROW_GROUP = 131_072
# Bytes of a large file that are in memory at a time.
_BLOCK = 1 << 20


def digest_bytes(payload: bytes) -> str:
    """Return the SHA-256 of ``payload`` in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


def digest_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value; key order does not matter."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode())


@dataclass(frozen=True)
class ArtifactStore:
    """A folder on any fsspec filesystem.

    Parameters
    ----------
    fs : AbstractFileSystem
        Already carries its credentials.
    root : str
        Path of the folder on ``fs``, without protocol.
    protocol : str, default="file"
        Only for the URIs that are handed out.
    credentials : callable, optional
        From the kind of a lake and the name of a connection to what opens it, for snapshots that are a version of a
        Delta Lake or Iceberg table. Default: what the machine itself has, such as its environment.
    most_json : int, optional
        Bytes of the largest JSON file that is read, for those who answer many people at once. Default: any.
    """

    fs: AbstractFileSystem = field(repr=False)
    root: str
    protocol: str = "file"
    credentials: Callable[[str, str], Mapping[str, str]] | None = field(default=None, repr=False, compare=False)
    most_json: int | None = field(default=None, repr=False, compare=False)

    @classmethod
    def local(cls, folder: Any) -> ArtifactStore:
        """Open a folder of this machine."""
        from fsspec.implementations.local import LocalFileSystem

        return cls(LocalFileSystem(auto_mkdir=True), os.path.abspath(str(folder)))

    def uri(self, *parts: str) -> str:
        """Return the URI of a place in the store."""
        path = posixpath.join(self.root, *parts)
        return f"{self.protocol}://{path}"

    def path(self, uri: str) -> str:
        """Return the path on ``fs`` of a URI that this store handed out.

        Raises
        ------
        ArtifactMissing
            The URI lies outside the store, or a symbolic link in the store leads out of it.
        """
        path = self._named(uri)
        if not self._stays_inside(path):
            raise ArtifactMissing(
                f"{uri} leads out of the artifact store {self.uri()} by a symbolic link; put the files there."
            )
        return path

    def _named(self, uri: str) -> str:
        path = posixpath.normpath(uri.removeprefix(f"{self.protocol}://"))
        if not _is_below(path, self.root):
            raise ArtifactMissing(f"{uri} is not in the artifact store {self.uri()}; check [mlops] artifacts_uri.")
        return path

    def _stays_inside(self, path: str) -> bool:
        """Tell whether a place of a local store is really in it; the store's own folder may be behind a link."""
        return self.protocol != "file" or _is_below(os.path.realpath(path), os.path.realpath(self.root))

    # Bytes

    def write_bytes(self, uri: str, payload: bytes) -> str:
        """Write whole or not at all; return the digest."""
        path = self.path(uri)
        if self.protocol == "file":
            # A reader must never see a half-written file; object stores give that by themselves.
            beside = f"{path}.{uuid.uuid4().hex}.tmp"
            self.fs.makedirs(posixpath.dirname(path), exist_ok=True)
            self.fs.pipe_file(beside, payload)
            self.fs.mv(beside, path)
        else:
            self.fs.pipe_file(path, payload)
        return digest_bytes(payload)

    def read_bytes(self, uri: str, *, digest: str | None = None) -> bytes:
        """Read a file, and check its digest where one is given.

        Raises
        ------
        ArtifactMissing
            Nothing is stored there.
        ArtifactCorrupt
            The bytes are not those that were written.
        """
        try:
            payload = self.fs.cat_file(self.path(uri))
        except FileNotFoundError as error:
            raise ArtifactMissing(f"nothing is stored at {uri}; run the stage that makes it again.") from error
        if digest is not None and digest_bytes(payload) != digest:
            raise ArtifactCorrupt(
                f"{uri} holds {len(payload)} bytes with digest {digest_bytes(payload)[:12]}, but {digest[:12]} was "
                "written: the file was changed or cut. Restore it, or delete its folder and run the stage again."
            )
        return payload

    def blocks(self, uri: str) -> Iterator[bytes]:
        """Read a file of any size, a megabyte at a time.

        Raises
        ------
        ArtifactMissing
            Nothing is stored there.
        """
        try:
            with self.fs.open(self.path(uri), "rb") as file:
                while block := file.read(_BLOCK):
                    yield block
        except FileNotFoundError as error:
            raise ArtifactMissing(f"nothing is stored at {uri}; run the stage that makes it again.") from error

    def size(self, uri: str) -> int:
        """Return how many bytes a file has.

        Raises
        ------
        ArtifactMissing
            No file is stored there.
        """
        try:
            found = self.fs.info(self.path(uri))
        except FileNotFoundError as error:
            raise ArtifactMissing(f"nothing is stored at {uri}; run the stage that makes it again.") from error
        if found["type"] == "directory":
            raise ArtifactMissing(f"{uri} is a folder, and a file was asked for.")
        return int(found["size"])

    def digest_of(self, uri: str) -> str:
        """Return the digest of a file of any size; errors as for `blocks`."""
        found = hashlib.sha256()
        for block in self.blocks(uri):
            found.update(block)
        return found.hexdigest()

    def write_blocks(self, uri: str, blocks: Iterable[bytes]) -> None:
        """Write a file of any size whole or not at all, by way of a local one."""
        path = self.path(uri)
        if self.protocol == "file":
            beside = f"{path}.{uuid.uuid4().hex}.tmp"
            self.fs.makedirs(posixpath.dirname(path), exist_ok=True)
            with self.fs.open(beside, "wb") as file:
                for block in blocks:
                    file.write(block)
            self.fs.mv(beside, path)
            return
        # What stops on its way into an object store would be a cut object there.
        with tempfile.NamedTemporaryFile() as whole:
            for block in blocks:
                whole.write(block)
            whole.flush()
            self.fs.put_file(whole.name, path)

    def exists(self, uri: str) -> bool:
        """Tell whether a file or folder is there; nothing is where a symbolic link leads out of the store."""
        path = self._named(uri)
        return self._stays_inside(path) and bool(self.fs.exists(path))

    def delete(self, uri: str) -> None:
        """Remove a file or folder; nothing happens where nothing is."""
        if self.exists(uri):
            self.fs.rm(self.path(uri), recursive=True)

    # JSON and text

    def write_json(self, uri: str, value: Mapping[str, Any]) -> str:
        """Write a JSON object with sorted keys; return the digest."""
        return self.write_bytes(uri, json.dumps(value, indent=2, sort_keys=True, default=str).encode())

    def read_json(self, uri: str) -> dict[str, Any]:
        """Read a JSON object.

        Raises
        ------
        ArtifactMissing
            Nothing is stored there.
        ArtifactCorrupt
            The file is no JSON object, or larger than ``most_json``.
        """
        if self.most_json is not None and (size := self.size(uri)) > self.most_json:
            raise ArtifactCorrupt(
                f"{uri} has {size:,} bytes, and of JSON at most {self.most_json:,} are read here: no stage writes as "
                "much. Delete it and run the stage again."
            )
        payload = self.read_bytes(uri)
        try:
            value = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise ArtifactCorrupt(f"{uri} is not JSON ({error}); delete it and run the stage again.") from error
        if not isinstance(value, dict):
            raise ArtifactCorrupt(f"{uri} is JSON, but no object; delete it and run the stage again.")
        return value

    # Folders that are complete when their manifest is there

    def manifest(self, folder: str) -> dict[str, Any] | None:
        """Return the manifest of a complete folder, or None."""
        uri = f"{folder}/{MANIFEST}"
        return self.read_json(uri) if self.exists(uri) else None

    def complete(self, folder: str, manifest: Mapping[str, Any]) -> None:
        """Mark a folder as complete by writing its manifest, last."""
        self.write_json(f"{folder}/{MANIFEST}", manifest)

    # Tables

    def write_table(self, uri: str, table: pa.Table) -> str:
        """Write an Arrow table as Parquet with fixed settings; return the digest of the file.

        The settings are fixed so that the same rows give the same bytes. Pandas' own metadata is left out: it names
        library versions.
        """
        return self.write_bytes(uri, encode_table(table))

    def read_table(self, uri: str, *, digest: str | None = None, columns: list[str] | None = None) -> pa.Table:
        """Read a Parquet file into an Arrow table.

        Raises
        ------
        ArtifactCorrupt
            The bytes do not match ``digest``, or are not Parquet.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        payload = self.read_bytes(uri, digest=digest)
        try:
            # Not pq.read_table: its threads sometimes outlive the end of the process, which then aborts.
            file = pq.ParquetFile(pa.BufferReader(payload))
            missing = [name for name in columns or () if name not in file.schema_arrow.names]
            if missing:
                raise ArtifactCorrupt(f"{uri} has no column {', '.join(map(repr, missing))}; ingest or run it again.")
            return file.read(columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise ArtifactCorrupt(f"{uri} is not a Parquet file ({error}); restore it or ingest again.") from error

    def read_frame(self, uri: str, *, digest: str | None = None, columns: list[str] | None = None) -> pd.DataFrame:
        """Read a Parquet file into a pandas frame."""
        return self.read_table(uri, digest=digest, columns=columns).to_pandas()


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def encode_table(table: pa.Table) -> bytes:
    """Encode an Arrow table as Parquet bytes that depend on its rows and schema only."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    plain = table.replace_schema_metadata(None)
    pq.write_table(plain, buffer, compression="zstd", compression_level=3, row_group_size=ROW_GROUP)
    return buffer.getvalue()
