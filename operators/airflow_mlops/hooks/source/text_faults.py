"""What is wrong with a text file that is called a table, said before a parser guesses.

A CSV parser reads almost anything: half of a page of HTML, a column swallowed by a lost quote, a header in the middle
that turns every number into text. Each of these is refused here, by name.
"""

from __future__ import annotations

import gzip
import re

from airflow_mlops.errors import SourceUnreadable

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


def read_text(payload: bytes, name: str, *, kind: str, encoding: str = "utf-8") -> str:
    """Decode the bytes of a text file; a byte-order mark is dropped.

    Parameters
    ----------
    payload : bytes
        The whole file. Gzip is unpacked where the name ends in ``.gz``, and refused elsewhere.
    name : str
        Of the file, for the sentence.
    kind : str
        What the file should be: ``CSV`` or ``JSON lines``.
    encoding : str, default="utf-8"
        As the spec says.

    Raises
    ------
    SourceUnreadable
        The file is empty, is another format, is HTML or XML, is cut gzip, or is not text in ``encoding``.
    """
    payload = _unpacked(payload, name)
    if not payload.strip():
        raise SourceUnreadable(f"{name} is empty ({len(payload)} bytes); the export that wrote it has failed.")
    for magic, what in _MAGIC.items():
        if payload.startswith(magic) and not (what.startswith("UTF-16") and "16" in encoding):
            raise SourceUnreadable(f"{name} is {what}, not {kind}; correct the file, its name or data.source.format.")
    try:
        text = payload.decode("utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding)
    except UnicodeDecodeError as error:
        line = payload.count(b"\n", 0, error.start) + 1
        raise SourceUnreadable(
            f"{name} is not {encoding}: byte 0x{payload[error.start]:02x} on line {line} is no such text, as Latin-1 "
            "has it. "
            "Save it as UTF-8, or set data.source.options.encoding."
        ) from error
    if _MARKUP.match(text):
        start = " ".join(text[:80].split())
        raise SourceUnreadable(f"{name} is a web page, not {kind}; it starts with {start!r}. The download has failed.")
    if "\x00" in text:
        raise SourceUnreadable(f"{name} holds zero bytes, so it is not {kind}; export it again.")
    return text


def check_csv(text: str, name: str, *, delimiter: str = ",", quote: str = '"') -> None:
    """Refuse CSV text whose shape contradicts itself.

    Raises
    ------
    SourceUnreadable
        The header holds another delimiter, the header comes again, or a quote is not closed.
    """
    header, _, _ = text.partition("\n")
    header = header.rstrip("\r")
    _check_delimiter(header, name, delimiter)
    again = re.search(rf"\n{re.escape(header)}\r?(\n|$)", text)
    if again:
        line = text.count("\n", 0, again.start()) + 2
        raise SourceUnreadable(
            f"{name} repeats its header on line {line}: two files were joined. Remove the line, or export again."
        )
    if text.count(quote) % 2:
        raise SourceUnreadable(
            f"{name} has a quote ({quote}) on line {_odd_line(text, quote)} that is never closed; rows after it "
            "cannot be "
            "told apart. Export it again with quotes doubled."
        )
    _check_swallowed(text, name, quote=quote, delimiter=delimiter, width=header.count(delimiter))


def has_quoted_newlines(text: str, quote: str = '"') -> bool:
    """Tell whether a quoted value goes over several lines, which the parser is only then told to expect."""
    return quote in text and any(line.count(quote) % 2 for line in text.split("\n"))


def _unpacked(payload: bytes, name: str) -> bytes:
    if not name.endswith(".gz"):
        return payload
    try:
        return gzip.decompress(payload)
    except (OSError, EOFError) as error:
        raise SourceUnreadable(f"{name} is not whole gzip ({error}); copy it again.") from error


def _check_delimiter(header: str, name: str, delimiter: str) -> None:
    if delimiter in header:
        return
    other = max((mark for mark in _DELIMITERS if mark != delimiter), key=header.count)
    if header.count(other):
        raise SourceUnreadable(
            f"{name} has 1 column when cut at {delimiter!r} but {header.count(other) + 1} when cut at {other!r}; set "
            f"data.source.options.delimiter to {other!r}, or export it with {delimiter!r}."
        )


def _odd_line(text: str, quote: str) -> int:
    lines = text.split("\n")
    # Several lines with an odd count: all but the last pair up as values with a line break.
    return max(number for number, line in enumerate(lines, 1) if line.count(quote) % 2)


def _check_swallowed(text: str, name: str, *, quote: str, delimiter: str, width: int) -> None:
    """Refuse a quoted value that holds a whole row: two lost quotes far apart swallow all rows between them."""
    if not width or not has_quoted_newlines(text, quote):
        return
    mark = re.escape(quote)
    for value in re.finditer(rf"{mark}[^{mark}]*\n[^{mark}]*{mark}", text):
        inner = value.group().split("\n")[1:-1]
        if any(line.count(delimiter) == width for line in inner):
            line = text.count("\n", 0, value.start()) + 1
            raise SourceUnreadable(
                f"{name} has a quote ({quote}) on line {line} that swallows {len(inner)} whole rows; one quote is "
                "missing "
                "there. Export it again with quotes doubled."
            )
