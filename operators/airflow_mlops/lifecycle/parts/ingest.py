"""From a source that is read a part at a time to a snapshot that names its parts."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import EmptyWindow
from airflow_mlops.lifecycle.parts.due import due_among
from airflow_mlops.lifecycle.parts.listed import list_parts
from airflow_mlops.lifecycle.parts.pieces import Piece, Pieces
from airflow_mlops.lifecycle.parts.shelf import Known
from airflow_mlops.lifecycle.parts.spans import Span, runs_of, spans_of, whole
from airflow_mlops.lifecycle.spool import spooled
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.snapshots import open_rows
from airflow_mlops.stages.ingest import Cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from airflow_mlops.lifecycle.parts.due import PartPlan
    from airflow_mlops.lifecycle.parts.shelf import Shelf
    from airflow_mlops.stages.ingest import Wanted

    # Gives the rows of a stretch to a function, as a stream; twice, where it finds that their types are others.
    Use = Callable[[pa.RecordBatchReader], Pieces | None]
    Feed = Callable[[datetime, datetime, Use], Pieces | None]

_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class LateRows:
    """A part that is another one than when it was read before.

    Attributes
    ----------
    span : Span
    before, now : int
        Its rows then and now.
    """

    span: Span
    before: int
    now: int

    def __str__(self) -> str:
        """Say how many came, or went."""
        if self.now == self.before:
            return f"other values or types in {self.now} rows of {self.span}"
        come = self.now - self.before
        return f"{come} late rows of {self.span}" if come > 0 else f"{-come} rows of {self.span} are gone"


@dataclass
class PartsReport:
    """What a run read, and what it found stored; it grows as the run goes on.

    Attributes
    ----------
    parts, kept : int
        Of the window; of them, not read again.
    reads : list of str
        Stretches read from the source at once.
    rows_read, undated : int
        Given by the source; left out because they had no time.
    late : list of LateRows
        Parts that changed.
    watermark : datetime or None
        End of the newest whole part that has rows.
    """

    parts: int = 0
    kept: int = 0
    reads: list[str] = field(default_factory=list)
    rows_read: int = 0
    undated: int = 0
    late: list[LateRows] = field(default_factory=list)
    watermark: datetime | None = None

    def lines(self) -> list[str]:
        """Say it in words, a line for each thing."""
        read = f"read {self.rows_read} rows from {', '.join(self.reads)}" if self.reads else "read nothing"
        undated = f", left out {self.undated} undated" if self.undated else ""
        return [
            f"{read}{undated}: {self.kept} of {self.parts} parts were stored",
            *(str(late) for late in self.late),
            f"watermark: {self.watermark.isoformat() if self.watermark else 'no whole part yet'}",
        ]


def ingest_parts(
    shelf: Shelf, wanted: Wanted, feed: Feed, plan: PartPlan, *, section: str
) -> tuple[dict[str, Any], PartsReport]:
    """Read the parts of a window that are new or may have changed, and store the list of all as a snapshot.

    Parameters
    ----------
    shelf : Shelf
        Where parts are.
    wanted : Wanted
        The window, and columns that must be there.
    feed : callable
        Called with ``start``, ``end`` and a function, it gives that at least the rows of this stretch, as a stream.
    plan : PartPlan
        How long parts are, and which are read again.
    section : str
        Digest of the sections of the spec that the snapshot depends on; part of its id.

    Returns
    -------
    manifest : dict
        Of the snapshot.
    report : PartsReport
        What was read for it.

    Raises
    ------
    MissingColumns
        A column that must be there is not.
    SourceUnreadable
        The time cannot be read; more than 1 % of rows have none; or a column's types in two parts do not go together.
    EmptyWindow
        No row lies in the window.
    """
    spans = spans_of(wanted.start, wanted.end, plan.length)
    run = _Run(shelf, wanted, feed, plan, {span: shelf.known(span) for span in spans})
    due = due_among(run.known, wanted, plan)
    run.report.parts, run.report.kept = len(spans), len(spans) - len(due)
    for stretch in runs_of(span for span in due if not run.cut_from_whole(span)):
        run.read(stretch)
    filled = {span: known.part for span, known in run.known.items() if known is not None and known.part is not None}
    if not filled:
        raise EmptyWindow(start=wanted.start, end=wanted.end, rows_read=run.report.rows_read)
    run.report.watermark = max((span.end for span in filled if span.is_whole), default=None)
    return list_parts(shelf, filled, run.report.watermark, plan.version, section), run.report


@dataclass
class _Run:
    """One run over the parts of a window."""

    shelf: Shelf
    wanted: Wanted
    feed: Feed
    plan: PartPlan
    known: dict[Span, Known | None]
    report: PartsReport = field(default_factory=PartsReport)

    def cut_from_whole(self, span: Span) -> bool:
        """Take a part that the window's start cuts from the whole one, where that is stored and will not change."""
        if span.is_whole or span.end == self.wanted.end:
            return False
        from_part = whole(span, self.plan.length)
        known = self.shelf.known(from_part)
        if known is None or from_part in due_among({from_part: known, **self.known}, self.wanted, self.plan):
            return False
        with self._pieces([span], self._stored(known)) as [piece]:
            self._keep(span, piece, known.read_at)
        return True

    def read(self, stretch: list[Span]) -> None:
        """Read parts that follow each other from the source, at once."""
        start, end = stretch[0].start, stretch[-1].end
        self.report.reads.append(str(Span(start, end)))
        with self._pieces(stretch, self.feed) as pieces:
            for span, piece in zip(stretch, pieces, strict=True):
                before = self.known[span]
                # A run of an earlier moment that comes later takes nothing back.
                now = self._keep(span, piece, self.plan.now if before is None else max(self.plan.now, before.read_at))
                if before is not None and before.part != now.part:
                    self.report.late.append(LateRows(span, before.rows, now.rows))

    @contextmanager
    def _pieces(self, spans: list[Span], feed: Feed) -> Iterator[list[Piece | None]]:
        """Read rows once and give them part by part; None for each part where there is no row at all."""
        wanted = replace(self.wanted, start=spans[0].start, end=spans[-1].end)
        with spooled(self.shelf.store, self.shelf.place) as spool:
            try:
                pieces = feed(wanted.start, wanted.end, lambda rows: self._sorted_out(rows, wanted, spans, spool.path))
            except EmptyWindow as empty:
                # A day without rows is no fault; a window without any is, and is refused when all parts are known.
                self.report.rows_read += empty.rows_read
                pieces = None
            yield [None] * len(spans) if pieces is None else list(pieces.all())

    def _sorted_out(self, rows: pa.RecordBatchReader, wanted: Wanted, spans: list[Span], path: Path) -> Pieces:
        import pyarrow as pa

        cut = Cut(rows.schema, wanted)
        pieces = Pieces(spans, self.plan.length, wanted.time, cut.schema, path=path, limit=self.plan.sort_mb * _MB)
        for batch in rows:
            pieces.add(cut.keep(pa.Table.from_batches([batch])))
        counts = cut.report()
        self.report.rows_read += counts.rows_read
        self.report.undated += counts.undated
        return pieces

    def _keep(self, span: Span, piece: Piece | None, read_at: datetime) -> Known:
        part = None
        if piece is not None and piece.rows:
            part = self.shelf.put(span, piece, self.wanted, sort_bytes=self.plan.sort_mb * _MB)
        known = Known(part, read_at, self.plan.version)
        self.shelf.note(span, known)
        self.known[span] = known
        return known

    def _stored(self, known: Known) -> Feed:
        """Give the rows of a part that is stored as a source gives its own."""

        def feed(start: datetime, end: datetime, use: Use) -> Pieces | None:
            import pyarrow as pa

            if known.part is None:
                return None
            part = self.shelf.listed(known.part)
            ref = SnapshotRef(part["id"], "", part["digest"], part["rows"], 0, part["start"], part["end"], parts=[part])
            opened = open_rows(self.shelf.store, ref)
            batches = opened.batches(time=self.wanted.time, start=start, end=end)
            return use(pa.RecordBatchReader.from_batches(opened.schema, batches))

        return feed
