"""Rows that are opened and not read."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSystem

# Rows of a batch: large enough for vectors, small enough for any number of columns.
BATCH_ROWS = 131_072
# Bytes of a file that are read at a time.
_READ_BYTES = 1 << 20
# Each text that is written out takes so many bytes for its length alone.
_LENGTH_BYTES = 4


class Rows(Protocol):
    """Rows of a snapshot, in its files or in a lake."""

    @property
    def rows(self) -> int:
        """How many."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""

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

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pa.Table:
        """Read rows into memory; parameters as for `batches`."""


class InMemory:
    """Rows that are read into memory by their batches."""

    def table(
        self: Rows,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pa.Table:
        """Read rows into memory; see `Rows.table`."""
        import pyarrow as pa

        names = list(columns) if columns is not None else self.schema.names
        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.Table.from_batches(self.batches(columns, time=time, start=start, end=end), schema)


@dataclass(frozen=True)
class FileRows(InMemory):
    """Rows in Parquet files of the artifact store.

    Pyarrow's dataset is left alone: importing it imports pandas, and it decodes a whole group of rows at a time.

    Attributes
    ----------
    filesystem : pyarrow FileSystem
    paths : tuple of str
        Files on it, in order.
    rows : int
    """

    filesystem: FileSystem
    paths: tuple[str, ...]
    rows: int

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the columns of all files."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = [pq.read_schema(path, filesystem=self.filesystem).remove_metadata() for path in self.paths]
        return pa.unify_schemas(found, promote_options="permissive")

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows in order; see `Rows.batches`."""
        names = list(columns) if columns is not None else self.schema.names
        bounds = Bounds.of(time, start, end)
        read = list(dict.fromkeys([*names, *([bounds.time] if bounds else [])]))
        for path in self.paths:
            for batch in self._of_file(path, read, bounds):
                alike = _alike(batch, read, self.schema)
                inside = alike if bounds is None else bounds.inside(alike)
                if inside.num_rows:
                    yield inside.select(names)

    def _of_file(self, path: str, names: Sequence[str], bounds: Bounds | None) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        with (
            self.filesystem.open_input_file(path) as source,
            # Little is read ahead: what waits is memory that a snapshot of any size may not take.
            pq.ParquetFile(source, pre_buffer=False, buffer_size=_READ_BYTES) as file,
        ):
            groups = [
                group for group in range(file.num_row_groups) if bounds is None or bounds.meet(file.metadata, group)
            ]
            present = [name for name in names if name in file.schema_arrow.names]
            yield from file.iter_batches(BATCH_ROWS, row_groups=groups, columns=present)

    @contextmanager
    def columns(self) -> Iterator[Callable[[str], Iterator[pa.Array]]]:
        """Open the files for one thread, which may then read one column after another.

        Yields
        ------
        callable
            Gives the values of a column by its name, at most 131,072 at a time. Texts that a file holds as a
            dictionary stay one.
        """
        import pyarrow as pa

        with ExitStack() as opened:
            files = [opened.enter_context(self._by_column(path)) for path in self.paths]
            held = [(file, set(file.schema_arrow.names)) for file in files]

            def values(name: str) -> Iterator[pa.Array]:
                for file, names in held:
                    present = [name] if name in names else []
                    for batch in file.iter_batches(BATCH_ROWS, columns=present, use_threads=False):
                        is_coded = present and pa.types.is_dictionary(batch.schema.field(name).type)
                        yield (batch if is_coded else _alike(batch, [name], self.schema)).column(0)
                # Of ten megabytes in use, Arrow's allocator would come to hold sixty.
                pa.default_memory_pool().release_unused()

            yield values

    @contextmanager
    def _by_column(self, path: str) -> Iterator[pq.ParquetFile]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self.filesystem.open_input_file(path) as source:
            metadata = pq.read_metadata(source)
            texts = {field.name for field in self.schema if pa.types.is_string(field.type)}
            with pq.ParquetFile(
                source,
                metadata=metadata,
                read_dictionary=_coded(metadata) & texts,
                buffer_size=_READ_BYTES,
                pre_buffer=False,
            ) as file:
                yield file


def _coded(metadata: pq.FileMetaData) -> set[str]:
    """Name columns that are too small to hold texts themselves: of others, making a dictionary is what takes time."""
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    names = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    return {
        name
        for place, name in enumerate(names)
        if sum(group.column(place).total_uncompressed_size for group in groups) < metadata.num_rows * _LENGTH_BYTES
    }


@dataclass(frozen=True)
class Bounds:
    """A stretch of a column of times in UTC, from ``start`` (included) to ``end`` (left out); None is open."""

    time: str
    start: datetime | None
    end: datetime | None

    @classmethod
    def of(cls, time: str | None, start: datetime | None, end: datetime | None) -> Bounds | None:
        """Make bounds of the arguments of `Rows.batches`; None where nothing is bound."""
        return None if time is None or (start is None and end is None) else cls(time, start, end)

    def inside(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Keep the rows whose time lies inside; one without a time does not."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind, times = pa.timestamp("us", "UTC"), batch.column(self.time)
        if self.start is not None:
            batch = batch.filter(pc.greater_equal(times, pa.scalar(self.start, kind)))
            times = batch.column(self.time)
        return batch if self.end is None else batch.filter(pc.less(times, pa.scalar(self.end, kind)))

    def meet(self, metadata: pq.FileMetaData, group: int) -> bool:
        """Tell whether a group of rows can hold times inside, by its statistics."""
        names = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
        if self.time not in names:
            return True
        facts = metadata.row_group(group).column(names.index(self.time)).statistics
        if facts is None or not facts.has_min_max:
            return True
        return (self.end is None or facts.min < self.end) and (self.start is None or facts.max >= self.start)


def _alike(batch: pa.RecordBatch, names: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
    """Bring a batch of one file to the types of all; a column that the file lacks is null."""
    import pyarrow as pa

    wanted = pa.schema([schema.field(name) for name in names])
    if batch.schema.equals(wanted) or not names:
        return batch
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in wanted
    ]
    return pa.RecordBatch.from_arrays(columns, schema=wanted)
