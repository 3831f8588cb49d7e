"""Real Delta Lake and Iceberg tables in a folder, with one day of rows a file."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from airflow_mlops.spec.data_sections import DeltaSource, IcebergSource

FIRST = datetime(2013, 1, 1, tzinfo=UTC)


def day(number: int, **more: list) -> pa.Table:
    """Return 24 rows, one an hour, of the day with a number from 1."""
    hours = [FIRST + timedelta(days=number - 1, hours=hour) for hour in range(24)]
    return pa.table(
        {
            "ts": pa.array(hours, pa.timestamp("us", "UTC")),
            "wall": pa.array([hour.replace(tzinfo=None) for hour in hours], pa.timestamp("us")),
            "day": pa.array([date(2013, 1, number)] * 24),
            "text": pa.array([hour.isoformat() for hour in hours]),
            "x": pa.array(range(24), pa.int64()),
            "y": pa.array([hour % 2 for hour in range(24)], pa.int64()),
            **more,
        }
    )


class Delta:
    """A Delta Lake table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "flights"

    def append(self, rows: pa.Table, **options: object) -> None:
        from deltalake import write_deltalake

        write_deltalake(str(self.folder), rows, mode="append", schema_mode="merge", **options)

    def source(self, version: int | None = None) -> DeltaSource:
        return DeltaSource(kind="delta", uri=str(self.folder), version=version)

    def files(self) -> dict[int, Path]:
        """Return the files of the newest version by day of the month."""
        from deltalake import DeltaTable

        return _by_day(Path(uri.removeprefix("file://")) for uri in DeltaTable(str(self.folder)).file_uris())

    def compact(self) -> None:
        from deltalake import DeltaTable

        DeltaTable(str(self.folder)).optimize.compact()

    def forget(self) -> None:
        """Delete what only older versions need."""
        from deltalake import DeltaTable

        DeltaTable(str(self.folder)).vacuum(0, dry_run=False, enforce_retention_duration=False)


class Iceberg:
    """An Iceberg table in a catalog of SQLite."""

    def __init__(self, folder: Path) -> None:
        from pyiceberg.catalog import load_catalog

        self.properties = {"name": "local", "type": "sql", "uri": f"sqlite:///{folder}/catalog.db"}
        self.properties["warehouse"] = folder.as_uri()
        rest = {key: value for key, value in self.properties.items() if key != "name"}
        self.catalog = load_catalog("local", **rest)
        self.catalog.create_namespace("warehouse")

    @property
    def table(self):
        return self.catalog.load_table("warehouse.flights")

    def append(self, rows: pa.Table) -> None:
        if not self.catalog.table_exists("warehouse.flights"):
            self.catalog.create_table("warehouse.flights", rows.schema)
        table = self.table
        with table.update_schema() as update:
            update.union_by_name(rows.schema)
        self.table.append(rows)

    def source(self, version: int | None = None) -> IcebergSource:
        return IcebergSource(kind="iceberg", table="warehouse.flights", catalog=self.properties, snapshot=version)

    def files(self) -> dict[int, Path]:
        """Return the files of the newest snapshot by day of the month."""
        return _by_day(Path(task.file.file_path.removeprefix("file://")) for task in self.table.scan().plan_files())

    def compact(self) -> None:
        self.table.overwrite(self.table.scan().to_arrow())

    def forget(self) -> None:
        """Expire what only older snapshots need."""
        table = self.table
        current = table.current_snapshot().snapshot_id
        for snapshot in table.snapshots():
            if snapshot.snapshot_id != current:
                table.maintenance.expire_snapshots().by_id(snapshot.snapshot_id).commit()


def _by_day(paths) -> dict[int, Path]:
    import pyarrow.parquet as pq

    return {pc.min(pq.read_table(path, columns=["day"])["day"]).as_py().day: path for path in paths}
