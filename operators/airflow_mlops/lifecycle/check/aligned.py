"""Rows of two files made comparable: times in UTC, plain types, and of text the types that the reference has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_mlops.stages.kinds import kind_of

if TYPE_CHECKING:
    import pyarrow as pa


def plain(table: pa.Table) -> pa.Table:
    """Undo what is only a way of storing: dictionaries, views, 64-bit offsets; an empty text is no text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns, fields = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = _plain_type(field.type)
        values = column if kind == field.type else column.cast(kind)
        if pa.types.is_string(kind):
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, kind), values)
        columns.append(values)
        fields.append(pa.field(field.name, kind))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields)) if fields else table


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


def with_times(table: pa.Table, time: str) -> pa.Table:
    """Give the time column in microseconds UTC, null where a value is no time; other types stay as they are."""
    import pyarrow as pa

    if time not in table.column_names:
        return table
    column = table.column(time)
    if pa.types.is_string(column.type):
        column = _parsed(column)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    if not pa.types.is_timestamp(column.type):
        return table
    # Sub-microseconds go: pandas, Parquet and databases do not agree about them.
    utc = column.cast(pa.timestamp("us"), safe=False) if column.type.tz is None else column
    utc = utc.cast(pa.timestamp("us", "UTC"), safe=False)
    return table.set_column(table.column_names.index(time), time, utc)


def _parsed(column: pa.ChunkedArray) -> pa.Array:
    import pandas as pd
    import pyarrow as pa

    times = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601", errors="coerce")
    if len(times) and not times.notna().any():
        return column  # text of another kind: its type is what is wrong with it
    return pa.chunked_array([pa.Array.from_pandas(times).cast(pa.timestamp("us", "UTC"), safe=False)])


def like(table: pa.Table, reference: pa.Table) -> pa.Table:
    """Give columns of a text file the types of the reference, where every value can be had in it."""
    for name in table.column_names:
        if name not in reference.column_names:
            continue
        now, then = table.schema.field(name).type, reference.schema.field(name).type
        if now != then and kind_of(now) != kind_of(then):
            column = _cast(table.column(name), then)
            if column is not None:
                table = table.set_column(table.column_names.index(name), name, column)
    return table


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    import pyarrow as pa

    wanted = kind_of(kind)
    if wanted not in ("text", "boolean", "time", "other"):
        return None
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def span_of(table: pa.Table, time: str) -> timedelta | None:
    """Return the time that rows cover; None where they have no times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type):
        return None
    ends = pc.min_max(table.column(time)).as_py()
    if ends["min"] is None or table.num_rows < 2:
        return None
    # The last row stands for as long as the others do.
    return (ends["max"] - ends["min"]) * (table.num_rows / (table.num_rows - 1))
