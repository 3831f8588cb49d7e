"""Rows of files that no spec describes: the format is told by the name and must be that of the content."""

from __future__ import annotations

import gzip
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import SourceUnreadable
from airflow_mlops.hooks.source.csv_file import NULLS, CsvFile
from airflow_mlops.hooks.source.cut_off import check_end
from airflow_mlops.hooks.source.json_file import JsonFile
from airflow_mlops.hooks.source.text_blocks import TextFile
from airflow_mlops.hooks.source.text_rows import in_schema, joined_schema, rows_of, schema_of
from airflow_mlops.stages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

Format = Literal["parquet", "csv", "json"]
_FORMATS: dict[str, Format] = {
    **dict.fromkeys((".parquet", ".pq", ".parq"), "parquet"),
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
}
_MAGIC = "*?["
# Of more rows than this an even sample is kept, in runs of rows, so that a column goes from row to row as it does: at
# most as many rows as validate.check_rows is by default.
LARGE_ROWS, SAMPLE_ROWS, RUN, BATCH_ROWS = 1_000_000, 250_000, 100, 131_072
# Bytes that tell the format of a file whose name does not, and the delimiter of its header.
_HEAD, _READ_BYTES = 1 << 16, 1 << 20
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Rows of one or more files of one kind.

    Attributes
    ----------
    table : Table
        All rows, or runs of 100 that lie evenly in them.
    files : tuple of str
        Their names, sorted.
    is_text : bool
        Whether a file is text, whose types were guessed from its values.
    delimiter : str or None
        Of the first CSV file.
    every : int
        One of so many rows is in the table.
    stream : callable, optional
        Gives all rows in batches, where the table does not hold them.
    """

    table: pa.Table
    files: tuple[str, ...]
    is_text: bool
    delimiter: str | None = None
    every: int = 1
    stream: Callable[[], Iterator[pa.RecordBatch]] | None = None


@dataclass(frozen=True)
class Expected:
    """What is known of text files before they are read.

    Attributes
    ----------
    options : mapping
        As ``data.source.options``.
    is_any_delimiter : bool
        Take the delimiter from the header, where the options have none.
    like : FoundRows, optional
        Rows of the same kind: their delimiter is expected, and what is text there is text, whatever it looks like: an
        id with leading zeros, or the word NA.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    is_any_delimiter: bool = False
    like: FoundRows | None = None

    def options_for(self, file: Path) -> dict[str, Any]:
        """Return the options by which one CSV file is read."""
        options = dict(self.options)
        if self.like and self.like.delimiter and not _is_tabbed(file):
            options.setdefault("delimiter", self.like.delimiter)
        elif self.is_any_delimiter or _is_tabbed(file):
            options.setdefault("delimiter", delimiter_of(file))
        nulls = options.get("nulls", NULLS)
        return {**options, "nulls": [word for word in nulls if word not in self._words]}

    @cached_property
    def types(self) -> dict[str, pa.DataType]:
        """Types of columns that hold text."""
        import pyarrow as pa

        schema = self.like.table.schema if self.like else ()
        return {field.name: pa.string() for field in schema if kind_of(field.type) == "text"}

    @cached_property
    def _words(self) -> set[str]:
        """Words for nothing that are values in these rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found: set[str] = set()
        if self.like and not self.like.is_text:
            words = pa.array([word for word in NULLS if word])
            for name in self.types:
                column = self.like.table.column(name).cast(pa.string())
                found.update(pc.unique(column.filter(pc.is_in(column, value_set=words))).to_pylist())
        return found


def files_at(place: str) -> list[Path]:
    """List a file, the files of a folder, or those of a glob, sorted by name; marks of writers do not count."""
    root = Path(place)
    if root.is_dir():
        found = files_below(root)
    elif root.exists() or not any(mark in place for mark in _MAGIC):
        found = [root] if root.exists() else []
    else:
        anchor = Path(root.anchor) if root.is_absolute() else Path()
        pattern = str(root.relative_to(anchor)) if root.is_absolute() else place
        found = [file for file in anchor.glob(pattern) if file.is_file()]
    return sorted(found)


def files_below(folder: Path) -> list[Path]:
    """List the files of a folder and of those in it, sorted by name; marks of writers do not count."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and not _is_mark(file.relative_to(folder)))


