"""A snapshot of an Apache Iceberg table."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactMissing, SourceUnavailable, SourceUnreadable
from airflow_mlops.extras import require
from airflow_mlops.snapshots.lakes import said, version_gone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import DataScan, FileScanTask, Table

    from airflow_mlops.snapshots.window import Window

# Tables that one catalog holds are kept by its name: the name matters for a catalog in a database.
_CATALOG_NAME = "default"


@dataclass(frozen=True)
class IcebergSnapshot:
    """What the table was at one of its snapshots; see `lakes.LakeTable`."""

    where: str
    version: int
    identity: str
    table: Table = field(repr=False)
    properties: Mapping[str, str] = field(repr=False)

    @classmethod
    def open(cls, name: str, version: int | None, properties: Mapping[str, str]) -> IcebergSnapshot:
        """Ask the catalog for the table; ``properties`` are the catalog's. Errors as for `lakes.open_table`."""
        require("pyiceberg", extra="iceberg", needed_by=f"the Iceberg table {name}")

        where = f"the Iceberg table {name}"
        with _faults(where, properties):
            table = _catalog(properties).load_table(name)
        current = table.current_snapshot()
        if version is None and current is None:
            raise SourceUnreadable(f"{where} has no snapshot: nothing was ever written to it.")
        chosen = version if version is not None else current.snapshot_id if current else 0
        where = f"{where} at snapshot {chosen}"
        if table.snapshot_by_id(chosen) is None:
            raise version_gone(where, "the snapshot has expired, or never was")
        return cls(where, chosen, str(table.metadata.table_uuid), table, properties)

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of its columns at this snapshot."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        schema = schema_to_pyarrow(self.table.scan(snapshot_id=self.version).projection(), include_field_ids=False)
        return schema.remove_metadata()

    def scan(self, columns: Sequence[str] | None, window: Window | None) -> Iterator[pa.RecordBatch]:
        """Give at least the rows of a window; see `lakes.LakeTable.scan`."""
        from pyiceberg.io.pyarrow import ArrowScan

        scan = self._scan(columns, window)
        reader = ArrowScan(
            self.table.metadata, self.table.io, scan.projection(), scan.row_filter, case_sensitive=scan.case_sensitive
        )
        with _faults(self.where, self.properties):
            # One file at a time: given all of them, pyiceberg reads ahead without a bound.
            for task in self._ordered(scan.plan_files(), window):
                yield from reader.to_record_batches([task])

    def gone(self, window: Window) -> list[str]:
        """Return the files of a window that somebody has deleted."""
        with _faults(self.where, self.properties):
            tasks = list(self._scan(None, window).plan_files())
            paths = dict.fromkeys(
                file.file_path for task in tasks for file in (task.file, *sorted(task.delete_files, key=str))
            )
            return [path for path in paths if not self.table.io.new_input(path).exists()]

    def _scan(self, columns: Sequence[str] | None, window: Window | None) -> DataScan:
        from pyiceberg.expressions import AlwaysTrue

        row_filter = _expression(self.schema, window) if window else AlwaysTrue()
        return self.table.scan(
            row_filter=row_filter, selected_fields=tuple(columns) if columns else ("*",), snapshot_id=self.version
        )

    def _ordered(self, tasks: Any, window: Window | None) -> list[FileScanTask]:
        """Order files by their first time, as their manifests tell it."""
        from pyiceberg.conversions import from_bytes
        from pyiceberg.types import PrimitiveType

        schema = self.table.scan(snapshot_id=self.version).projection()
        time = schema.find_field(window.time) if window and window.time in self.schema.names else None

        def place(task: FileScanTask) -> tuple[int, str]:
            bound = (task.file.lower_bounds or {}).get(time.field_id) if time else None
            if time is None or bound is None or not isinstance(time.field_type, PrimitiveType):
                return 0, task.file.file_path
            first = from_bytes(time.field_type, bound)
            # A text's bound is no number; there the path alone orders.
            return (first if isinstance(first, int) else 0, task.file.file_path)

        return sorted(tasks, key=place)


def _expression(schema: pa.Schema, window: Window) -> BooleanExpression:
    """Write the window as a filter of Iceberg that holds at least its rows."""
    import pyarrow as pa

    of: Any = import_module("pyiceberg.expressions")  # its classes take other arguments than their types say
    if window.time not in schema.names:
        return of.AlwaysTrue()
    kind = schema.field(window.time).type
    bounds = window.bounds(kind)
    if bounds is None:
        return of.AlwaysTrue()
    low, high = (bound.isoformat() for bound in bounds)
    below = of.LessThanOrEqual if pa.types.is_date(kind) else of.LessThan
    inside = of.And(of.GreaterThanOrEqual(window.time, low), below(window.time, high))
    return of.Or(inside, of.IsNull(window.time)) if window.undated else inside


def _catalog(properties: Mapping[str, str]) -> Catalog:
    from pyiceberg.catalog import load_catalog

    rest = {key: value for key, value in properties.items() if key != "name"}
    return load_catalog(properties.get("name", _CATALOG_NAME), **rest)


@contextmanager
def _faults(where: str, properties: Mapping[str, str]) -> Iterator[None]:
    """Turn what catalogs and storages raise into: a file is gone, they refuse, or they are away."""
    from pyiceberg import exceptions
    from sqlalchemy.exc import SQLAlchemyError

    refused = (exceptions.UnauthorizedError, exceptions.ForbiddenError, exceptions.OAuthError, PermissionError)
    away: tuple[type[Exception], ...] = (OSError, exceptions.RESTError, SQLAlchemyError, *_client_errors())
    absent = (exceptions.NoSuchTableError, exceptions.NoSuchNamespaceError, exceptions.NoSuchIcebergTableError)
    try:
        yield
    except ArtifactMissing:
        raise
    except FileNotFoundError as error:
        raise version_gone(where, f"a file of it was deleted ({said(error, properties)})") from error
    except absent as error:
        raise SourceUnreadable(
            f"{where} is not in its catalog ({said(error, properties)}); check table, catalog and conn_id."
        ) from error
    except refused as error:
        raise SourceUnreadable(f"{where} may not be read: {said(error, properties)}. Mend its connection.") from error
    except (ValueError, TypeError, ImportError, exceptions.NotInstalledError, exceptions.BadRequestError) as error:
        raise SourceUnreadable(
            f"{where} cannot be read: {said(error, properties)}. Check the properties of its catalog."
        ) from error
    except away as error:
        raise SourceUnavailable(f"{where} did not answer: {said(error, properties)}.") from error


def _client_errors() -> tuple[type[Exception], ...]:
    """Name what Amazon's client raises, which is no `OSError`."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return ()
    return (BotoCoreError, ClientError)
