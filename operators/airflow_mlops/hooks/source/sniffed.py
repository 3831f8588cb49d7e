"""Rows of files that no spec describes: the format is told by the name and must be that of the content."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import SourceUnreadable
from airflow_mlops.hooks.source.tables import join_files, read_csv, read_json_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

Format = Literal["parquet", "csv", "json"]
_FORMATS: dict[str, Format] = {
    **dict.fromkeys((".parquet", ".pq", ".parq"), "parquet"),
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
}
_MAGIC = "*?["
# Bytes that tell the format of a file whose name does not, and the delimiter of its header.
_HEAD = 1 << 16
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Rows of one or more files of one kind.

    Attributes
    ----------
    table : Table
    files : tuple of str
        Their names, sorted.
    is_text : bool
        Whether a file is text, whose types were guessed from its values.
    """

    table: pa.Table
    files: tuple[str, ...]
    is_text: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of text files before they are read.

    Attributes
    ----------
    options : mapping
        As ``data.source.options``.
    is_any_delimiter : bool
        Take the delimiter from the header, where the options have none.
    texts : frozenset of str
        Columns that hold text, whatever their values look like: ids with leading zeros.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    is_any_delimiter: bool = False
    texts: frozenset[str] = frozenset()


def files_at(place: str) -> list[Path]:
    """List a file, the files of a folder, or those of a glob, sorted by name; marks of writers do not count.

    Raises
    ------
    SourceUnreadable
        Nothing is there.
    """
    root = Path(place)
    if root.is_dir():
        found = [file for file in root.rglob("*") if file.is_file() and not _is_mark(file.relative_to(root))]
    elif root.exists() or not any(mark in place for mark in _MAGIC):
        found = [root] if root.exists() else []
    else:
        anchor = Path(root.anchor) if root.is_absolute() else Path()
        pattern = str(root.relative_to(anchor)) if root.is_absolute() else place
        found = [file for file in anchor.glob(pattern) if file.is_file()]
    if not found:
        raise SourceUnreadable(f"no file is at {place}; check the path, or wait until the data has landed.")
    return sorted(found)


def read_files(place: str, expected: Expected | None = None) -> FoundRows:
    """Read all files at a place into one table; a column that a file lacks is null there.

    Raises
    ------
    SourceUnreadable
        Nothing is there, a file is damaged or not what its name says, or files disagree about a column.
    """
    files, known = files_at(place), expected or Expected()
    formats = [format_of(file) for file in files]
    tables = [(file.name, _read(file, kind, known)) for file, kind in zip(files, formats, strict=True)]
    return FoundRows(join_files(tables), tuple(file.name for file in files), any(kind != "parquet" for kind in formats))


def format_of(file: Path) -> Format:
    """Tell the format by the name, and by the first bytes where the name does not say."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    last = suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:]
    if last and last[0] in _FORMATS:
        return _FORMATS[last[0]]
    head = _head(file)
    if head.startswith(b"PAR1"):
        return "parquet"
    return "json" if head.lstrip()[:1] in (b"{", b"[") else "csv"


def delimiter_of(file: Path) -> str:
    """Return the delimiter that the header has most of; a comma where it has none."""
    header = _head(file).partition(b"\n")[0].decode("utf-8", "replace")
    return max(_DELIMITERS, key=header.count)


def _head(file: Path) -> bytes:
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as opened:
            return opened.read(_HEAD)
    except (gzip.BadGzipFile, EOFError) as error:
        raise SourceUnreadable(f"{file.name} is not whole gzip ({error}); copy it again.") from error


def _read(file: Path, kind: Format, known: Expected) -> pa.Table:
    if kind == "parquet":
        return _read_parquet(file)
    if kind == "json":
        return read_json_lines(file.read_bytes(), file.name, known.options)
    options = dict(known.options)
    if "delimiter" not in options and (known.is_any_delimiter or ".tsv" in file.suffixes):
        options["delimiter"] = delimiter_of(file)
    return read_csv(file.read_bytes(), file.name, options)


def _read_parquet(file: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = file.stat().st_size
    if not size:
        raise SourceUnreadable(f"{file.name} is empty (0 bytes); the export that wrote it has failed.")
    try:
        opened = pq.ParquetFile(file)
        _check_names(opened.schema_arrow.names, file.name)
        return opened.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SourceUnreadable(
            f"{file.name} is not whole Parquet ({size} bytes): {reason}. Write or copy it again."
        ) from error


def _check_names(names: Sequence[str], file: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceUnreadable(f"{file} has the column {', '.join(map(repr, twice))} more than once; name each once.")


def _is_mark(path: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.parts)
