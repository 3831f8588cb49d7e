"""One door to every kind of source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow.sdk import BaseHook

from airflow_mlops.errors import SourceUnreadable, SpecError, TypesChanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from airflow_mlops.spec.data_sections import CallableSource, Source

T = TypeVar("T")


class Reader(Protocol):
    """What each kind of source can do."""

    def stream(self, start: datetime, end: datetime, time: str) -> pa.RecordBatchReader:
        """Open at least the rows of the window; what is wrong with them is raised here or while they are read."""

    def version(self, start: datetime, end: datetime) -> str | None:
        """Return what changes when the rows change, or None where the source does not say."""


class SourceHook(BaseHook):
    """Read the rows of a window from the source a spec names, a batch at a time.

    Parameters
    ----------
    source : FileSource or SqlSource or DeltaSource or IcebergSource or CallableSource
        The section of the spec.
    base_dir : Path, optional
        Folder that a relative path of a local file starts from: that of the spec. Default: the working directory.
    """

    def __init__(self, source: Source, *, base_dir: Path | None = None) -> None:
        super().__init__()
        self.source = source
        self.base_dir = base_dir

    def stream(self, start: datetime, end: datetime, time: str) -> pa.RecordBatchReader:
        """Open at least the rows of a window; `stages.ingest` cuts it exactly.

        What is wrong is raised here, or while the batches are read.

        Parameters
        ----------
        start, end : datetime
            Bounds with a zone; ``start`` is included, ``end`` is not.
        time : str
            Column the bounds are about.

        Raises
        ------
        SourceUnavailable
            The storage or the database did not answer.
        SourceUnreadable
            What answered is not a table: a broken file, a query the database refuses, a function that returns
            something else.
        EmptyWindow
            A Parquet source has no row in the window.
        """
        return self._reader.stream(start, end, time)

    def feed(self, start: datetime, end: datetime, time: str, use: Callable[[pa.RecordBatchReader], T]) -> T:
        """Give the rows of a window to a function, and give them to it again where their types have changed.

        The types of text are found from the first rows; where later ones are of another type, the second stream has
        those of all rows.

        Parameters
        ----------
        start, end, time
            As for `stream`.
        use : callable
            Takes a stream; keeps nothing where it fails.

        Returns
        -------
        object
            What ``use`` returns.
        """
        try:
            return use(self.stream(start, end, time))
        except TypesChanged as error:
            self.log.info("%s Reading all rows for their types, and again.", error)
            return use(self.stream(start, end, time))

    def read(self, start: datetime, end: datetime, time: str) -> pa.Table:
        """Read what `stream` opens into memory; for windows that are known to be small."""
        return self.feed(start, end, time, lambda rows: rows.read_all())

    def version(self, start: datetime, end: datetime) -> str | None:
        """Return what changes when the source's rows change, without reading them; None where it cannot be known.

        Raises
        ------
        SourceUnavailable
            The storage did not answer.
        SourceUnreadable
            No file is there.
        """
        return self._reader.version(start, end)

    @property
    def lake(self) -> dict[str, Any] | None:
        """Table and version of a Delta Lake or Iceberg source, for a snapshot that refers to it; None for others.

        Raises
        ------
        SourceUnavailable
            The storage or the catalog did not answer.
        SourceUnreadable
            No such table is there.
        """
        return getattr(self._reader, "lake", None)

    @cached_property
    def _reader(self) -> Reader:
        if self.source.kind == "file":
            from airflow_mlops.hooks.source.files import FileReader

            return FileReader(self.source, base_dir=self.base_dir)
        if self.source.kind == "sql":
            from airflow_mlops.hooks.source.sql import SqlReader

            return SqlReader(self.source)
        if self.source.kind == "delta" or self.source.kind == "iceberg":
            from airflow_mlops.hooks.source.lakes import LakeReader

            return LakeReader(self.source, base_dir=self.base_dir)
        return CallableReader(self.source)


class CallableReader:
    """Rows from ``read(start, end, **params)``; its attribute ``version(start, end, **params)`` is optional."""

    def __init__(self, source: CallableSource) -> None:
        self.source = source

    def stream(self, start: datetime, end: datetime, time: str) -> pa.RecordBatchReader:
        """Call the function; it may give its rows at once, or batch by batch."""
        answer = self._function(start, end, **self.source.params)
        return as_stream(answer, where=f"the function {self.source.path}")

    def version(self, start: datetime, end: datetime) -> str | None:
        """Ask the function's own ``version``, where it has one."""
        version = getattr(self._function, "version", None)
        return None if version is None else str(version(start, end, **self.source.params))

    @cached_property
    def _function(self) -> Callable[..., Any]:
        module, _, name = self.source.path.rpartition(".")
        try:
            function = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise SpecError(
                f"data source {self.source.path!r} cannot be imported: {error}. Write package.module.function, and "
                "check "
                "that the package is installed where the task runs."
            ) from error
        if not callable(function):
            raise SpecError(f"data source {self.source.path!r} is a {type(function).__name__}, not a function.")
        return function


def as_stream(answer: object, *, where: str) -> pa.RecordBatchReader:
    """Turn what a function returned into a stream of Arrow batches.

    Parameters
    ----------
    answer : object
        A table or a frame; a stream of batches; or an iterator of tables, batches or frames.
    where : str
        Who gave it, for the sentence.

    Raises
    ------
    SourceUnreadable
        It is none of these, two columns share a name, a column mixes types, or batches differ in their columns.
    """
    import pyarrow as pa

    if isinstance(answer, pa.RecordBatchReader):
        _check_named_once(answer.schema, where)
        return answer
    if not isinstance(answer, Iterator):
        return _as_table(answer, where=where).to_reader()
    tables = (_as_table(piece, where=where) for piece in answer)
    first = next(tables, None)
    if first is None:
        raise SourceUnreadable(f"{where} returned no batch; give at least one, with no rows where there are none.")
    return pa.RecordBatchReader.from_batches(first.schema, _alike(chain([first], tables), first.schema, where))


def _alike(tables: Iterator[pa.Table], schema: pa.Schema, where: str) -> Iterator[pa.RecordBatch]:
    """Bring every piece to the types of the first; a piece of nulls only has no type of its own."""
    import pyarrow as pa

    for number, table in enumerate(tables, 1):
        try:
            yield from table.cast(schema).to_batches()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise SourceUnreadable(
                f"{where} gave other columns or types in batch {number} than in the first ({error}); give all batches "
                "one schema."
            ) from error


def _as_table(answer: object, *, where: str) -> pa.Table:
    import pyarrow as pa

    try:
        if hasattr(answer, "iloc"):  # pandas: its index is no column
            table = pa.Table.from_pandas(answer, preserve_index=False)
        elif isinstance(answer, pa.Table):
            table = answer
        elif isinstance(answer, pa.RecordBatch):
            table = pa.Table.from_batches([answer])
        elif hasattr(answer, "__arrow_c_stream__"):
            table = pa.table(answer)
        else:
            raise SourceUnreadable(
                f"{where} returned a {type(answer).__name__}; an Arrow table or a pandas DataFrame was expected."
            )
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, ValueError) as error:
        what = str(error.args[-1] if len(error.args) > 1 else error).rstrip(".")
        raise SourceUnreadable(
            f"{where} returned a frame that has no one type per column: {what}. Give each column one type."
        ) from error
    _check_named_once(table.schema, where)
    return table


def _check_named_once(schema: pa.Schema, where: str) -> None:
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise SourceUnreadable(f"{where} returned the column {', '.join(map(repr, twice))} more than once.")
