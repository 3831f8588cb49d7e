"""A snapshot of a lake by the operator: its version, or a copy."""

from __future__ import annotations

import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.snapshots import read_rows
from tests.lakes import Delta, Iceberg

NOW = "2013-01-11T05:00:00+00:00"


@pytest.fixture(params=[Delta, Iceberg], ids=["delta", "iceberg"])
def lake(request, tmp_path, january):
    """The flights of ten days in a table."""
    lake = request.param(tmp_path)
    lake.append(january)
    return lake


@pytest.fixture
def run(tmp_path, flights_spec):
    def _run(source, *, copy=False, run_id="manual__1"):
        data = flights_spec.data.model_copy(update={"source": source})
        ingest = flights_spec.ingest.model_copy(update={"copy_": copy})
        spec = flights_spec.model_copy(update={"data": data, "ingest": ingest})
        operator = IngestOperator(
            task_id="ingest", spec=spec, now=NOW, window="10d", artifacts_uri=str(tmp_path / "artifacts")
        )
        return SnapshotRef.from_dict(operator.execute({"run_id": run_id}))

    return _run


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore.local(tmp_path / "artifacts")


def test_a_table_is_referred_to_and_a_second_run_reads_nothing(lake, run, artifacts, january):
    first = run(lake.source())
    for file in lake.folder.rglob("*.parquet") if isinstance(lake, Delta) else []:
        file.write_bytes(b"read by nobody")
    second = run(lake.source(), run_id="manual__2")

    assert first.lake is not None
    assert first.rows == january.num_rows
    assert second.same_as == "manual__1"
    assert second.id == first.id
    assert not list(artifacts.fs.glob(f"{artifacts.root}/**/data.parquet"))


def test_a_new_version_is_a_new_snapshot_and_the_old_one_stays(lake, run, artifacts, january):
    first = run(lake.source())
    lake.append(january.slice(0, 10))
    second = run(lake.source())

    assert (first.rows, second.rows) == (january.num_rows, january.num_rows + 10)
    assert read_rows(artifacts, first).num_rows == first.rows


def test_a_copy_outlives_its_version(lake, run, artifacts, january):
    copied, referred = run(lake.source(), copy=True), run(lake.source())
    lake.append(january.slice(0, 10))
    lake.compact()
    lake.forget()

    assert copied.lake is None
    assert read_rows(artifacts, copied).num_rows == january.num_rows
    with pytest.raises(ArtifactMissing, match="ingest again"):
        read_rows(artifacts, referred)
