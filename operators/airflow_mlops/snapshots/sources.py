"""From a spec's section to the table it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_mlops.spec.data_sections import DeltaSource, IcebergSource


def lake_of(source: DeltaSource | IcebergSource, base_dir: Path | None = None) -> dict[str, Any]:
    """Name a table as `SnapshotRef.lake` does; a relative path of a local one starts from ``base_dir``."""
    if source.kind == "iceberg":
        catalog = dict(source.catalog)
        return {
            "kind": "iceberg",
            "table": source.table,
            "version": source.snapshot,
            "conn_id": source.conn_id,
            "catalog": catalog,
        }
    uri = source.uri
    if "://" not in uri or uri.startswith("file://"):
        uri = (base_dir or Path.cwd()).joinpath(uri.removeprefix("file://")).as_posix()
    return {"kind": "delta", "uri": uri, "version": source.version, "conn_id": source.conn_id}
