"""Sections about rows: where they come from, how they are brought in, checked and compared."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_mlops.spec.cron import Cron
from airflow_mlops.spec.durations import Duration
from airflow_mlops.spec.section import Section
from airflow_mlops.spec.vocabulary import DriftMethod

# Where rows come from


class FileSource(Section):
    """Parquet, CSV or JSON lines at any path that Airflow's object storage reaches."""

    kind: Literal["file"]
    uri: str = Field(description="File, folder or glob: /data/flights/*.parquet, s3://bucket/flights/.")
    format: Literal["parquet", "csv", "json"] = Field(description="parquet, csv, or json: one object a line.")
    conn_id: str | None = Field(None, description="Airflow connection of the storage; none for local files.")
    partitioning: Literal["hive"] | None = Field(
        None, description="hive: folders named column=value hold a column each; those outside the window are not read."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="For the CSV reader: delimiter, encoding.")


class SqlSource(Section):
    """A query on any Airflow SQL connection."""

    kind: Literal["sql"]
    conn_id: str = Field(description="Airflow connection of the database.")
    query: str = Field(description="SELECT with :start (included) and :end (left out) for the window's bounds.")
    reader: Literal["auto", "adbc", "cursor"] = Field(
        "auto", description="ADBC gives Arrow as it comes; a cursor on the server gives rows; auto: ADBC where it can."
    )


class DeltaSource(Section):
    """A Delta Lake table; the version read is the version of the source."""

    kind: Literal["delta"]
    uri: str = Field(description="Folder of the table: /data/flights, s3://bucket/flights.")
    conn_id: str | None = Field(None, description="Airflow connection of the storage; none for local files.")
    version: int | None = Field(None, ge=0, description="Version to read; default: the newest.")


class IcebergSource(Section):
    """An Apache Iceberg table; the snapshot read is the version of the source."""

    kind: Literal["iceberg"]
    table: str = Field(description="Namespace and name: warehouse.flights.")
    conn_id: str | None = Field(None, description="Airflow connection whose extra holds the catalog's properties.")
    catalog: dict[str, str] = Field(default_factory=dict, description="Properties of the catalog; no secrets.")
    snapshot: int | None = Field(None, description="Id of Iceberg's snapshot to read; default: the current one.")


class CallableSource(Section):
    """A Python function ``read(start, end)`` that returns an Arrow table, a stream of Arrow batches, or a frame."""

    kind: Literal["callable"]
    path: str = Field(description="Import path of the function: package.module.function.")
    params: dict[str, Any] = Field(default_factory=dict, description="Further keyword arguments.")


Source = Annotated[FileSource | SqlSource | DeltaSource | IcebergSource | CallableSource, Field(discriminator="kind")]


# What happens to them


class IngestSpec(Section):
    """Which rows a run reads, and how they are stored."""

    window: Duration = Field(description="Rows from now minus this length up to now.")
    part: Duration | None = Field(
        None,
        description="Rows are read and stored in parts of this length, such as 1d; a run reads only parts that are new "
        "or may have changed. Default: the window as a whole.",
    )
    late: Duration = Field(
        timedelta(0), description="With part: parts younger than this are read again, for rows that come late."
    )
    schedule: Cron | None = Field(
        None, description="With part: cron of a DAG that only ingests, a run a part, which Airflow can backfill."
    )
    copy_: bool = Field(
        False, alias="copy", description="Copy the rows of a Delta or Iceberg table; else its version is the snapshot."
    )
    sort_mb: int = Field(
        256,
        ge=1,
        description="Up to so many megabytes of Arrow data are stored sorted, so that their order in the source does "
        "not matter; more is streamed in the source's order.",
    )


class ValidateSpec(Section):
    """What a snapshot must meet before anything uses it."""

    suite: str | None = Field(None, description="Great Expectations suite beside the spec, YAML or JSON.")
    engine: Literal["auto", "pandas", "duckdb", "source"] = Field(
        "auto",
        description="Where the suite runs: pandas in memory, DuckDB over the stored files, or the database of the "
        "source; auto: pandas for small snapshots, else DuckDB.",
    )
    quarantine_rows: int | None = Field(None, ge=0, description="Most failing rows kept as evidence; default: all.")
    check_rows: int = Field(
        250_000,
        ge=1000,
        description="Rows the data check looks at one by one, an even sample of more; counts, nulls and ranges are "
        "always those of all rows.",
    )
    min_rows: int = Field(50, ge=1, description="Fewer rows block the run.")
    max_row_ratio: float = Field(
        4.0,
        gt=1,
        description="So many times the rows, or less than that part of them: beyond every window of training.",
    )
    max_null_increase: float = Field(
        0.3, gt=0, le=1, description="A column whose share of nulls grew by more than this blocks the run."
    )
    range_margin: float = Field(
        1.0, ge=0, description="How far beyond the reference's range, in widths of it, a number is still believed."
    )
    max_out_of_range: float = Field(0.01, ge=0, le=1, description="Share of values beyond that margin that blocks.")
    accept: list[str] = Field(
        default_factory=list, description="Columns a person has looked at: what would block in them only marks."
    )


class DriftSpec(Section):
    """How far data may move before it is called drift."""

    columns: list[str] = Field(default_factory=list, description="Default: all feature columns.")
    methods: dict[str, DriftMethod] = Field(
        default_factory=dict, description="Method of a column; default: Evidently's for its kind and number of rows."
    )
    threshold: float | None = Field(None, gt=0, description="Score per column; default: Evidently's for its method.")
    share: float = Field(0.5, gt=0, le=1, description="Share of drifted columns that makes the set drifted.")
    false_alarms: float = Field(
        0.01, gt=0, lt=1, description="Share of looks in which a column may be called moved where nothing has changed."
    )
    thresholds: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict,
        description="Effect from which a column has moved, by airflow-mlops calibrate; default: by the number of rows.",
    )
    sample_rows: int = Field(
        100_000,
        ge=1000,
        description="Most rows of each side for effects, predictions and the domain classifier, an even sample; scores "
        "are always those of all rows.",
    )
    multivariate: bool = Field(
        True, description="Ask a classifier whether it can tell rows of now from rows of then, all columns together."
    )
    report: Literal["drifted", "always", "never"] = Field(
        "drifted", description="When Evidently's page is drawn; the DAG's parameter report asks for one at any time."
    )
    report_rows: int = Field(2000, ge=100, description="Most rows of each side that Evidently renders.")
