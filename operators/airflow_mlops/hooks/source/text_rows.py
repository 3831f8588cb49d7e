"""Rows of many text files as one stream: types that hold for all files, blocks parsed on two threads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from airflow_mlops.errors import SourceUnreadable
from airflow_mlops.hooks.source.csv_file import CsvFile, wider
from airflow_mlops.hooks.source.hive import with_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from airflow_mlops.hooks.source.json_file import JsonFile
    from airflow_mlops.hooks.source.text_blocks import Block

T = TypeVar("T")
U = TypeVar("U")

_THREADS = 2
# Blocks that wait for whoever reads the rows: enough to keep the threads busy.
_AHEAD = 3
_SAMPLE_BYTES = 1 << 20


def schema_of(files: Sequence[CsvFile | JsonFile], *, is_exact: bool) -> pa.Schema:
    """Find the types of all columns of all files.

    Parameters
    ----------
    files : sequence of CsvFile or JsonFile
        At least one.
    is_exact : bool
        Look at all values. Otherwise at the first megabyte of each file, and reading may say `TypesChanged`.

    Raises
    ------
    SourceUnreadable
        A file is broken, or two files give one column types that do not join.
    """
    return joined_schema([(file.name, _schema(file, is_exact=is_exact)) for file in files])


def rows_of(files: Sequence[CsvFile | JsonFile], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Give the rows of all files in order, in the types of the schema.

    Raises
    ------
    SourceUnreadable
        A file is broken.
    TypesChanged
        The schema is too narrow for a value.
    """
    types = {field.name: field.type for field in schema}
    blocks = ((file, block) for file in files for block in file.blocks())

    def parsed(item: tuple[CsvFile | JsonFile, Block]) -> pa.Table:
        return in_schema(_parsed(*item, types), schema, item[0].name)

    for table in _in_threads(parsed, blocks):
        yield from table.to_batches()


def joined_schema(schemas: Sequence[tuple[str, pa.Schema]]) -> pa.Schema:
    """Join the schemas of several files; a column that a file lacks is null there.

    Raises
    ------
    SourceUnreadable
        Two files give one column types that do not join, such as numbers and text.
    """
    import pyarrow as pa

    first, schema = schemas[0]
    for name, other in schemas[1:]:
        either = [_timed_beside(schema, other), _timed_beside(other, schema)]
        try:
            schema = pa.unify_schemas(either, promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            what = str(error).strip().splitlines()[0].rstrip(".")
            raise SourceUnreadable(
                f"{name} and {first} disagree about a column: {what}. Write both with the same types."
            ) from error
    return schema


def in_schema(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    """Bring a file's columns to the order and types of all files; one it lacks is null.

    Raises
    ------
    SourceUnreadable
        The file ``name`` has a value that the type of all files does not hold.
    """
    import pyarrow as pa

    if table.schema.equals(schema):
        return table
    columns = [
        _cast(table.column(field.name), field, name)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _cast(column: pa.ChunkedArray, field: pa.Field, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(field.type)
    except pa.ArrowInvalid as error:  # an integer that no float holds exactly, or a decimal with too many digits
        raise SourceUnreadable(
            f"{name} has {field.name!r} as {column.type}, other files make it {field.type}, and a value does not go "
            f"into that ({error}). Write all files with the same types."
        ) from error


def _timed_beside(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Take days for times where the other file has times: a writer leaves out hours that are all midnight."""
    import pyarrow as pa

    fields = []
    for field in schema:
        beside = other.field(field.name).type if field.name in other.names else None
        is_time = beside is not None and pa.types.is_timestamp(beside) and beside.tz is None
        fields.append(field.with_type(beside) if is_time and pa.types.is_date(field.type) else field)
    return pa.schema(fields)


def _schema(file: CsvFile | JsonFile, *, is_exact: bool) -> pa.Schema:
    if not is_exact:
        sample = file.blocks(_SAMPLE_BYTES)
        try:
            return _parsed(file, next(sample)).schema
        finally:
            sample.close()
    found: pa.Schema | None = None
    for number, schema in enumerate(_in_threads(lambda block: _parsed(file, block).schema, file.blocks())):
        found = schema if found is None or not number else _wider_schema(file, found, schema)
    return found


def _parsed(file: CsvFile | JsonFile, block: Block, types: Mapping[str, pa.DataType] | None = None) -> pa.Table:
    """Read the rows of a block; what the folders say holds, as a parser makes a column of nulls of it."""
    table = file.parse(block, types)
    return with_folders(table.drop_columns([name for name in file.folders if name in table.column_names]), file.folders)


def _wider_schema(file: CsvFile | JsonFile, one: pa.Schema, other: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    if isinstance(file, CsvFile):
        return pa.schema([(field.name, wider(field.type, other.field(field.name).type)) for field in one])
    # Texts that look like times in one block only are texts.
    either = [
        pa.schema([_as_text_beside(field, beside) for field in own]) for own, beside in ((one, other), (other, one))
    ]
    try:
        return pa.unify_schemas(either, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        what = str(error).strip().splitlines()[0].rstrip(".")
        raise SourceUnreadable(f"{file.name} is not JSON lines: a column changes its type ({what}).") from error


def _as_text_beside(field: pa.Field, schema: pa.Schema) -> pa.Field:
    import pyarrow as pa

    is_text = field.name in schema.names and pa.types.is_string(schema.field(field.name).type)
    return field.with_type(pa.string()) if is_text and pa.types.is_timestamp(field.type) else field


def _in_threads(function: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """Map in order, a little ahead of whoever asks."""
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
