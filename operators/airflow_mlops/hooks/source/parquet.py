"""Rows of many Parquet files as one stream: only files, folders and row groups of the window are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import EmptyWindow, SourceUnreadable
from airflow_mlops.hooks.source.text_rows import in_schema, joined_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    import pyarrow.dataset as ds

    from airflow_mlops.hooks.source.hive import Value

_BATCH_ROWS = 131_072


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A file, and what the folders it lies in say of its rows."""

    path: str
    size: int
    folders: Mapping[str, Value]


class ParquetRows:
    """Rows of Parquet files.

    Parameters
    ----------
    filesystem : pyarrow FileSystem
        That of the paths.
    files : sequence of ParquetFile
        At least one.
    start, end, time
        The window, and the column it is about.

    Raises
    ------
    SourceUnreadable
        A file is cut or is not Parquet, or files disagree about a column.
    """

    def __init__(
        self, filesystem: Any, files: Sequence[ParquetFile], *, start: datetime, end: datetime, time: str
    ) -> None:
        self._filesystem = filesystem
        self._files = files
        self._start, self._end, self._time = start, end, time
        self.schema = joined_schema([(file.path, self._schema_of(file)) for file in files]).remove_metadata()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows of the window, file by file.

        Raises
        ------
        SourceUnreadable
            A file is broken.
        EmptyWindow
            No row of any file lies in the window.
        """
        given = 0
        for file in self._files:
            dataset = self._open(file)
            for batch in self._rows(file, dataset, filter=self._window(dataset.schema)):
                given += batch.num_rows
                yield from in_schema(self._with_folders(batch, file), self.schema).to_batches()
        if not given:
            self._check_window()

    def _rows(self, file: ParquetFile, dataset: ds.Dataset, **asked: Any) -> Iterator[pa.RecordBatch]:
        scanner = dataset.scanner(**asked, batch_size=_BATCH_ROWS, batch_readahead=4, fragment_readahead=1)
        try:
            yield from scanner.to_batches()
        except (OSError, ValueError) as error:
            raise SourceUnreadable(
                f"{file.path} is broken Parquet: {_first_line(error)}. Write or copy it again."
            ) from error

    def _open(self, file: ParquetFile) -> ds.Dataset:
        import pyarrow as pa
        import pyarrow.dataset as ds

        if not file.size:
            raise SourceUnreadable(f"{file.path} is empty (0 bytes); the export that wrote it has failed.")
        try:
            return ds.dataset(file.path, format="parquet", filesystem=self._filesystem)
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceUnreadable(
                f"{file.path} is not whole Parquet ({file.size} bytes): {_first_line(error)}. Write or copy it again."
            ) from error

    def _schema_of(self, file: ParquetFile) -> pa.Schema:
        import pyarrow as pa

        schema = self._open(file).schema
        for name, value in file.folders.items():
            if name not in schema.names:
                schema = schema.append(pa.field(name, pa.scalar(value).type))
        return schema

    def _with_folders(self, batch: pa.RecordBatch, file: ParquetFile) -> pa.Table:
        import pyarrow as pa

        table = pa.Table.from_batches([batch])
        for name, value in file.folders.items():
            if name not in table.column_names:
                table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
        return table

    def _window(self, schema: pa.Schema) -> ds.Expression | None:
        """Write the window as a filter, where the column can be compared; a row without time stays, to be counted."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._time not in schema.names or not pa.types.is_timestamp(schema.field(self._time).type):
            return None
        kind = schema.field(self._time).type
        low, high = (pa.scalar(_in_zone(moment, kind.tz), kind) for moment in (self._start, self._end))
        column = pc.field(self._time)
        return ((column >= low) & (column < high)) | column.is_null()

    def _check_window(self) -> None:
        """Refuse files without a row in the window, with the times they have."""
        import pyarrow.compute as pc

        rows, span = 0, []
        for file in self._files:
            dataset = self._open(file)
            if self._window(dataset.schema) is None:
                continue
            rows += dataset.count_rows()
            for batch in self._rows(file, dataset, columns=[self._time]):
                ends = pc.min_max(batch.column(0)).as_py()
                span += [moment.isoformat() for moment in ends.values() if moment is not None]
        if span:
            raise EmptyWindow(start=self._start, end=self._end, rows_read=rows, span=(min(span), max(span)))


def _in_zone(moment: datetime, zone: str | None) -> datetime:
    utc = moment.astimezone(UTC)
    return utc if zone else utc.replace(tzinfo=None)


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