def read_files(place: str, expected: Expected | None = None) -> FoundRows:
    """Read all files at a place: all rows of few, an even sample of many; a column that a file lacks is null there.

    Raises
    ------
    SourceUnreadable
        Nothing is there, a file is damaged or not what its name says, or files disagree about a column.
    """
    files, known = files_at(place), expected or Expected()
    if not files:
        raise SourceUnreadable(f"no file is at {place}; check the path, or wait until the data has landed.")
    formats = [format_of(file) for file in files]
    opened = [_open(file, kind, known) for file, kind in zip(files, formats, strict=True)]
    schema = joined_schema([(file.name, file.schema) for file in opened])
    stream = partial(_batches, opened, schema)
    table, every = _even(stream(), schema)
    texts = [file for file, kind in zip(files, formats, strict=True) if kind == "csv"]
    return FoundRows(
        table,
        tuple(file.name for file in files),
        is_text=any(kind != "parquet" for kind in formats),
        delimiter=known.options_for(texts[0]).get("delimiter", ",") if texts else None,
        every=every,
        stream=stream if every > 1 else None,
    )


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


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file whose types are known; its rows can be read again and again."""

    name: str
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]


def _open(file: Path, kind: Format, known: Expected) -> _Opened:
    if kind == "parquet":
        with _open_parquet(file) as opened:
            return _Opened(file.name, opened.schema_arrow, partial(_parquet_batches, file))
    text = TextFile(file.name, lambda: file.open("rb"))
    if kind == "json":
        return _opened_text(JsonFile(text, known.options), {})
    options = known.options_for(file)
    opened_csv = _opened_text(CsvFile(text, options), known.types)
    if file.suffix.lower() != ".gz":  # whose own checksum tells whether it is whole
        check_end(file, delimiter=options.get("delimiter", ","), quote=options.get("quote", '"'))
    return opened_csv


def _opened_text(file: CsvFile | JsonFile, types: Mapping[str, pa.DataType]) -> _Opened:
    """Find types from all values, but for those that are given."""
    import pyarrow as pa

    found = schema_of([file], is_exact=True)
    schema = pa.schema([(field.name, types.get(field.name, field.type)) for field in found])
    return _Opened(file.name, schema, partial(rows_of, [file], schema))


def _is_tabbed(file: Path) -> bool:
    return ".tsv" in file.suffixes


def _batches(files: Sequence[_Opened], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for file in files:
        for batch in file.batches():
            yield from in_schema(pa.Table.from_batches([batch]), schema, file.name).to_batches()


def _even(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> tuple[pa.Table, int]:
    """Keep of each ``every`` runs of rows the first; that is doubled whenever too many rows are kept."""
    import numpy as np
    import pyarrow as pa

    every, position, held = 1, 0, 0
    kept: list[tuple[pa.RecordBatch, np.ndarray]] = []
    for batch in batches:
        kept.append(_thinned(batch, np.arange(position, position + batch.num_rows) // RUN, every))
        position += batch.num_rows
        held += kept[-1][0].num_rows
        while held > (LARGE_ROWS if every == 1 else SAMPLE_ROWS):
            every *= 2
            kept = [_thinned(*one, every) for one in kept]
            held = sum(one.num_rows for one, _ in kept)
    return pa.Table.from_batches([one for one, _ in kept], schema), every


def _thinned(batch: pa.RecordBatch, runs: np.ndarray, every: int) -> tuple[pa.RecordBatch, np.ndarray]:
    import pyarrow as pa

    is_kept = runs % every == 0
    return (batch, runs) if is_kept.all() else (batch.filter(pa.array(is_kept)), runs[is_kept])


def _parquet_batches(file: Path) -> Iterator[pa.RecordBatch]:
    with _parquet_errors(file), _open_parquet(file) as opened:
        yield from opened.iter_batches(BATCH_ROWS)


def _open_parquet(file: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    with _parquet_errors(file):
        opened = pq.ParquetFile(file, pre_buffer=False, buffer_size=_READ_BYTES)
        _check_names(opened.schema_arrow.names, file.name)
        return opened


@contextmanager
def _parquet_errors(file: Path) -> Iterator[None]:
    import pyarrow as pa

    size = file.stat().st_size
    if not size:
        raise SourceUnreadable(f"{file.name} is empty (0 bytes); the export that wrote it has failed.")
    try:
        yield
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
