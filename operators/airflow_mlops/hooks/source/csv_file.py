"""Rows of one CSV file, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SourceUnreadable, SpecError, TypesChanged
from airflow_mlops.hooks.source.text_blocks import BLOCK_BYTES, blocks
from airflow_mlops.hooks.source.text_faults import check_header, check_repeated, check_swallowed, ragged_rows

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import pyarrow as pa

    from airflow_mlops.hooks.source.text_blocks import Block, TextFile

# What R, pandas and databases write where nothing is; anything else is a value.
NULLS = ["", "NA", "NaN", "nan", "NULL", "null"]
_OPTIONS = ("delimiter", "encoding", "quote", "decimal_point", "nulls")


class CsvFile:
    """A CSV file with a header.

    A number with a decimal comma becomes text, never another number: set ``decimal_point`` where it is meant.

    Parameters
    ----------
    file : TextFile
        The bytes.
    options : mapping
        ``data.source.options`` of the spec.

    Raises
    ------
    SpecError
        ``options`` has a key that is not known.
    """

    def __init__(self, file: TextFile, options: Mapping[str, Any]) -> None:
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise SpecError(f"data.source.options has {unknown[0]!r}; known are {', '.join(_OPTIONS)}.")
        self.name = file.name
        self.folders = file.folders
        self._file = file
        self._options = options
        self._delimiter = options.get("delimiter", ",")
        self._quote = options.get("quote", '"')
        self._header, self._header_end = b"", 0
        self._names: list[str] = []

    def blocks(self, size: int = BLOCK_BYTES) -> Generator[Block]:
        """Give whole rows, a few megabytes at a time; the first block has the header.

        Raises
        ------
        SourceUnreadable
            See `text_blocks.blocks`; or another delimiter than that of the spec is in the header, or a column twice.
        """
        encoding = self._options.get("encoding", "utf-8")
        for block in blocks(self._file, kind="CSV", encoding=encoding, quote=self._quote, size=size):
            if block.line == 1:
                self._take_header(block.text)
            yield block

    def parse(self, block: Block, types: Mapping[str, pa.DataType] | None = None) -> pa.Table:
        """Read the rows of a block.

        Parameters
        ----------
        block : Block
            Of this file.
        types : mapping of str to DataType, optional
            Types of columns; those of others are found from the values of the block.

        Raises
        ------
        SourceUnreadable
            The header comes again, a quote swallows rows, or a row has more or fewer values than the header.
        TypesChanged
            A value is not of the type given for its column.
        """
        import pyarrow as pa

        text, line = block.text, block.line
        if line == 1:
            text, line = text[self._header_end :], line + text.count(b"\n", 0, self._header_end)
        check_repeated(text, self._header, self.name, line=line)
        if not text.strip():
            known = types or {}
            return pa.schema([(name, known.get(name, pa.null())) for name in self._names]).empty_table()
        ragged: list[Any] = []
        try:
            table = self._read(text, types, ragged)
        except pa.ArrowInvalid as error:
            self._check_swallowed(text, line)
            raise self._fault(text, types, error) from error
        if ragged:
            self._check_swallowed(text, line)
            raise SourceUnreadable(ragged_rows(ragged, text.decode(), self.name, line=line, is_last=block.is_last))
        if _has_line_ends(table):
            self._check_swallowed(text, line)
        return table

    def _take_header(self, text: bytes) -> None:
        from pyarrow import csv

        start = len(text) - len(text.lstrip(b"\r\n"))
        mark, end = self._quote.encode(), text.find(b"\n", start)
        while end >= 0 and text.count(mark, start, end) % 2:
            end = text.find(b"\n", end + 1)
        self._header_end = end + 1 if end >= 0 else len(text)
        self._header = text[start : self._header_end].rstrip(b"\r\n")
        if not self._header or b"\r" in self._header:
            what = "ends its lines with CR alone, as old Macs did" if self._header else "has no header"
            raise SourceUnreadable(f"{self.name} {what}; export it again as CSV with a header and LF or CRLF.")
        check_header(self._header.decode(), self.name, self._delimiter)
        self._names = csv.read_csv(_buffer(self._header + b"\n"), parse_options=self._parse_options()).column_names
        twice = sorted({name for name in self._names if self._names.count(name) > 1})
        if twice:
            raise SourceUnreadable(f"{self.name} has the column {', '.join(map(repr, twice))} more than once.")

    def _read(self, text: bytes, types: Mapping[str, pa.DataType] | None, ragged: list[Any]) -> pa.Table:
        from pyarrow import csv

        def collect(row: csv.InvalidRow) -> str:
            ragged.append(row)
            return "skip"

        # In one piece: types are found from all values, and a quoted value may go over lines.
        whole = csv.ReadOptions(column_names=self._names, block_size=len(text) + 1, use_threads=False)
        convert = csv.ConvertOptions(
            column_types=dict(types or {}),
            null_values=self._options.get("nulls", NULLS),
            strings_can_be_null=True,
            decimal_point=self._options.get("decimal_point", "."),
        )
        parse = self._parse_options(invalid_row_handler=collect)
        return csv.read_csv(_buffer(text), read_options=whole, parse_options=parse, convert_options=convert)

    def _parse_options(self, **more: Any) -> Any:
        from pyarrow import csv

        return csv.ParseOptions(delimiter=self._delimiter, quote_char=self._quote, newlines_in_values=True, **more)

    def _check_swallowed(self, text: bytes, line: int) -> None:
        width = self._header.count(self._delimiter.encode())
        check_swallowed(text.decode(), self.name, quote=self._quote, delimiter=self._delimiter, width=width, line=line)

    def _fault(self, text: bytes, types: Mapping[str, pa.DataType] | None, error: Exception) -> Exception:
        """Tell a value of another type from text that is no CSV."""
        import pyarrow as pa

        if types:
            try:
                self._read(text, None, [])
            except pa.ArrowInvalid:
                return SourceUnreadable(f"{self.name} is not CSV: {error}.")
            return TypesChanged(self.name, str(error))
        return SourceUnreadable(f"{self.name} is not CSV: {error}.")


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds the values of two blocks, as if one reader had seen both."""
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {str(one), str(other)} == {"int64", "double"}:
        return pa.float64()
    times = [kind for kind in (one, other) if pa.types.is_timestamp(kind)]
    if len(times) == 1 and (pa.types.is_date(one) or pa.types.is_date(other)) and times[0].tz is None:
        return times[0]
    if len(times) == 2 and times[0].tz == times[1].tz:
        return pa.timestamp("ns", times[0].tz)
    return pa.string()


def _has_line_ends(table: pa.Table) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = (column for column in table.columns if pa.types.is_string(column.type))
    return any(pc.any(pc.match_substring(column, "\n")).as_py() for column in texts)


def _buffer(text: bytes) -> pa.BufferReader:
    import pyarrow as pa

    return pa.BufferReader(text)
