"""Whole lines of a text file of any size, a few megabytes at a time, and what is wrong with its bytes."""

from __future__ import annotations

import codecs
import gzip
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from airflow_mlops.errors import SourceUnreadable
from airflow_mlops.hooks.source.text_faults import check_start, not_in_encoding, unclosed_quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_mlops.hooks.source.hive import Value

# Large enough that a parser is at its best, small enough that some of them in flight are little memory.
BLOCK_BYTES = 4 << 20
# A row that is longer is no row: somewhere a quote or a line end is lost.
_LONGEST_ROW = 64 << 20
_UTF8 = ("utf-8", "utf8")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that can be opened again.

    Attributes
    ----------
    name : str
        For sentences.
    open : callable
        Opens its bytes.
    folders : mapping
        Columns that its folders name, with the value of all its rows.
    """

    name: str
    open: Callable[[], IO[bytes]]
    folders: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of a file, in UTF-8.

    Attributes
    ----------
    text : bytes
    line : int
        Number of its first line, from 1.
    is_last : bool
        Whether the file ends with it.
    """

    text: bytes
    line: int
    is_last: bool


def blocks(
    file: TextFile, *, kind: str, encoding: str = "utf-8", quote: str | None = None, size: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Give the rows of a text file block by block; a byte-order mark is dropped.

    Parameters
    ----------
    file : TextFile
        Gzip is unpacked where the name ends in ``.gz``, and refused elsewhere.
    kind : str
        What the file should be: ``CSV`` or ``JSON lines``.
    encoding : str, default="utf-8"
        As the spec says.
    quote : str, optional
        Mark in which a value may go over several lines.
    size : int
        Bytes that are read at a time.

    Raises
    ------
    SourceUnreadable
        The file is empty, is another format, is HTML or XML, is cut gzip, is not text in ``encoding``, or a quote is
        not closed.
    """
    mark = None if quote is None else quote.encode()
    rest, line = b"", 1
    with file.open() as raw:
        for chunk in _decoded(_unpacked(raw, file.name, size), file.name, kind, encoding):
            rest += chunk
            end = _last_row_end(rest, mark)
            if end:
                yield Block(rest[:end], line, is_last=False)
                line += rest.count(b"\n", 0, end)
                rest = rest[end:]
            elif len(rest) > _LONGEST_ROW:
                raise SourceUnreadable(_endless(rest, file.name, quote or '"', line))
    if mark is not None and rest.count(mark) % 2:
        raise SourceUnreadable(unclosed_quote(rest.decode(), file.name, str(quote), line=line))
    yield Block(rest, line, is_last=True)


def _unpacked(raw: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    if not name.endswith(".gz"):
        yield from iter(lambda: raw.read(size), b"")
        return
    try:
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield from iter(lambda: unpacked.read(size), b"")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SourceUnreadable(f"{name} is not whole gzip ({error}); copy it again.") from error


def _decoded(chunks: Iterator[bytes], name: str, kind: str, encoding: str) -> Iterator[bytes]:
    """Check that the bytes are text, and turn them into UTF-8."""
    is_utf8 = encoding.lower().replace("_", "-") in _UTF8
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8 else encoding)()
    lines, is_first = 1, True
    for chunk in chunks:
        if is_first:
            check_start(chunk, name, kind=kind, encoding=encoding)
        try:
            # Plain ASCII after whole characters needs no decoding.
            is_plain = is_utf8 and not is_first and chunk.isascii() and not decoder.getstate()[0]
            text = chunk if is_plain else decoder.decode(chunk).encode()
        except UnicodeDecodeError as error:
            raise SourceUnreadable(not_in_encoding(error, name, encoding, lines)) from error
        if b"\x00" in text:
            raise SourceUnreadable(f"{name} holds zero bytes, so it is not {kind}; export it again.")
        is_first = False
        lines += text.count(b"\n")
        yield text
    if is_first:
        check_start(b"", name, kind=kind, encoding=encoding)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise SourceUnreadable(not_in_encoding(error, name, encoding, lines)) from error


def _last_row_end(text: bytes, quote: bytes | None) -> int:
    """Find the last line end that is in no quoted value; 0 where there is none."""
    end = text.rfind(b"\n") + 1
    if quote is None or not end:
        return end
    is_open = text.count(quote, 0, end) % 2 == 1
    while end and is_open:
        before = text.rfind(b"\n", 0, end - 1) + 1
        is_open ^= text.count(quote, before, end) % 2 == 1
        end = before
    return end


def _endless(text: bytes, name: str, quote: str, line: int) -> str:
    if text.count(b"\n"):
        return unclosed_quote(text.decode(errors="replace"), name, quote, line=line, is_first=True)
    return f"{name} has no line end in {len(text) >> 20} MB from line {line} on; rows are told apart by them."
