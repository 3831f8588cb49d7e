"""What is wrong with a text file that is called a table, said before a parser guesses.

A CSV parser reads almost anything: half of a page of HTML, a column swallowed by a lost quote, a header in the middle
that turns every number into text. Each of these is refused here, by name.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from airflow_mlops.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyarrow.csv import InvalidRow

# The first bytes that give a format away, whatever the file is called.
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a ZIP archive (or a spreadsheet)",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"%PDF": "a PDF",
}
_MARKUP = re.compile(r"\s*<(!doctype|html|head|body|\?xml|error)\b", re.IGNORECASE)
_DELIMITERS = (",", ";", "\t", "|")


def check_start(start: bytes, name: str, *, kind: str, encoding: str = "utf-8") -> None:
    """Refuse a file whose first bytes show that it is something else.

    Parameters
    ----------
    start : bytes
        The first of the file; none where it is empty.
    name : str
        Of the file, for the sentence.
    kind : str
        What the file should be: ``CSV`` or ``JSON lines``.
    encoding : str, default="utf-8"
        As the spec says.

    Raises
    ------
    SourceUnreadable
        The file is empty, is another format, or is HTML or XML.
    """
    if not start.removeprefix(codecs.BOM_UTF8).strip():
        raise SourceUnreadable(f"{name} is empty ({len(start)} bytes); the export that wrote it has failed.")
    for magic, what in _MAGIC.items():
        if start.startswith(magic) and not (what.startswith("UTF-16") and "16" in encoding):
            raise SourceUnreadable(f"{name} is {what}, not {kind}; correct the file, its name or data.source.format.")
    beginning = start[:200].decode("utf-8-sig", errors="replace")
    if _MARKUP.match(beginning):
        shown = " ".join(beginning[:80].split())
        raise SourceUnreadable(f"{name} is a web page, not {kind}; it starts with {shown!r}. The download has failed.")


def not_in_encoding(error: UnicodeDecodeError, name: str, encoding: str, lines: int) -> str:
    """Say which byte is no text; ``lines`` is the number of the line the bytes begin in."""
    line = lines + error.object.count(b"\n", 0, error.start)
    return (
        f"{name} is not {encoding}: byte 0x{error.object[error.start]:02x} on line {line} is no such text, as Latin-1 "
        "has it. Save it as UTF-8, or set data.source.options.encoding."
    )


def unclosed_quote(text: str, name: str, quote: str, *, line: int, is_first: bool = False) -> str:
    """Say where a quote is not closed; where everything after it is swallowed, at the first odd line."""
    odd = [number for number, row in enumerate(text.split("\n"), line) if row.count(quote) % 2]
    # Several lines with an odd count: all but the last pair up as values with a line break.
    found = odd[0 if is_first else -1]
    return (
        f"{name} has a quote ({quote}) on line {found} that is never closed; rows after it cannot be told apart. "
        "Export it again with quotes doubled."
    )


def check_header(header: str, name: str, delimiter: str) -> None:
    """Refuse a header that another delimiter cuts.

    Raises
    ------
    SourceUnreadable
        The header holds another delimiter, and not this one.
    """
    if delimiter in header:
        return
    other = max((mark for mark in _DELIMITERS if mark != delimiter), key=header.count)
    if header.count(other):
        raise SourceUnreadable(
            f"{name} has 1 column when cut at {delimiter!r} but {header.count(other) + 1} when cut at {other!r}; set "
            f"data.source.options.delimiter to {other!r}, or export it with {delimiter!r}."
        )


def check_repeated(text: bytes, header: bytes, name: str, *, line: int) -> None:
    """Refuse rows among which the header comes again; ``line`` is the number of the first one.

    Raises
    ------
    SourceUnreadable
        Two files were joined.
    """
    if not header or header not in text:
        return
    again = re.search(rb"(?:^|(?<=\n))" + re.escape(header) + rb"\r?(?:\n|\Z)", text)
    if again:
        found = line + text.count(b"\n", 0, again.start())
        raise SourceUnreadable(
            f"{name} repeats its header on line {found}: two files were joined. Remove the line, or export again."
        )


def check_swallowed(text: str, name: str, *, quote: str, delimiter: str, width: int, line: int) -> None:
    """Refuse a quoted value that holds a whole row: two lost quotes far apart swallow all rows between them.

    Parameters
    ----------
    text : str
        Whole rows.
    name, quote, delimiter : str
        Of the file.
    width : int
        Delimiters in its header.
    line : int
        Number of the first line.

    Raises
    ------
    SourceUnreadable
        There is such a value.
    """
    if not width:
        return
    mark = re.escape(quote)
    for value in re.finditer(rf"{mark}[^{mark}]*{mark}", text):
        inner = value.group().split("\n")[1:-1]
        if any(row.count(delimiter) == width for row in inner):
            found = line + text.count("\n", 0, value.start())
            raise SourceUnreadable(
                f"{name} has a quote ({quote}) on line {found} that swallows "
                f"{len(inner)} whole rows; one quote is missing there. Export it again with quotes doubled."
            )


def ragged_rows(rows: Sequence[InvalidRow], text: str, name: str, *, line: int, is_last: bool) -> str:
    """Say which row has more or fewer values than the header; ``text`` are the rows from ``line`` on."""
    row = rows[0]
    found = re.search(re.escape(row.text), text)
    number = line + text.count("\n", 0, found.start()) if found else None
    end = line + text.count("\n") - text.endswith("\n")
    is_cut = is_last and number == end and row.actual_columns < row.expected_columns
    where = f"line {number}" if number else "a line"
    what = f"{name} has {row.actual_columns} values on {where} where the header has {row.expected_columns}"
    if is_cut:
        return f"{what}: the file ends in mid-row. Copy it again, whole."
    return f"{what}. Export it again; a value that holds the delimiter must be quoted."
