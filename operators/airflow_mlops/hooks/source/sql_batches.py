"""From rows of a cursor to Arrow batches of one schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from airflow_mlops.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from sqlalchemy import CursorResult

# Batches up to so many bytes wait in memory until all types are known, more of them in a temporary file.
_IN_MEMORY = 64 << 20
# Postgres' json and jsonb, in pg_type.
_DOCUMENTS = (114, 3802)


@dataclass(frozen=True)
class Header:
    """The columns of a result: names, types where the database tells them, and which hold JSON."""

    names: list[str]
    types: list[pa.DataType | None]
    documents: frozenset[str]

    @classmethod
    def of(cls, result: CursorResult[Any], dialect: str) -> Header:
        """Read names and types off the cursor; only Postgres numbers types the same in all drivers."""
        names = list(result.keys())
        if dialect != "postgresql" or result.cursor is None:
            return cls(names, [None] * len(names), frozenset())
        codes: list[Any] = [column[1] for column in result.cursor.description]
        known = _postgres_types()
        documents = frozenset(name for name, code in zip(names, codes, strict=True) if code in _DOCUMENTS)
        return cls(names, [known.get(code) for code in codes], documents)


def as_reader(header: Header, pieces: Iterable[Sequence[Sequence[Any]]], *, where: str) -> pa.RecordBatchReader:
    """Turn pieces of a result into batches of one schema.

    Where the database tells its types, batches pass through. Else all of them wait until the last has shown that a
    column of integers stays one, or what a column is that began with nulls.

    Raises
    ------
    SourceUnreadable
        Two columns share a name, or a column has no one type.
    """
    import pyarrow as pa

    check_named_once(header.names, where)
    batches = (_batch(header, rows, where) for rows in pieces)
    if None not in header.types:
        schema = pa.schema(list(zip(header.names, header.types, strict=True)))
        return pa.RecordBatchReader.from_batches(schema, batches)
    return _settled(header, batches, where)


def check_named_once(names: Sequence[str], where: str) -> None:
    """Refuse a result in which two columns share a name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceUnreadable(
            f"{where} gives the column {', '.join(map(repr, twice))} more than once; rename one with AS."
        )


def json_text(document: object) -> str | None:
    """Write a JSON value in one form, whichever reader it came by."""
    return None if document is None else json.dumps(document, ensure_ascii=False, default=str)


def no_one_type(column: str, error: object, where: str) -> SourceUnreadable:
    """Say that a column mixes types."""
    return SourceUnreadable(f"{where} gives a column {column!r} that has no one type ({error}); CAST it in the query.")


def _postgres_types() -> Mapping[int, pa.DataType]:
    """Map numbers of Postgres' types (catalog pg_type) to types of a snapshot."""
    import pyarrow as pa

    kinds = {
        pa.bool_(): (16,),
        pa.int64(): (20, 21, 23, 26),  # int8, int2, int4, oid
        pa.float64(): (700, 701, 1700),  # float4, float8, numeric: models and checks read no decimals
        pa.string(): (18, 19, 25, 705, 1042, 1043, 2950, *_DOCUMENTS),  # characters of all kinds, uuid
        pa.binary(): (17,),
        pa.date32(): (1082,),
        pa.time64("us"): (1083,),
        pa.timestamp("us"): (1114,),
        pa.timestamp("us", "UTC"): (1184,),
    }
    return {number: kind for kind, numbers in kinds.items() for number in numbers}


def _batch(header: Header, rows: Sequence[Sequence[Any]], where: str) -> pa.RecordBatch:
    import pyarrow as pa

    columns = []
    for index, (name, kind) in enumerate(zip(header.names, header.types, strict=True)):
        values = [row[index] for row in rows]
        try:
            columns.append(_array(list(map(json_text, values)) if name in header.documents else values, kind))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
            raise no_one_type(name, error, where) from error
    return pa.RecordBatch.from_arrays(columns, names=header.names)


def _array(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    """Turn decimals into floats, identifiers and documents into text: models and checks read nothing else."""
    import pyarrow as pa

    first = next((value for value in values if value is not None), None)
    if kind is None and isinstance(first, datetime) and first.tzinfo is not None:
        kind = pa.timestamp("us", "UTC")  # each value may have an offset of its own
    change: Callable[[Any], Any] | None = None
    if isinstance(first, Decimal):
        change = float
    elif isinstance(first, dict):
        change = json_text
    elif isinstance(first, memoryview):
        change = bytes
    elif type(first).__name__ == "UUID":
        change = str
    if change is not None:
        values = [None if value is None else change(value) for value in values]
    return pa.array(values, kind)


def _settled(header: Header, batches: Iterator[pa.RecordBatch], where: str) -> pa.RecordBatchReader:
    """Keep batches until the last one has told the types, then give them with these."""
    import pyarrow as pa

    waiting: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by the generator that reads it
    schema, sizes = pa.schema([(name, pa.null()) for name in header.names]), []
    try:
        for batch in batches:
            schema = _wider(schema, batch.schema, where)
            with pa.ipc.new_stream(waiting, batch.schema) as stream:
                stream.write_batch(batch)
            sizes.append(waiting.tell())
    except BaseException:
        waiting.close()
        raise
    return pa.RecordBatchReader.from_batches(schema, _from_file(waiting, sizes, schema, where))


def _wider(schema: pa.Schema, other: pa.Schema, where: str) -> pa.Schema:
    """Return the types that hold both: null gives way to all, an integer to a float."""
    import pyarrow as pa

    fields = []
    for old, new in zip(schema, other, strict=True):
        kinds = {old.type, new.type} - {pa.null()} or {pa.null()}
        if kinds == {pa.int64(), pa.float64()}:
            kinds = {pa.float64()}
        if len(kinds) > 1:
            raise no_one_type(old.name, f"{old.type} and later {new.type}", where)
        fields.append(pa.field(old.name, kinds.pop()))
    return pa.schema(fields)


def _from_file(waiting: IO[bytes], ends: Sequence[int], schema: pa.Schema, where: str) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with waiting:
        waiting.seek(0)
        for start, end in zip([0, *ends], ends, strict=False):
            batch = pa.ipc.open_stream(waiting.read(end - start)).read_next_batch()
            columns = [_cast(batch.column(field.name), field, where) for field in schema]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(column: pa.Array, field: pa.Field, where: str) -> pa.Array:
    import pyarrow as pa

    try:
        return column.cast(field.type)
    except pa.ArrowInvalid as error:  # an integer that no float holds exactly
        raise no_one_type(field.name, error, where) from error
