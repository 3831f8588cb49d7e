"""What travels of rows: snapshots, reports on them, feature matrices and predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.refs.base import Ref


@dataclass(frozen=True, slots=True)
class SnapshotRef(Ref):
    """An immutable snapshot of rows with its manifest.

    ``uri`` is the folder of the manifest; ``start`` and ``end`` are the first and last time of its rows. The rows are
    in one Parquet file of the folder, `table_uri`, with ``digest``; or in ``parts``, Parquet files that several
    snapshots share, each a dict of ``uri``, ``digest``, ``rows``, ``start`` and ``end``, in order of time; or where
    they came from, ``lake``, a version of a Delta Lake or Iceberg table that was not copied. Then ``digest`` is that of
    the list of parts, or of the table's name, version and window. Whoever wants rows asks `airflow_mlops.snapshots`.
    """

    id: str
    uri: str
    digest: str
    rows: int
    columns: int
    start: str
    end: str
    source_version: str | None = None
    same_as: str | None = None
    parts: list[dict[str, Any]] = field(default_factory=list)
    lake: dict[str, Any] | None = None

    @property
    def table_uri(self) -> str:
        """Where the rows are where they are in one file of this folder."""
        return f"{self.uri}/data.parquet"

    @property
    def files(self) -> list[tuple[str, str]]:
        """URI and digest of each Parquet file that holds rows, in order; none where they are in a lake."""
        if self.lake is not None:
            return []
        return [(part["uri"], part["digest"]) for part in self.parts] or [(self.table_uri, self.digest)]


@dataclass(frozen=True, slots=True)
class ReportRef(Ref):
    """A stored report of a stage: JSON always, HTML where there is something to look at."""

    id: str
    uri: str
    stage: str
    verdict: str
    html_uri: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeaturesRef(Ref):
    """A feature matrix, the transformer fitted on it, and the rows held out for the gate.

    ``snapshots`` and ``label_snapshots`` are `SnapshotRef` as dicts, in order; ``training_set`` is the digest of both
    with the split.
    """

    id: str
    uri: str
    transformer_uri: str
    training_set: str
    snapshots: list[dict[str, Any]]
    rows: int
    holdout_rows: int
    feature_names: list[str]
    holdout_start: str
    now: str
    window: str = "all"
    label_snapshots: list[dict[str, Any]] = field(default_factory=list)
    same_as: str | None = None


@dataclass(frozen=True, slots=True)
class ScoresRef(Ref):
    """A version's predictions for the rows of a snapshot; ``digest`` is that of the table."""

    id: str
    uri: str
    digest: str
    version: str
    snapshot: str
    rows: int
    same_as: str | None = None

    @property
    def table_uri(self) -> str:
        """Where the predictions are: one Parquet file."""
        return f"{self.uri}/data.parquet"
