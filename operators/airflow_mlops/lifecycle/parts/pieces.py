"""Rows of one read told apart by the part they belong to: in memory, and beyond a limit in one file on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_mlops.lifecycle.parts.spans import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from airflow_mlops.lifecycle.parts.spans import Span

_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Piece:
    """The rows of one part.

    Attributes
    ----------
    schema : Schema
    rows, bytes : int
        How many, and as Arrow data in memory.
    first, last : datetime
        Earliest and latest time.
    """

    schema: pa.Schema
    rows: int = 0
    bytes: int = 0
    first: datetime = EPOCH
    last: datetime = EPOCH
    _written: list[int] = field(default_factory=list)
    _held: list[pa.RecordBatch] = field(default_factory=list)
    _file: pa.ipc.RecordBatchFileReader | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows in the order of the source."""
        for number in self._written:
            assert self._file is not None
            yield self._file.get_batch(number)
        yield from self._held

    def table(self) -> pa.Table:
        """Return all rows, in memory."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches(), self.schema)

    def reader(self) -> pa.RecordBatchReader:
        """Return all rows as a stream."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self.batches())


class Pieces:
    """Take rows in any order, and give them part by part.

    Parameters
    ----------
    spans : sequence of Span
        Parts that follow each other without a gap.
    length : timedelta
        Of a whole part.
    time : str
        Column with the time, in microseconds UTC.
    schema : Schema
        Of all rows.
    path : Path
        File to use where the rows are too many for memory.
    limit : int
        Bytes that are held in memory.
    """

    def __init__(
        self, spans: Sequence[Span], length: timedelta, time: str, schema: pa.Schema, *, path: Path, limit: int
    ) -> None:
        self._pieces = [Piece(schema) for _ in spans]
        self._first = (spans[0].start - EPOCH) // length
        self._length = length
        self._time = time
        self._schema = schema
        self._path = path
        self._limit = limit
        self._bytes = self._count = 0
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def add(self, rows: pa.Table) -> None:
        """Put the rows of a table where they belong; all lie within the spans."""
        import pyarrow.compute as pc

        if rows.num_rows == 0:
            return
        numbers = self._numbers(rows)
        ends = pc.min_max(numbers)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        if low == high:
            self._hold(low, rows)
        else:
            for number in pc.unique(numbers).to_pylist():
                self._hold(number, rows.filter(pc.equal(numbers, number)))
        if self._bytes > self._limit:
            self._write_away()

    def all(self) -> list[Piece]:
        """Return a piece for each span, in order; some may be empty."""
        import pyarrow as pa

        if self._writer is not None:
            self._writer.close()
            reader = pa.ipc.open_file(pa.memory_map(str(self._path)))
            for piece in self._pieces:
                piece._file = reader
        return self._pieces

    def _numbers(self, rows: pa.Table) -> pa.ChunkedArray:
        """Return the number of each row's part, counted from the first: no time before 1970 is divided below zero."""
        import pyarrow as pa
        import pyarrow.compute as pc

        since = pc.subtract(rows.column(self._time).cast(pa.int64()), self._first * (self._length // _MICROSECOND))
        return pc.divide(since, self._length // _MICROSECOND)

    def _hold(self, number: int, rows: pa.Table) -> None:
        import pyarrow.compute as pc

        piece = self._pieces[number]
        ends = pc.min_max(rows.column(self._time)).as_py()
        piece.first = min(piece.first, ends["min"]) if piece.rows else ends["min"]
        piece.last = max(piece.last, ends["max"]) if piece.rows else ends["max"]
        piece.rows += rows.num_rows
        piece.bytes += rows.nbytes
        piece._held += rows.to_batches()
        self._bytes += rows.nbytes

    def _write_away(self) -> None:
        import pyarrow as pa

        if self._writer is None:
            self._writer = pa.ipc.new_file(
                str(self._path), self._schema, options=pa.ipc.IpcWriteOptions(compression="lz4")
            )
        for piece in self._pieces:
            for batch in pa.Table.from_batches(piece._held, self._schema).combine_chunks().to_batches():
                self._writer.write_batch(batch)
                piece._written.append(self._count)
                self._count += 1
            piece._held = []
        self._bytes = 0
