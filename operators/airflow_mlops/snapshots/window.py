"""A stretch of time on one column, in the forms that readers of lakes push down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import MissingColumns, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    import pyarrow as pa
    import pyarrow.dataset as ds


@dataclass(frozen=True, slots=True)
class Window:
    """Rows whose ``time`` lies between ``start`` (included) and ``end`` (left out).

    Attributes
    ----------
    time : str
    start, end : datetime
        With a zone.
    undated : bool
        Rows without a time belong to it too: ingest counts them.
    """

    time: str
    start: datetime
    end: datetime
    undated: bool = False

    def bounds(self, kind: pa.DataType) -> tuple[date, date] | None:
        """Write the bounds as values of a column's type; None for a type that is no time.

        A day stands for its midnight in UTC, so the last day of a window may lie in it or not: it is taken in, and
        whoever needs the exact window cuts it off.
        """
        import pyarrow as pa

        start, end = self.start.astimezone(UTC), self.end.astimezone(UTC)
        if pa.types.is_date(kind):
            return start.date(), end.date()
        if not pa.types.is_timestamp(kind):
            return None
        return (start, end) if kind.tz else (start.replace(tzinfo=None), end.replace(tzinfo=None))

    def expression(self, schema: pa.Schema) -> ds.Expression | None:
        """Write the window as a filter of Arrow that holds at least its rows; None where no filter can."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self.time not in schema.names:
            return None
        kind = schema.field(self.time).type
        bounds = self.bounds(kind)
        if bounds is None:
            return None
        column, (low, high) = pc.field(self.time), (pa.scalar(bound, kind) for bound in bounds)
        below = column <= high if pa.types.is_date(kind) else column < high
        inside = (column >= low) & below
        return inside | column.is_null() if self.undated else inside


def plain_schema(schema: pa.Schema, time: str | None = None) -> pa.Schema:
    """Return the types that rows have in a snapshot: the time in UTC, text as text, nothing about files.

    Raises
    ------
    MissingColumns
        There is no column ``time``.
    SourceUnreadable
        ``time`` is no timestamp and no date.
    """
    import pyarrow as pa

    if time is not None:
        if time not in schema.names:
            raise MissingColumns([time], present=schema.names, where="the table")
        kind = schema.field(time).type
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise SourceUnreadable(
                f"{time!r} is {_plain(kind)} in the table, not a time that its files can be chosen by; give it "
                "timestamps or dates, or set ingest.copy: true."
            )
    fields = [
        pa.field(field.name, pa.timestamp("us", "UTC") if field.name == time else _plain(field.type))
        for field in schema
    ]
    return pa.schema(fields)


def cast_batch(batch: pa.RecordBatch, names: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
    """Bring columns of a batch to the types of ``schema``."""
    import pyarrow as pa

    arrays = []
    for name in names:
        column, kind = batch.column(name), schema.field(name).type
        if pa.types.is_date(column.type) and pa.types.is_timestamp(kind):
            column = column.cast(pa.timestamp("s"))
        arrays.append(column if column.type == kind else column.cast(kind, safe=False))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([schema.field(name) for name in names]))


def as_dict(window: Window) -> dict[str, Any]:
    """Write the window as a reference holds it."""
    return {"time": window.time, "start": window.start.isoformat(), "end": window.end.isoformat()}


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind
