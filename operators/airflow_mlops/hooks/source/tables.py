"""From the bytes of a file to an Arrow table, with the file's name in every fault."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import EmptyWindow, SourceUnreadable, SpecError
from airflow_mlops.hooks.source.text_faults import check_csv, has_quoted_newlines, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa
    import pyarrow.dataset as ds

# What R, pandas and databases write where nothing is; anything else is a value.
NULLS = ["", "NA", "NaN", "nan", "NULL", "null"]
_CSV_OPTIONS = ("delimiter", "encoding", "quote", "decimal_point", "nulls")


def read_csv(payload: bytes, name: str, options: Mapping[str, Any]) -> pa.Table:
    """Read one CSV file with a header; types are found from all of its values.

    A number with a decimal comma becomes text, never another number: set ``decimal_point`` where it is meant.

    Raises
    ------
    SourceUnreadable
        See `text_faults`; or a row has more or fewer values than the header.
    SpecError
        ``options`` has a key that is not known.
    """
    import pyarrow as pa
    from pyarrow import csv

    unknown = sorted(set(options) - set(_CSV_OPTIONS))
    if unknown:
        raise SpecError(f"data.source.options has {unknown[0]!r}; known are {', '.join(_CSV_OPTIONS)}.")
    delimiter, quote = options.get("delimiter", ","), options.get("quote", '"')
    text = read_text(payload, name, kind="CSV", encoding=options.get("encoding", "utf-8"))
    check_csv(text, name, delimiter=delimiter, quote=quote)

    ragged: list[csv.InvalidRow] = []

    def collect(row: csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    parse = csv.ParseOptions(
        delimiter=delimiter,
        quote_char=quote,
        newlines_in_values=has_quoted_newlines(text, quote),
        invalid_row_handler=collect,
    )
    convert = csv.ConvertOptions(
        null_values=options.get("nulls", NULLS),
        strings_can_be_null=True,
        decimal_point=options.get("decimal_point", "."),
    )
    try:
        table = csv.read_csv(pa.BufferReader(text.encode()), parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        raise SourceUnreadable(f"{name} is not CSV: {error}.") from error
    if ragged:
        raise SourceUnreadable(_ragged(ragged, text, name))
    return _named_once(table, name)


def read_json_lines(payload: bytes, name: str, options: Mapping[str, Any]) -> pa.Table:
    """Read one file of JSON objects, one a line.

    Raises
    ------
    SourceUnreadable
        The file is empty, is one array, is cut, or a column changes its type.
    """
    import pyarrow as pa
    from pyarrow import json

    text = read_text(payload, name, kind="JSON lines", encoding=options.get("encoding", "utf-8"))
    if text.lstrip().startswith("["):
        raise SourceUnreadable(f"{name} is one JSON array; one object a line was expected. Write it as JSON lines.")
    body = text.encode()
    # A line longer than a block cannot be read; a file of one block has no such line.
    block = json.ReadOptions(block_size=max(len(body) + 1, 1 << 20))
    try:
        return json.read_json(pa.BufferReader(body), read_options=block)
    except pa.ArrowInvalid as error:
        raise SourceUnreadable(f"{name} is not JSON lines: {error}. Export it again.") from error


def read_parquet(files: Sequence[tuple[str, bytes]], *, start: datetime, end: datetime, time: str) -> pa.Table:
    """Read the window's rows of Parquet files; row groups outside it are not decoded.

    Raises
    ------
    SourceUnreadable
        A file is cut or is not Parquet, or files disagree about a column.
    EmptyWindow
        No row of any file lies in the window.
    """
    tables, spans, rows = [], [], 0
    for name, payload in files:
        dataset = _parquet(payload, name)
        window = _window(dataset.schema, start, end, time)
        try:
            tables.append((name, dataset.to_table(filter=window)))
        except (OSError, ValueError) as error:
            raise SourceUnreadable(
                f"{name} is broken Parquet: {_first_line(error)}. Write or copy it again."
            ) from error
        if window is not None and tables[-1][1].num_rows == 0:
            rows += dataset.count_rows()
            spans += _span(dataset, time)
    joined = join_files(tables)
    if joined.num_rows == 0 and spans:
        raise EmptyWindow(start=start, end=end, rows_read=rows, span=(min(spans), max(spans)))
    return joined


def join_files(tables: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """Join the tables of several files; a column that a file lacks is null there.

    Raises
    ------
    SourceUnreadable
        Two files give one column types that do not join, such as numbers and text.
    """
    import pyarrow as pa

    first, schema = tables[0][0], tables[0][1].schema
    for name, table in tables[1:]:
        try:
            schema = pa.unify_schemas([schema, table.schema], promote_options="permissive")
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise SourceUnreadable(
                f"{name} and {first} disagree about a column: {_first_line(error)}. Write both with the same types."
            ) from error
    return pa.concat_tables([table for _, table in tables], promote_options="permissive")


def _parquet(payload: bytes, name: str) -> ds.Dataset:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    if not payload:
        raise SourceUnreadable(f"{name} is empty (0 bytes); the export that wrote it has failed.")
    try:
        pq.ParquetFile(pa.BufferReader(payload))
        fragment = ds.ParquetFileFormat().make_fragment(pa.BufferReader(payload))
        return ds.FileSystemDataset([fragment], fragment.physical_schema, ds.ParquetFileFormat())
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceUnreadable(
            f"{name} is not whole Parquet ({len(payload)} bytes): {_first_line(error)}. Write or copy it again."
        ) from error


def _window(schema: pa.Schema, start: datetime, end: datetime, time: str) -> ds.Expression | None:
    """Write the window as a filter, where the column can be compared; a row without time stays, to be counted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if time not in schema.names or not pa.types.is_timestamp(schema.field(time).type):
        return None
    kind = schema.field(time).type
    low, high = (pa.scalar(_in_zone(moment, kind.tz), kind) for moment in (start, end))
    column = pc.field(time)
    return ((column >= low) & (column < high)) | column.is_null()


def _in_zone(moment: datetime, zone: str | None) -> datetime:
    utc = moment.astimezone(UTC)
    return utc if zone else utc.replace(tzinfo=None)


def _span(dataset: ds.Dataset, time: str) -> list[str]:
    import pyarrow.compute as pc

    ends = pc.min_max(dataset.to_table(columns=[time]).column(time)).as_py()
    return [moment.isoformat() for moment in ends.values() if moment is not None]


def _named_once(table: pa.Table, name: str) -> pa.Table:
    twice = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
    if twice:
        raise SourceUnreadable(f"{name} has the column {', '.join(map(repr, twice))} more than once.")
    return table


def _ragged(rows: Sequence[Any], text: str, name: str) -> str:
    row = rows[0]
    found = re.search(re.escape(row.text), text)
    line = text.count("\n", 0, found.start()) + 1 if found else None
    is_cut = line == text.count("\n") + (not text.endswith("\n")) and row.actual_columns < row.expected_columns
    where = f"line {line}" if line else "a line"
    what = f"{name} has {row.actual_columns} values on {where} where the header has {row.expected_columns}"
    if is_cut:
        return f"{what}: the file ends in mid-row. Copy it again, whole."
    return f"{what} ({len(rows)} such rows). Export it again; a value that holds the delimiter must be quoted."


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
