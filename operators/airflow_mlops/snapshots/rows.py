"""Rows that are opened and not read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa
    import pyarrow.dataset as ds

# Rows of a batch: large enough for vectors, small enough for any number of columns.
BATCH_ROWS = 131_072


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


@dataclass(frozen=True)
class FileRows:
    """Rows in Parquet files of the artifact store.

    Attributes
    ----------
    dataset : pyarrow Dataset
        With the schema of all files.
    rows : int
    """

    dataset: ds.Dataset
    rows: int

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self.dataset.schema

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows in order; see `Rows.batches`."""
        # Little is read ahead: what waits to be used is memory that a snapshot of any size may not take.
        scanner = self.dataset.scanner(
            columns=list(columns) if columns is not None else None,
            filter=between(time, start, end),
            batch_size=BATCH_ROWS,
            batch_readahead=4,
            fragment_readahead=1,
        )
        return iter(scanner.to_reader())

    def table(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pa.Table:
        """Read rows into memory; see `Rows.table`."""
        return self.dataset.to_table(
            columns=list(columns) if columns is not None else None, filter=between(time, start, end)
        )


def between(time: str | None, start: datetime | None, end: datetime | None) -> Any:
    """Write bounds of a column in microseconds UTC as a filter; None where there are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.timestamp("us", "UTC")
    bounds = []
    if time is not None and start is not None:
        bounds.append(pc.field(time) >= pa.scalar(start, kind))
    if time is not None and end is not None:
        bounds.append(pc.field(time) < pa.scalar(end, kind))
    return None if not bounds else bounds[0] if len(bounds) == 1 else bounds[0] & bounds[1]
