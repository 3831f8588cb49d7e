"""Rows that stay where they came from: a version of a Delta Lake or Iceberg table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.snapshots.rows import BATCH_ROWS, Bounds, InMemory
from airflow_mlops.snapshots.window import Window, cast_batch, plain_schema
from airflow_mlops.spec.rules import looks_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    Credentials = Callable[[str, str], Mapping[str, str]]


class LakeTable(Protocol):
    """One version of a table in a lake."""

    @property
    def where(self) -> str:
        """Its name and version, for sentences."""

    @property
    def version(self) -> int:
        """Delta's version, or the id of Iceberg's snapshot."""

    @property
    def identity(self) -> str:
        """What tells it from a table that somebody makes anew in its place."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of its columns at this version."""

    def scan(self, columns: Sequence[str] | None, window: Window | None) -> Iterator[pa.RecordBatch]:
        """Give at least the rows of a window, in order of time as far as the table tells; files outside stay closed."""

    def gone(self, window: Window) -> list[str]:
        """Return the files of a window that somebody has deleted."""


def open_table(lake: Mapping[str, Any], credentials: Credentials | None = None) -> LakeTable:
    """Open a table at the version that a reference or a spec names, or at its newest.

    Parameters
    ----------
    lake : mapping
        As `SnapshotRef.lake`; ``version`` and ``identity`` may be missing.
    credentials : callable, optional
        From the kind of the lake and the name of a connection to options of the library; none: what the machine has.

    Raises
    ------
    MissingExtra
        The library is not installed.
    SourceUnavailable
        The storage or the catalog did not answer.
    SourceUnreadable
        No such table is there, or it needs what the library cannot do.
    ArtifactMissing
        The version is gone, or another table is in the place of this one.
    """
    conn_id = lake.get("conn_id")
    options = dict(credentials(lake["kind"], conn_id)) if credentials and conn_id else {}
    table: LakeTable
    if lake["kind"] == "delta":
        from airflow_mlops.snapshots.delta import DeltaVersion

        table = DeltaVersion.open(lake["uri"], lake.get("version"), options)
    else:
        from airflow_mlops.snapshots.iceberg import IcebergSnapshot

        table = IcebergSnapshot.open(lake["table"], lake.get("version"), {**options, **lake.get("catalog", {})})
    identity = lake.get("identity")
    if identity is not None and identity != table.identity:
        raise ArtifactMissing(
            f"{table.where} is another table than the one that was read ({table.identity}, not {identity}): it was "
            "made anew in the same place. Restore the old one, or ingest again."
        )
    return table


def open_lake(lake: Mapping[str, Any], credentials: Credentials | None, rows: int) -> LakeRows:
    """Open the rows of a snapshot that is a version of a table, after a look whether its files are there.

    Raises
    ------
    ArtifactMissing
        The version, or a file of its window, is gone.
    SourceUnavailable
        The storage or the catalog did not answer.
    """
    table = open_table(lake, credentials)
    start, end = (datetime.fromisoformat(lake[name]) for name in ("start", "end"))
    window = Window(lake["time"], start, end)
    if gone := table.gone(window):
        raise version_gone(table.where, f"{len(gone)} of its files were deleted, such as {gone[0]}")
    return LakeRows(table, window, plain_schema(table.schema, window.time), rows)


@dataclass(frozen=True)
class LakeRows(InMemory):
    """The rows of a window of a table, with the types of a snapshot; see `Rows`."""

    lake: LakeTable
    window: Window
    schema: pa.Schema
    rows: int

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Give the rows file by file; see `Rows.batches`."""
        names = list(columns) if columns is not None else self.schema.names
        read = list(dict.fromkeys([*names, self.window.time, *([time] if time else [])]))
        # A column of days is pushed down a day too wide: the bounds of the snapshot itself are applied to what comes.
        exact, bounds = Bounds(self.window.time, self.window.start, self.window.end), Bounds.of(time, start, end)
        for batch in self.lake.scan(read, self._narrowed(time, start, end)):
            inside = exact.inside(cast_batch(batch, read, self.schema))
            inside = (inside if bounds is None else bounds.inside(inside)).select(names)
            for offset in range(0, inside.num_rows, BATCH_ROWS):
                yield inside.slice(offset, BATCH_ROWS)

    def _narrowed(self, time: str | None, start: datetime | None, end: datetime | None) -> Window:
        if time != self.window.time:
            return self.window
        return replace(
            self.window,
            start=max(self.window.start, start) if start else self.window.start,
            end=min(self.window.end, end) if end else self.window.end,
        )


def version_gone(where: str, what: str) -> ArtifactMissing:
    """Say that a version cannot be read any more, and what to do."""
    return ArtifactMissing(
        f"{where} cannot be read any more: {what}. Keep versions for as long as models need them (Delta's "
        "delta.deletedFileRetentionDuration and delta.logRetentionDuration, Iceberg's "
        "history.expire.max-snapshot-age-ms), or set ingest.copy: true; to go on, ingest again."
    )


def said(error: BaseException, options: Mapping[str, str]) -> str:
    """Return the sentence of a library without colours, line breaks and any secret of the options."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m|↳", "", str(error)).split()).rstrip(".")
    for secret in sorted(_secrets(options), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text[:400]


def _secrets(options: Mapping[str, str]) -> set[str]:
    # The key of a service account is a document in JSON; a database's address holds its password.
    whole = {value for key, value in options.items() if looks_secret(key) or value.startswith("{")}
    within = {_password(value) for value in options.values()}
    return {secret for secret in whole | within if len(secret) > 3}


def _password(value: str) -> str:
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""
