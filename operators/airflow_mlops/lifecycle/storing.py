"""From a stream of rows to an immutable snapshot, in bounded memory.

Few rows are sorted first, so that the order of the source does not matter. More are written as they come, into a file
beside, which is moved into place when its digest is known. The manifest comes last: whatever kills the process, there
is a whole snapshot or none.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.artifacts import digest_bytes, digest_json, encode_table
from airflow_mlops.lifecycle.spool import spooled
from airflow_mlops.stages.ingest import Cut, ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.stages.ingest import Wanted

ID_LENGTH = 16
_MB = 1 << 20


def store_rows(
    store: ArtifactStore,
    place: str,
    rows: pa.RecordBatchReader,
    wanted: Wanted,
    *,
    section: str,
    version: str | None = None,
    sort_mb: int = 256,
) -> dict[str, Any]:
    """Cut a stream to its window and store it as a snapshot; return the manifest.

    Parameters
    ----------
    store : ArtifactStore
        Where.
    place : str
        Folder of all snapshots; this one gets a folder in it, named by its id.
    rows : RecordBatchReader
        At least the rows of the window.
    wanted : Wanted
        Window, and columns that must be there.
    section : str
        Digest of the sections of the spec that the rows depend on; part of the id.
    version : str, optional
        Of the source.
    sort_mb : int, default=256
        Rows of up to so many megabytes are sorted; more are stored in the order they come in.

    Raises
    ------
    MissingColumns
        A column that must be there is not.
    SourceUnreadable
        ``time`` is not a time, a value of it cannot be read, or more than 1 % of rows have none.
    EmptyWindow
        No row lies in the window.
    """
    import pyarrow as pa

    cut = Cut(rows.schema, wanted)
    pieces = (cut.keep(pa.Table.from_batches([batch])) for batch in rows)
    head, rest = _head(pieces, sort_mb * _MB)
    snapshot = _Snapshot(store, place, cut, section, version)
    if rest is None:
        cut.report()  # refuses no rows
        payload = encode_table(ordered(pa.concat_tables(head), wanted))
        return snapshot.store(digest_bytes(payload), lambda uri: store.write_bytes(uri, payload))
    batches = (batch for piece in chain(_emptied(head), rest) for batch in piece.to_batches())
    with spooled(store, place) as spool:
        digest = spool.write(pa.RecordBatchReader.from_batches(cut.schema, batches))
        return snapshot.store(digest, spool.move)


@dataclass(frozen=True)
class _Snapshot:
    """What a snapshot's manifest says besides the digest of its rows."""

    artifacts: ArtifactStore
    place: str
    cut: Cut
    section: str
    version: str | None

    def store(self, digest: str, write: Callable[[str], object]) -> dict[str, Any]:
        """Give the snapshot its id and folder; one that is there already is left as it is."""
        name = digest_json({"content": digest, "section": self.section})[:ID_LENGTH]
        folder = f"{self.place}/{name}"
        manifest = self.artifacts.manifest(folder)
        if manifest is None or not self.artifacts.exists(f"{folder}/data.parquet"):
            manifest = self._manifest(name, digest)
            write(f"{folder}/data.parquet")
            # Last: a process killed before this line leaves a folder that nobody reads, and the retry writes it again.
            self.artifacts.complete(folder, manifest)
        return manifest

    def _manifest(self, name: str, digest: str) -> dict[str, Any]:
        report = self.cut.report()
        return {
            "id": name,
            "digest": digest,
            "rows": report.rows,
            "schema": [{"name": field.name, "type": str(field.type)} for field in self.cut.schema],
            "start": report.first,
            "end": report.last,
            "source_version": self.version,
            "section": self.section,
            "report": asdict(report),
            "created_by": f"airflow-provider-mlops {__version__}",
        }


def _head(pieces: Iterator[pa.Table], limit: int) -> tuple[deque[pa.Table], Iterator[pa.Table] | None]:
    """Take pieces until they are larger than the limit; the rest is None where they never were."""
    head: deque[pa.Table] = deque()
    size = 0
    for piece in pieces:
        head.append(piece)
        size += piece.nbytes
        if size > limit:
            return head, pieces
    return head, None


def _emptied(head: deque[pa.Table]) -> Iterator[pa.Table]:
    """Give each piece away, so that none of them is kept in memory longer than it is used."""
    while head:
        yield head.popleft()
