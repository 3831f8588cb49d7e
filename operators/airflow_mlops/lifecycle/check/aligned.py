"""Rows of two files made comparable: times in UTC, plain types, and of text the types that the reference has."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from airflow_mlops.errors import Permanent
from airflow_mlops.stages.kinds import kind_of

# Where nobody says which column holds the event time, and what it is called where there is none.
TIME, NO_TIME = "ts", "(no time)"

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    import pyarrow as pa


def align(
    table: pa.Table, reference: pa.Table, time: str | None, *, is_guessed: bool
) -> tuple[pa.Table, pa.Table, str]:
    """Make a batch and its reference comparable.

    Parameters
    ----------
    table, reference : Table
        Rows. Not modified.
    time : str or None
        Column with the event time; default ``ts``, where the reference has it and it holds times.
    is_guessed : bool
        Whether types of either were guessed from text.

    Returns
    -------
    reference, table : Table
    time : str
        Column with the event time; a name that no column has where there is none.

    Raises
    ------
    Permanent
        The column that was named is not in the reference, or holds no times there.
    """
    import pyarrow as pa

    name = time or TIME
    good = with_times(plain(reference), name, is_number_time=True)
    if name not in good.column_names:
        if time is not None:
            present = ", ".join(good.column_names)
            raise Permanent(f"the time column is {name!r}, and the reference has no such column; it has {present}.")
        return good, like(plain(table), good, is_guessed=is_guessed), NO_TIME
    kind = good.schema.field(name).type
    if not pa.types.is_timestamp(kind):
        if time is not None:
            raise Permanent(f"the time column is {name!r}, and in the reference it holds {kind} and no times.")
        # A count of rows that is called so leaves its range with every batch.
        good, batch = good.drop_columns([name]), plain(table)
        batch = batch.drop_columns([name]) if name in batch.column_names else batch
        return good, like(batch, good, is_guessed=is_guessed), NO_TIME
    is_number = kind_of(reference.schema.field(name).type) == "number"
    batch = with_times(plain(table), name, is_number_time=is_number or is_guessed)
    return good, like(batch, good, is_guessed=is_guessed), name


def alike(table: pa.Table, reference: pa.Table) -> pa.Table:
    """Keep of an earlier batch the columns that hold what they hold in the reference, in its types."""
    import pyarrow as pa

    for name in table.column_names:
        if name not in reference.column_names:
            table = table.drop_columns([name])
            continue
        now, then = table.schema.field(name).type, reference.schema.field(name).type
        if now != then and kind_of(now) == kind_of(then) == "number":
            column = table.column(name).cast(pa.float64(), safe=False)
            table = table.set_column(table.column_names.index(name), name, column)
        elif now != then:
            table = table.drop_columns([name])
    return table


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


def with_times(table: pa.Table, time: str, *, is_number_time: bool = False) -> pa.Table:
    """Give the time column in microseconds UTC, null where a value is no time; other types stay as they are.

    Parameters
    ----------
    table : Table
        Rows. Not modified.
    time : str
        Column with timestamps, dates, or ISO 8601 text; UTC where there is no zone.
    is_number_time : bool, default=False
        Whether numbers may be seconds, milli-, micro- or nanoseconds since 1970.
    """
    import pyarrow as pa

    if time not in table.column_names:
        return table
    column = table.column(time)
    if pa.types.is_string(column.type):
        column = _parsed(column)
    elif is_number_time and kind_of(column.type) == "number":
        column = _since_1970(column)
    elif pa.types.is_null(column.type):
        column = column.cast(pa.timestamp("us"))
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    if not pa.types.is_timestamp(column.type):
        return table
    # Sub-microseconds go: pandas, Parquet and databases do not agree about them.
    utc = column.cast(pa.timestamp("us"), safe=False) if column.type.tz is None else column
    utc = utc.cast(pa.timestamp("us", "UTC"), safe=False)
    return table.set_column(table.column_names.index(time), time, utc)


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pandas as pd
    import pyarrow as pa

    times = pd.to_datetime(column.to_pandas(), utc=True, format="ISO8601", errors="coerce")
    if len(times) and not times.notna().any():
        return column  # text of another kind: its type is what is wrong with it
    return pa.chunked_array([pa.Array.from_pandas(times).cast(pa.timestamp("us", "UTC"), safe=False)])


def _since_1970(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read numbers as times where their middle lies between 1973 and 2128 in some unit; else they are no times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.cast(pa.float64(), safe=False)
    middle = pc.approximate_median(values).as_py()
    for per_second in (1, 1e3, 1e6, 1e9):
        if middle is not None and 1e8 * per_second <= middle <= 5e9 * per_second:
            return pc.multiply(values, 1e6 / per_second).cast(pa.int64(), safe=False).cast(pa.timestamp("us", "UTC"))
    return column


def like(table: pa.Table, reference: pa.Table, *, is_guessed: bool) -> pa.Table:
    """Give columns the types of the reference where that changes only how a value is written.

    Parameters
    ----------
    table, reference : Table
        Rows. Not modified.
    is_guessed : bool
        Whether types of either were guessed from text: then numbers, booleans and times may have been taken for one
        another, and are cast where every value can be.
    """
    for name in table.column_names:
        if name not in reference.column_names:
            continue
        now, then = table.schema.field(name).type, reference.schema.field(name).type
        if now == then:
            continue
        is_same_kind = kind_of(now) == kind_of(then)
        if (is_same_kind and kind_of(then) == "time") or (is_guessed and not is_same_kind):
            column = _cast(table.column(name), then)
            table = table.set_column(table.column_names.index(name), name, column)
    return table


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    is_time = kind_of(kind) == kind_of(column.type) == "time"
    try:
        return column.cast(pa.float64() if kind_of(kind) == "number" else kind, safe=not is_time)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column


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


def span_ends(table: pa.Table, time: str) -> tuple[datetime, datetime] | None:
    """Return oldest and newest time; None where there are no times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type):
        return None
    ends = pc.min_max(table.column(time).cast(pa.timestamp("us", "UTC"))).as_py()
    return None if ends["min"] is None else (ends["min"].astimezone(UTC), ends["max"].astimezone(UTC))
