"""A snapshot without a copy: a version of a Delta Lake or Iceberg table, and the window of it that counts."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.artifacts import digest_json
from airflow_mlops.lifecycle.storing import ID_LENGTH
from airflow_mlops.snapshots.lakes import open_table
from airflow_mlops.snapshots.window import Window, as_dict, plain_schema
from airflow_mlops.stages.ingest import Cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.snapshots.lakes import LakeTable
    from airflow_mlops.stages.ingest import IngestReport, Wanted


def refer_to_rows(
    store: ArtifactStore,
    place: str,
    lake: Mapping[str, Any],
    wanted: Wanted,
    *,
    section: str,
    version: str | None = None,
) -> dict[str, Any]:
    """Store a snapshot that refers to rows of a lake; return the manifest.

    Of the rows only the times are read, to count them.

    Parameters
    ----------
    store : ArtifactStore
        Where; its ``credentials`` open the table.
    place : str
        Folder of all snapshots; this one gets a folder in it, named by its id.
    lake : mapping
        Table and version, as `SourceHook.lake` gives them; ``SnapshotRef.lake`` is it with the window.
    wanted : Wanted
        Window, and columns that must be there.
    section : str
        Digest of the sections of the spec that the rows depend on; part of the id.
    version : str, optional
        Of the source.

    Raises
    ------
    MissingColumns
        A column that must be there is not.
    SourceUnreadable
        ``time`` is no timestamp and no date, or more than 1 % of rows have none.
    SourceUnavailable
        The storage or the catalog did not answer.
    ArtifactMissing
        The version is gone.
    EmptyWindow
        No row lies in the window.
    """
    table = open_table(lake, store.credentials)
    reference = {**lake, **as_dict(Window(wanted.time, wanted.start, wanted.end))}
    digest = digest_json(reference)
    name = digest_json({"content": digest, "section": section})[:ID_LENGTH]
    folder = f"{place}/{name}"
    manifest = store.manifest(folder)
    if manifest is None:
        Cut(table.schema, wanted)  # refuses a table without the columns that must be there
        schema = plain_schema(table.schema, wanted.time)
        report = _count(table, wanted)
        manifest = {
            "id": name,
            "digest": digest,
            "rows": report.rows,
            "schema": [{"name": field.name, "type": str(field.type)} for field in schema],
            "start": report.first,
            "end": report.last,
            "source_version": version,
            "section": section,
            "report": asdict(report),
            "lake": reference,
            "created_by": f"airflow-provider-mlops {__version__}",
        }
        store.complete(folder, manifest)
    return manifest


def _count(table: LakeTable, wanted: Wanted) -> IngestReport:
    import pyarrow as pa

    times = pa.schema([table.schema.field(wanted.time)])
    cut = Cut(times, replace(wanted, key=(), columns=()))
    for batch in table.scan([wanted.time], Window(wanted.time, wanted.start, wanted.end, undated=True)):
        cut.keep(pa.Table.from_batches([batch]))
    return cut.report()
