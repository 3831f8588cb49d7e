"""A version of a Delta Lake table."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_mlops.errors import SourceUnavailable, SourceUnreadable
from airflow_mlops.extras import require
from airflow_mlops.snapshots.lakes import said, version_gone
from airflow_mlops.snapshots.rows import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import DeltaTable
    from pyarrow.fs import FileSystem

    from airflow_mlops.snapshots.window import Window


@dataclass(frozen=True)
class DeltaVersion:
    """What the table was at one version; see `lakes.LakeTable`."""

    where: str
    version: int
    identity: str
    table: DeltaTable = field(repr=False)
    options: Mapping[str, str] = field(repr=False)

    @classmethod
    def open(cls, uri: str, version: int | None, options: Mapping[str, str]) -> DeltaVersion:
        """Read the table's log up to a version, or all of it; errors as for `lakes.open_table`."""
        require("deltalake", extra="delta", needed_by=f"the Delta table {uri}")
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        where = f"the Delta table {uri}" + (f" at version {version}" if version is not None else "")
        with _outages(where, options):
            try:
                table = DeltaTable(uri, version=version, storage_options=dict(options) or None)
            except TableNotFoundError as error:
                raise SourceUnreadable(f"no Delta table is at {uri}; check uri and conn_id of the source.") from error
            except DeltaError as error:
                if version is None:
                    raise SourceUnreadable(f"{where} cannot be read: {said(error, options)}.") from error
                raise version_gone(where, said(error, options)) from error
            found = table.version()
            return cls(f"the Delta table {uri} at version {found}", found, str(table.metadata().id), table, options)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of its columns at this version."""
        return self._dataset.schema

    def scan(self, columns: Sequence[str] | None, window: Window | None) -> Iterator[pa.RecordBatch]:
        """Give at least the rows of a window; see `lakes.LakeTable.scan`."""
        expression = window.expression(self.schema) if window else None
        scanner = self._ordered(window).scanner(
            columns=list(columns) if columns is not None else None,
            filter=expression,
            batch_size=BATCH_ROWS,
            batch_readahead=4,
            fragment_readahead=1,
        )
        with _outages(self.where, self.options):
            yield from scanner.to_reader()

    def gone(self, window: Window) -> list[str]:
        """Return the files of a window that somebody has deleted."""
        from pyarrow.fs import FileType

        paths = [fragment.path for fragment in self._dataset.get_fragments(window.expression(self.schema))]
        with _outages(self.where, self.options):
            facts = self._dataset.filesystem.get_file_info(paths)
        return [fact.path for fact in facts if fact.type == FileType.NotFound]

    @cached_property
    def _dataset(self) -> ds.Dataset:
        from deltalake.exceptions import DeltaProtocolError

        # Tables of protocol 2 do not list what they use; read by their names, mapped columns would be empty.
        if self.table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            raise self._unsupported("column mapping")
        try:
            return self.table.to_pyarrow_dataset(filesystem=_filesystem(self.table.table_uri, self.options))
        except DeltaProtocolError as error:
            raise self._unsupported(said(error, self.options)) from error

    def _unsupported(self, what: str) -> SourceUnreadable:
        return SourceUnreadable(
            f"{self.where} uses what deltalake cannot read here: {what}. Write the table without it (REORG TABLE ... "
            "APPLY (PURGE) for deletion vectors), or read it by SQL."
        )

    def _ordered(self, window: Window | None) -> ds.Dataset:
        """Order files by their first time: the log lists them in another order after each checkpoint."""
        import pyarrow.dataset as ds

        firsts = self._first_times(window.time) if window else {}
        whole = self._dataset
        fragments = sorted(whole.get_fragments(), key=lambda file: (str(firsts.get(file.path, "")), file.path))
        return ds.FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)

    def _first_times(self, time: str) -> dict[str, object]:
        import pyarrow as pa

        actions = pa.table(self.table.get_add_actions(flatten=True))
        for name in (f"min.{time}", f"partition.{time}"):
            if name in actions.column_names:
                return dict(zip(actions["path"].to_pylist(), actions[name].to_pylist(), strict=True))
        return {}


def _filesystem(uri: str, options: Mapping[str, str]) -> FileSystem | None:
    """Open a folder with Arrow's own reader where it has one; None leaves it to deltalake's.

    Arrow calls deltalake's from threads of its own, which can abort a process that ends at the wrong moment.
    """
    from pyarrow.fs import LocalFileSystem, S3FileSystem, SubTreeFileSystem

    if uri.startswith("file://") or "://" not in uri:
        return SubTreeFileSystem(uri.removeprefix("file://"), LocalFileSystem())
    if not uri.startswith(("s3://", "s3a://")):
        return None
    names = {
        "access_key": "AWS_ACCESS_KEY_ID",
        "secret_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
        "role_arn": "AWS_IAM_ROLE_ARN",
        "region": "AWS_REGION",
        "endpoint_override": "AWS_ENDPOINT_URL",
    }
    chosen = {name: options[key] for name, key in names.items() if key in options}
    return SubTreeFileSystem(uri.split("://", 1)[1], S3FileSystem(**chosen))


@contextmanager
def _outages(where: str, options: Mapping[str, str]) -> Iterator[None]:
    """Turn what storages raise into: a file is gone, they refuse, or they are away."""
    try:
        yield
    except FileNotFoundError as error:
        raise version_gone(where, f"a file of it was deleted ({said(error, options)})") from error
    except PermissionError as error:
        raise SourceUnreadable(f"{where} may not be read ({said(error, options)}); mend its connection.") from error
    except OSError as error:
        what = said(error, options)
        if any(word in what for word in ("403", "401", "ACCESS_DENIED", "AccessDenied", "not whole", "magic bytes")):
            raise SourceUnreadable(f"{where} may not or cannot be read: {what}.") from error
        raise SourceUnavailable(f"{where} did not answer: {what}.") from error
