"""From what a source gave to the rows of a window, in one order, whatever order they came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.errors import EmptyWindow, MissingColumns, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

# A row without a time belongs to no window. A few are a slip of the source; more mean that the column is broken.
MAX_UNDATED = 0.01


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


def ingest(
    table: pa.Table, *, time: str, key: Sequence[str], columns: Sequence[str], start: datetime, end: datetime
) -> tuple[pa.Table, IngestReport]:
    """Cut a table to a window and bring it into an order that depends on its rows only.

    Parameters
    ----------
    table : Table
        At least the rows of the window. Not modified.
    time : str
        Column with the event time: a timestamp, a date, or text in ISO 8601. Without a zone it is UTC.
    key : sequence of str
        Columns that identify a row; rows of one time are ordered by them, then by all others.
    columns : sequence of str
        Columns that must be there.
    start, end : datetime
        Bounds with a zone; ``start`` is included, ``end`` is not.

    Returns
    -------
    table : Table
        The rows of the window; ``time`` in microseconds UTC, dictionaries and views as plain values.
    report : IngestReport
        Counts and span.

    Raises
    ------
    MissingColumns
        One of ``columns``, ``time`` or ``key`` is not there.
    SourceUnreadable
        ``time`` is not a time, a value of it cannot be read, or more than 1 % of rows have none.
    EmptyWindow
        No row is left.
    """
    needed = dict.fromkeys([time, *key, *columns])
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise MissingColumns(missing, present=table.column_names, where="the source")

    dated = _with_utc_times(_plain_types(table), time)
    undated = dated.column(time).null_count
    if undated > MAX_UNDATED * dated.num_rows:
        raise SourceUnreadable(
            f"{undated} of {dated.num_rows} rows have no {time!r}, more than {MAX_UNDATED:.0%}; mend the column in "
            "the source."
        )
    inside = _window(dated, time, start, end)
    if inside.num_rows == 0:
        raise EmptyWindow(start=start, end=end, rows_read=table.num_rows, span=_span(dated, time))
    first, last = _span(inside, time) or ("", "")
    report = IngestReport(
        rows_read=table.num_rows,
        rows=inside.num_rows,
        outside=dated.num_rows - undated - inside.num_rows,
        undated=undated,
        first=first,
        last=last,
    )
    return _ordered(inside, [time, *key]), report


def _plain_types(table: pa.Table) -> pa.Table:
    """Undo what is only a way of storing: dictionaries, views and 64-bit offsets hold the same values."""
    import pyarrow as pa

    def plain(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_dictionary(kind):
            return plain(kind.value_type)
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return pa.string()
        return kind

    schema = pa.schema([pa.field(field.name, plain(field.type)) for field in table.schema])
    return table.replace_schema_metadata(None).cast(schema)


def _with_utc_times(table: pa.Table, time: str) -> pa.Table:
    import pyarrow as pa

    column = table.column(time)
    if pa.types.is_string(column.type):
        column = _parsed(column, time)
    elif not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise SourceUnreadable(
            f"{time!r} is {column.type}, not a time; give timestamps, dates or ISO 8601 text, or mend data.time."
        )
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    # Sub-microseconds go: pandas, Parquet and databases do not agree about them.
    utc = column.cast(pa.timestamp("us", "UTC"), safe=False)
    return table.set_column(table.column_names.index(time), time, utc)


def _parsed(column: pa.ChunkedArray, time: str) -> pa.Array:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = column.to_pandas()
    times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce")
    broken = times.isna() & texts.notna()
    if broken.any():
        raise SourceUnreadable(
            f"{int(broken.sum())} of {len(texts)} values of {time!r} are no ISO 8601 times, such as "
            f"{texts[broken].iloc[0]!r}; "
            "write times like 2013-01-31T08:30:00Z."
        )
    return pc.cast(pa.Array.from_pandas(times), pa.timestamp("us", "UTC"), safe=False)


def _window(table: pa.Table, time: str, start: datetime, end: datetime) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    low, high = (pa.scalar(moment, pa.timestamp("us", "UTC")) for moment in (start, end))
    return table.filter((pc.field(time) >= low) & (pc.field(time) < high))


def _span(table: pa.Table, time: str) -> tuple[str, str] | None:
    import pyarrow.compute as pc

    ends = pc.min_max(table.column(time)).as_py()
    return None if ends["min"] is None else (ends["min"].isoformat(), ends["max"].isoformat())


def _ordered(table: pa.Table, leading: Sequence[str]) -> pa.Table:
    """Sort by the leading columns, then by all others, so that only rows that are equal can change places."""
    import pyarrow as pa

    names = dict.fromkeys([*leading, *table.column_names])
    keys = [(name, "ascending") for name in names if _is_sortable(table.schema.field(name).type)]
    # In one chunk: the bytes of a Parquet file depend on where chunks end.
    return pa.table(table.sort_by(keys).combine_chunks())


def _is_sortable(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_decimal(kind)
