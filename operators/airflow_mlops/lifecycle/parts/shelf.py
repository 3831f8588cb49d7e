"""Where parts are stored, and what is known of each stretch of time.

A part is named by its content: ``<id>.parquet`` with its manifest ``<id>.parquet.json``, which is written last. What a
stretch of time held when it was read last stands in ``index``: a part, or nothing. A stretch that is read again and
holds other rows is another part; snapshots made before keep theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.artifacts import digest_bytes, digest_json, encode_table
from airflow_mlops.lifecycle.spool import spooled
from airflow_mlops.stages.ingest import ordered

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.lifecycle.parts.pieces import Piece
    from airflow_mlops.lifecycle.parts.spans import Span
    from airflow_mlops.stages.ingest import Wanted

ID_LENGTH = 16
FOLDER = "parts"


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of a stretch of time last.

    Attributes
    ----------
    part : dict or None
        Manifest of the part; None where no row was there.
    read_at : datetime
        Moment of the run that read it, in event time; the latest where several did.
    version : str or None
        Of the source then.
    """

    part: dict[str, Any] | None
    read_at: datetime
    version: str | None = None

    @property
    def rows(self) -> int:
        """How many it holds."""
        return self.part["rows"] if self.part else 0


@dataclass(frozen=True)
class Shelf:
    """All parts of one source, in the order of one key.

    Parameters
    ----------
    store : ArtifactStore
        Where.
    place : str
        Folder of all snapshots of the model.
    source : str
        Digest of what the rows of a part depend on besides their time: the source, its time column, its key.
    """

    store: ArtifactStore
    place: str
    source: str

    # What is known of a stretch of time

    def known(self, span: Span) -> Known | None:
        """Return what was read of it last; None where nothing was, or where the part is gone."""
        uri = self._index(span)
        if not self.store.exists(uri):
            return None
        entry = self.store.read_json(uri)
        part = self.manifest(entry["part"]) if entry["part"] else None
        if entry["part"] and part is None:
            return None
        return Known(part, datetime.fromisoformat(entry["read_at"]), entry["version"])

    def note(self, span: Span, known: Known) -> None:
        """Write down what was read of it."""
        entry = {"part": known.part["id"] if known.part else None, "rows": known.rows, "version": known.version}
        self.store.write_json(self._index(span), {**entry, "read_at": known.read_at.isoformat()})

    # Parts

    def uri(self, part: str) -> str:
        """Return where the rows of a part are."""
        return f"{self.place}/{FOLDER}/{part}.parquet"

    def listed(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return what a snapshot says of a part."""
        return {"uri": self.uri(part["id"]), **{name: part[name] for name in ("id", "digest", "rows", "start", "end")}}

    def manifest(self, part: str) -> dict[str, Any] | None:
        """Return the manifest of a part that is stored whole."""
        uri = self.uri(part)
        is_whole = self.store.exists(f"{uri}.json") and self.store.exists(uri)
        return self.store.read_json(f"{uri}.json") if is_whole else None

    def put(self, span: Span, piece: Piece, wanted: Wanted, *, sort_bytes: int) -> dict[str, Any]:
        """Store the rows of a stretch; return the part's manifest.

        Parameters
        ----------
        span : Span
            The stretch.
        piece : Piece
            At least one row.
        wanted : Wanted
            Names time and key, the order of rows.
        sort_bytes : int
            A piece of up to so many is sorted; a larger one is stored in the order of the source.
        """
        if piece.bytes <= sort_bytes:
            table = ordered(piece.table(), wanted)
            payload = encode_table(table)
            return self._put(span, piece, digest_bytes(payload), lambda uri: self.store.write_bytes(uri, payload))
        with spooled(self.store, self.place) as spool:
            return self._put(span, piece, spool.write(piece.reader()), spool.move)

    def _put(self, span: Span, piece: Piece, digest: str, write: Callable[[str], object]) -> dict[str, Any]:
        part = digest_json({"content": digest, "source": self.source, "start": span.start, "end": span.end})[:ID_LENGTH]
        manifest = self.manifest(part)
        if manifest is None:
            manifest = self._described(span, piece, part, digest)
            uri = self.uri(part)
            write(uri)
            # Last: a process killed before this line leaves a file that nobody reads, and the retry writes it again.
            self.store.write_json(f"{uri}.json", manifest)
        return manifest

    def _described(self, span: Span, piece: Piece, part: str, digest: str) -> dict[str, Any]:
        return {
            "id": part,
            "digest": digest,
            "rows": piece.rows,
            "schema": [{"name": field.name, "type": str(field.type)} for field in piece.schema],
            "start": span.start.isoformat(),
            "end": span.end.isoformat(),
            "first": piece.first.isoformat(),
            "last": piece.last.isoformat(),
            "source": self.source,
            "created_by": f"airflow-provider-mlops {__version__}",
        }

    def _index(self, span: Span) -> str:
        name = f"{span.start:%Y%m%dT%H%M%S.%f}_{span.end:%Y%m%dT%H%M%S.%f}.json"
        return f"{self.place}/index/{FOLDER}/{self.source}/{name}"
