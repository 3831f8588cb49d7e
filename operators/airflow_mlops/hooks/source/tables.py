"""Whole text files that are small, as Arrow tables."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from airflow_mlops.hooks.source.csv_file import NULLS, CsvFile
from airflow_mlops.hooks.source.json_file import JsonFile
from airflow_mlops.hooks.source.text_blocks import TextFile
from airflow_mlops.hooks.source.text_rows import in_schema, joined_schema, rows_of, schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

__all__ = ["NULLS", "join_files", "read_csv", "read_json_lines"]


def read_csv(
    payload: bytes, name: str, options: Mapping[str, Any], *, types: Mapping[str, pa.DataType] | None = None
) -> pa.Table:
    """Read one CSV file with a header; types are found from all of its values, but for those that are given.

    Raises
    ------
    SourceUnreadable
        See `CsvFile`.
    SpecError
        ``options`` has a key that is not known.
    TypesChanged
        A value is not of the type given for its column.
    """
    return _table(CsvFile(TextFile(name, lambda: BytesIO(payload)), options), types or {})


def read_json_lines(payload: bytes, name: str, options: Mapping[str, Any]) -> pa.Table:
    """Read one file of JSON objects, one a line.

    Raises
    ------
    SourceUnreadable
        See `JsonFile`.
    """
    return _table(JsonFile(TextFile(name, lambda: BytesIO(payload)), options), {})


def join_files(tables: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """Join the tables of several files; a column that a file lacks is null there.

    Raises
    ------
    SourceUnreadable
        Two files give one column types that do not join, such as numbers and text.
    """
    import pyarrow as pa

    schema = joined_schema([(name, table.schema) for name, table in tables])
    return pa.concat_tables([in_schema(table, schema, name) for name, table in tables])


def _table(file: CsvFile | JsonFile, types: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa

    schema = schema_of([file], is_exact=True)
    schema = pa.schema([(field.name, types.get(field.name, field.type)) for field in schema])
    return pa.Table.from_batches(rows_of([file], schema), schema)
