"""Cut what a source gives to a window, batch by batch, and count what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.errors import EmptyWindow, MissingColumns, SourceUnreadable

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

# A row without a time belongs to no window. A few are a slip of the source; more mean that the column is broken.
MAX_UNDATED = 0.01


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a source are wanted, and what they must have.

    Attributes
    ----------
    time : str
        Column with the event time: a timestamp, a date, or text in ISO 8601. Without a zone it is UTC.
    key : tuple of str
        Columns that identify a row; rows of one time are ordered by them, then by all others.
    columns : tuple of str
        Columns that must be there.
    start, end : datetime
        Bounds with a zone; ``start`` is included, ``end`` is not.
    """

    time: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest kept and what it left out.

    Attributes
    ----------
    rows_read, rows : int
        Given by the source; kept.
    outside, undated : int
        Left out because their time lies outside the window; because they have none.
    first, last : str
        Earliest and latest time kept, ISO 8601 in UTC.
    """

    rows_read: int
    rows: int
    outside: int
    undated: int
    first: str
    last: str


class Cut:
    """Keep the rows of a window, piece by piece, and count the others.

    Parameters
    ----------
    schema : Schema
        Of all pieces.
    wanted : Wanted
        The window, and the columns that must be there.

    Attributes
    ----------
    schema : Schema
        Of what is kept: ``time`` in microseconds UTC, dictionaries and views as plain values.

    Raises
    ------
    MissingColumns
        One of the columns is not there.
    SourceUnreadable
        ``time`` is not a time.
    """

    def __init__(self, schema: pa.Schema, wanted: Wanted) -> None:
        import pyarrow as pa

        missing = [
            name for name in dict.fromkeys([wanted.time, *wanted.key, *wanted.columns]) if name not in schema.names
        ]
        if missing:
            raise MissingColumns(missing, present=schema.names, where="the source")
        self.wanted = wanted
        self._plain = plain_types(schema)
        position = schema.names.index(wanted.time)
        _check_time(self._plain.field(position))
        self.schema = self._plain.set(position, pa.field(wanted.time, pa.timestamp("us", "UTC")))
        self._read = self._kept = self._undated = 0
        self._all: tuple[datetime, datetime] | None = None
        self._inside: tuple[datetime, datetime] | None = None

    def keep(self, piece: pa.Table) -> pa.Table:
        """Return the rows of the window among those of a piece, in their order.

        Raises
        ------
        SourceUnreadable
            A value of ``time`` cannot be read.
        """
        dated = self._with_utc_times(piece)
        times = dated.column(self.wanted.time)
        ends = _ends(times)
        self._read += piece.num_rows
        self._undated += times.null_count
        self._all = _wider(self._all, ends)
        start, end = self.wanted.start, self.wanted.end
        if ends is not None and times.null_count == 0 and start <= ends[0] and ends[1] < end:
            inside = dated
        else:
            inside = _between(dated, self.wanted)
            ends = _ends(inside.column(self.wanted.time))
        self._inside = _wider(self._inside, ends)
        self._kept += inside.num_rows
        return inside

    def report(self) -> IngestReport:
        """Sum up all pieces.

        Raises
        ------
        SourceUnreadable
            More than 1 % of rows have no time.
        EmptyWindow
            No row is left.
        """
        wanted = self.wanted
        if self._undated > MAX_UNDATED * self._read:
            raise SourceUnreadable(
                f"{self._undated} of {self._read} rows have no {wanted.time!r}, more than {MAX_UNDATED:.0%}; mend the "
                "column in the source."
            )
        if self._inside is None:
            span = None if self._all is None else (self._all[0].isoformat(), self._all[1].isoformat())
            raise EmptyWindow(start=wanted.start, end=wanted.end, rows_read=self._read, span=span)
        return IngestReport(
            rows_read=self._read,
            rows=self._kept,
            outside=self._read - self._undated - self._kept,
            undated=self._undated,
            first=self._inside[0].isoformat(),
            last=self._inside[1].isoformat(),
        )

    def _with_utc_times(self, piece: pa.Table) -> pa.Table:
        import pyarrow as pa

        plain = piece.replace_schema_metadata(None)
        if not plain.schema.equals(self._plain, check_metadata=True):
            plain = plain.cast(self._plain)
        column = plain.column(self.wanted.time)
        if pa.types.is_string(column.type):
            column = _parsed(column, self.wanted.time)
        if pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("s"))
        # Sub-microseconds go: pandas, Parquet and databases do not agree about them.
        utc = column.cast(pa.timestamp("us", "UTC"), safe=False)
        return plain.set_column(plain.column_names.index(self.wanted.time), self.wanted.time, utc)


def plain_types(schema: pa.Schema) -> pa.Schema:
    """Undo what is only a way of storing: dictionaries, views and 64-bit offsets hold the same values."""
    import pyarrow as pa

    def plain(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_dictionary(kind):
            return plain(kind.value_type)
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return pa.string()
        return kind

    return pa.schema([pa.field(field.name, plain(field.type)) for field in schema])


def _check_time(field: pa.Field) -> None:
    import pyarrow as pa

    if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type) or pa.types.is_string(field.type):
        return
    if pa.types.is_null(field.type):  # no row, or none with a time: what is wrong with that is said of the rows
        return
    raise SourceUnreadable(
        f"{field.name!r} is {field.type}, not a time; give timestamps, dates or ISO 8601 text, or mend data.time."
    )


def _parsed(column: pa.ChunkedArray, time: str) -> pa.ChunkedArray | pa.Array:
    import pyarrow as pa

    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return _parsed_one_by_one(column, time)


def _parsed_one_by_one(column: pa.ChunkedArray, time: str) -> pa.Array:
    """Read what Arrow's quick parser does not: times of several forms, some with a zone and some without."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.to_pandas()
    times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
    broken = times.isna() & texts.notna()
    if broken.any():
        raise SourceUnreadable(
            f"{int(broken.sum())} of {len(texts)} values of {time!r} are no ISO 8601 times, such as "
            f"{texts[broken].iloc[0]!r}; write times like 2013-01-31T08:30:00Z."
        )
    return pc.cast(pa.Array.from_pandas(times), pa.timestamp("us", "UTC"), safe=False)


def _between(table: pa.Table, wanted: Wanted) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = (pa.scalar(moment, pa.timestamp("us", "UTC")) for moment in (wanted.start, wanted.end))
    return table.filter((pc.field(wanted.time) >= low) & (pc.field(wanted.time) < high))


def _ends(times: pa.ChunkedArray) -> tuple[datetime, datetime] | None:
    import pyarrow.compute as pc

    ends = pc.min_max(times).as_py()
    return None if ends["min"] is None else (ends["min"], ends["max"])


def _wider(
    one: tuple[datetime, datetime] | None, other: tuple[datetime, datetime] | None
) -> tuple[datetime, datetime] | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])
