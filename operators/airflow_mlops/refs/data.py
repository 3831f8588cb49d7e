"""What travels of rows: snapshots, reports on them, feature matrices and predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.refs.base import Ref


@dataclass(frozen=True, slots=True)
class SnapshotRef(Ref):
    """An immutable Parquet snapshot with its manifest.

    ``uri`` is the folder, ``digest`` that of the file in it, `table_uri`; ``start`` and ``end`` are the first and last
    time of its rows.
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

    @property
    def table_uri(self) -> str:
        """Where the rows are: one Parquet file."""
        return f"{self.uri}/data.parquet"


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
