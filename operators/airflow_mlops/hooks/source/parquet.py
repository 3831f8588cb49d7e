"""Rows of many Parquet files as one stream: only files, folders and row groups of the window are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import EmptyWindow, SourceUnreadable
from airflow_mlops.hooks.source.hive import with_folders
from airflow_mlops.hooks.source.text_rows import in_schema, joined_schema
from airflow_mlops.stages.ingest import plain_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    import pyarrow.dataset as ds

    from airflow_mlops.hooks.source.hive import Value

# Bytes of a file read at a time.
_READ_BYTES = 1 << 20
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
        import pyarrow as pa

        given = 0
        for file in self._files:
            dataset = self._open(file)
            for batch in self._rows(file, dataset, filter=self._window(dataset.schema)):
                given += batch.num_rows
                table = with_folders(pa.Table.from_batches([batch]), file.folders)
                yield from in_schema(table, self.schema, file.path).to_batches()
        if not given:
            self._check_window()

    def _rows(self, file: ParquetFile, dataset: ds.Dataset, **asked: Any) -> Iterator[pa.RecordBatch]:
        import pyarrow.dataset as ds

        # Pages are read as they are decoded: a column chunk kept whole is memory that files of any size may not take.
        paged = ds.ParquetFragmentScanOptions(use_buffered_stream=True, buffer_size=_READ_BYTES, pre_buffer=False)
        scanner = dataset.scanner(
            **asked, batch_size=_BATCH_ROWS, batch_readahead=1, fragment_readahead=1, fragment_scan_options=paged
        )
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
            if "duplicate field names" in str(error):
                raise SourceUnreadable(
                    f"{file.path} has a column more than once ({_first_line(error)}); name each once."
                ) from error
            raise SourceUnreadable(
                f"{file.path} is not whole Parquet ({file.size} bytes): {_first_line(error)}. Write or copy it again."
            ) from error

    def _schema_of(self, file: ParquetFile) -> pa.Schema:
        return with_folders(plain_types(self._open(file).schema).empty_table(), file.folders).schema

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
