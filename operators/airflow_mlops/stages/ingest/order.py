"""The rows of a window in one order, whatever order they came in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.stages.ingest.cut import Cut, IngestReport, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa


def ingest(
    table: pa.Table, *, time: str, key: Sequence[str], columns: Sequence[str], start: datetime, end: datetime
) -> tuple[pa.Table, IngestReport]:
    """Cut a table to a window and bring it into an order that depends on its rows only.

    Parameters
    ----------
    table : Table
        At least the rows of the window. Not modified.
    time, key, columns, start, end
        As for `Wanted`.

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
    wanted = Wanted(time=time, key=tuple(key), columns=tuple(columns), start=start, end=end)
    cut = Cut(table.schema, wanted)
    inside = cut.keep(table)
    report = cut.report()
    return ordered(inside, wanted), report


def ordered(table: pa.Table, wanted: Wanted) -> pa.Table:
    """Sort by time, key and then all other columns, so that only rows that are equal can change places."""
    import pyarrow as pa

    names = dict.fromkeys([wanted.time, *wanted.key, *table.column_names])
    keys = [(name, "ascending") for name in names if _is_sortable(table.schema.field(name).type)]
    # In one chunk: the bytes of a Parquet file depend on where chunks end.
    return pa.table(table.sort_by(keys).combine_chunks())


def _is_sortable(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_decimal(kind)
