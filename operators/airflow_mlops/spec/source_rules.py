"""Rules over Delta Lake and Iceberg sources, and what lint warns of in them; their libraries are not imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.data_sections import Source
    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]
    Found = tuple[str, Location, str]

# What pyiceberg can ask for a table.
_CATALOGS = ("rest", "sql", "hive", "glue", "dynamodb", "bigquery", "in-memory")


def lakes(spec: ModelSpec) -> Iterator[Broken]:
    """Check what names a table in a lake, and how its rows are brought in."""
    for source, at in _sources(spec):
        if source.kind == "delta" and any(mark in source.uri for mark in "*?["):
            yield (*at, "uri"), f"{source.uri!r} is a pattern, but a Delta table is one folder; name that"
        if source.kind == "iceberg":
            if "." not in source.table.strip("."):
                yield (*at, "table"), f"found {source.table!r}, expected namespace and name, such as warehouse.flights"
            kind = source.catalog.get("type")
            if kind is not None and kind not in _CATALOGS:
                yield (*at, "catalog", "type"), f"found {kind!r}, expected one of {', '.join(_CATALOGS)}"
    if spec.ingest.part and not spec.ingest.copy_ and spec.data.source.kind in ("delta", "iceberg"):
        yield (
            ("ingest", "part"),
            f"found {format_duration(spec.ingest.part)}, but the version of a table is a snapshot as a whole; leave "
            "out part, or set ingest.copy: true",
        )


def odd_lakes(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn of what is allowed and seldom meant."""
    for source, at in _sources(spec):
        if source.kind == "iceberg" and not source.catalog and source.conn_id is None:
            yield (
                "warning",
                at,
                "neither catalog nor conn_id: only pyiceberg's own settings on each machine say where the table is",
            )
        for name in ("version", "snapshot"):
            pinned = getattr(source, name, None)
            if pinned is not None:
                yield "warning", (*at, name), f"every run reads {name} {pinned}; leave it out to read the newest"
    is_in_lake = any(source.kind in ("delta", "iceberg") for source, _ in _sources(spec))
    if spec.ingest.copy_ and not is_in_lake:
        yield (
            "warning",
            ("ingest", "copy"),
            "says nothing here: only rows of Delta and Iceberg tables can stay where they are",
        )


def _sources(spec: ModelSpec) -> Iterator[tuple[Source, Location]]:
    yield spec.data.source, ("data", "source")
    if spec.data.labels:
        yield spec.data.labels.source, ("data", "labels", "source")
