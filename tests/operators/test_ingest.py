"""One snapshot a window, whatever happens on the way."""

from __future__ import annotations

import os

import pyarrow.parquet as pq
import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import EmptyWindow, MissingColumns, SourceUnreadable, SpecError
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.snapshots import is_stored
from airflow_mlops.spec.data_sections import FileSource
from airflow_mlops.spec.sections import LabelsSpec

NOW = "2013-01-11T05:00:00+00:00"


@pytest.fixture
def file(tmp_path, january):
    """The first ten days of January as one Parquet file."""
    pq.write_table(january, tmp_path / "flights.parquet")
    return tmp_path / "flights.parquet"


@pytest.fixture
def spec(flights_spec, file):
    """The flights, read from that file."""
    source = FileSource(kind="file", uri=str(file), format="parquet")
    return flights_spec.model_copy(update={"data": flights_spec.data.model_copy(update={"source": source})})


@pytest.fixture
def run(tmp_path):
    def _run(spec, run_id="manual__1", **arguments):
        arguments = {"now": NOW, "artifacts_uri": str(tmp_path / "artifacts"), **arguments}
        operator = IngestOperator(task_id="ingest", spec=spec, **arguments)
        return SnapshotRef.from_dict(operator.execute({"run_id": run_id})), operator

    return _run


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore.local(tmp_path / "artifacts")


def files(tmp_path):
    return sorted(
        path.relative_to(tmp_path).as_posix() for path in (tmp_path / "artifacts").rglob("*") if path.is_file()
    )


def test_a_snapshot_is_parquet_with_a_manifest_that_describes_it(run, spec, artifacts, january):
    ref, _ = run(spec)

    stored = artifacts.read_table(ref.table_uri, digest=ref.digest)
    manifest = artifacts.manifest(ref.uri)
    assert stored.num_rows == ref.rows == january.num_rows
    assert (manifest["id"], manifest["digest"], manifest["rows"]) == (ref.id, ref.digest, ref.rows)
    assert manifest["schema"][0] == {"name": "scheduled", "type": "timestamp[us, tz=UTC]"}
    assert (ref.start, ref.end) == ("2013-01-01T10:15:00+00:00", "2013-01-11T04:59:00+00:00")


def test_a_second_run_names_the_first_and_writes_nothing(run, spec, tmp_path, caplog):
    first, _ = run(spec, run_id="manual__1")
    before = files(tmp_path)
    second, _ = run(spec, run_id="manual__2")

    assert (second.id, second.same_as, first.same_as) == (first.id, "manual__1", None)
    assert files(tmp_path) == before


def test_a_source_with_the_same_version_is_not_read_again(run, spec, file):
    first, _ = run(spec)
    mark = file.stat()
    file.write_bytes(b"x" * mark.st_size)
    os.utime(file, ns=(mark.st_atime_ns, mark.st_mtime_ns))

    assert run(spec)[0].id == first.id


def test_a_source_without_versions_is_read_again_and_compared(run, flights_spec):
    first, _ = run(flights_spec, window="2d")
    second, _ = run(flights_spec, window="2d", run_id="manual__2")

    assert (second.id, second.same_as) == (first.id, "manual__1")


def test_the_same_rows_in_another_file_are_the_same_snapshot(run, spec, file, january):
    first, _ = run(spec)
    pq.write_table(january.sort_by([("dest", "descending")]), file)

    assert run(spec)[0].id == first.id


def test_a_snapshot_that_a_run_finds_counts_as_new_so_that_retention_leaves_it(run, spec, artifacts, tmp_path):
    first, _ = run(spec)
    manifest = tmp_path / "artifacts" / spec.name / "snapshots" / first.id / "manifest.json"
    os.utime(manifest, (0, 0))
    written = manifest.read_bytes()

    assert run(spec)[0].same_as == "manual__1"
    assert manifest.stat().st_mtime > 0
    assert manifest.read_bytes() == written


def test_a_snapshot_that_is_deleted_while_a_run_finds_it_is_read_again(run, spec, artifacts, monkeypatch):
    first, _ = run(spec)
    find = Ledger.find

    def deleted_meanwhile(ledger, *asked):
        artifacts.delete(first.uri)
        return find(ledger, *asked)

    monkeypatch.setattr(Ledger, "find", deleted_meanwhile)
    again, _ = run(spec)

    assert again.id == first.id
    assert is_stored(artifacts, again)


def test_a_shorter_window_has_fewer_rows_and_another_id(run, spec):
    whole, _ = run(spec)
    two_days, _ = run(spec, window="2d")

    assert two_days.rows < whole.rows
    assert two_days.id != whole.id


def test_a_process_killed_before_the_manifest_leaves_nothing_that_counts(run, spec, artifacts, tmp_path):
    first, _ = run(spec)
    artifacts.delete(f"{first.uri}/manifest.json")
    artifacts.write_bytes(first.table_uri, b"half of a file")

    again, _ = run(spec)

    assert again.id == first.id
    assert artifacts.read_table(again.table_uri, digest=again.digest).num_rows == first.rows
    assert len([name for name in files(tmp_path) if name.endswith("data.parquet")]) == 1


def test_a_process_killed_before_the_record_records_on_the_retry(run, spec, tmp_path):
    ref, operator = run(spec)
    for part in tmp_path.glob("artifacts/ledger.db*"):
        part.unlink()

    again, operator = run(spec)

    assert (again.id, again.same_as) == (ref.id, None)
    assert [event.key for event in operator.ledger.events(spec.name, kind="ingest")] == [ref.id]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda file, table: pq.write_table(table.drop_columns(["temp"]), file), MissingColumns),
        (lambda file, table: pq.write_table(table.slice(0, 0), file), EmptyWindow),
        (lambda file, table: file.write_bytes(file.read_bytes()[:5000]), SourceUnreadable),
    ],
    ids=["a missing column", "no row", "a cut file"],
)
def test_bad_input_stores_nothing_and_a_retry_with_good_input_succeeds(
    run, spec, file, january, tmp_path, change, error
):
    change(file, january)
    with pytest.raises(error):
        run(spec)
    assert not (tmp_path / "artifacts").exists()

    pq.write_table(january, file)
    assert run(spec)[0].rows == january.num_rows


def test_labels_are_cut_by_the_time_they_arrived(run, spec, file, january, tmp_path):
    labels = january.select(["flight", "origin", "late"]).append_column("known", january["scheduled"])
    pq.write_table(labels, tmp_path / "labels.parquet")
    source = FileSource(kind="file", uri=str(tmp_path / "labels.parquet"), format="parquet")
    with_labels = LabelsSpec(source=source, key=["flight", "origin"], arrived="known")
    labelled = spec.model_copy(update={"data": spec.data.model_copy(update={"labels": with_labels})})

    ref, _ = run(labelled, part="labels", window="3d")

    assert ref.columns == 4
    assert ref.start >= "2013-01-08T05:00"


def test_labels_without_a_source_of_their_own_are_refused(run, spec):
    with pytest.raises(SpecError, match="flights has no part 'labels' to ingest"):
        run(spec, part="labels")
