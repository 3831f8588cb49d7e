"""A DAG that only ingests: a run a part, and history by Airflow's backfill."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import yaml

from airflow_mlops.dag_factory import dags_from, ingest_dag
from airflow_mlops.errors import SpecError
from tests.conftest import ROOT

SPEC = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())


@pytest.fixture
def write(tmp_path):
    folder = tmp_path / "specs"
    folder.mkdir()

    def spec_file(**keys):
        path = folder / "flights.yaml"
        path.write_text(yaml.safe_dump({**SPEC, "ingest": {"window": "59d", **keys}, "validate": {}}))
        return path

    return spec_file


def test_it_is_made_where_the_spec_has_a_schedule_for_it(write):
    with_schedule = dags_from(write(part="1d", late="2d", schedule="30 3 * * *").parent)
    without = dags_from(write(part="1d", late="2d").parent)

    dag = with_schedule["flights_ingest"]
    assert (type(dag.timetable).__name__, dag.task_ids) == ("CronPartitionTimetable", ["ingest"])
    assert "flights_ingest" not in without
    with pytest.raises(SpecError, match=r"flights names no ingest\.schedule, so it has no ingest DAG"):
        ingest_dag(write(part="1d"))


def test_a_backfill_has_a_partition_for_each_part(write, airflow_db):
    from airflow.serialization.serialized_objects import DagSerialization

    dag = ingest_dag(write(part="1d", late="2d", schedule="30 3 * * *"))
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    infos = list(
        timetable.iter_partition_dagrun_infos(
            earliest=datetime(2013, 1, 2, tzinfo=UTC), latest=datetime(2013, 1, 5, tzinfo=UTC)
        )
    )

    assert [info.partition_key for info in infos] == [f"2013-01-0{day}T03:30:00" for day in (2, 3, 4)]


def test_the_form_does_not_hold_partitions_to_the_moment_of_the_spec(write):
    dag = ingest_dag(write(part="1d", schedule="@daily"))
    assert dag.params["now"] is None
    dag.params.validate()


def test_the_partition_is_the_moment_a_run_stands_at(write):
    import jinja2

    task = ingest_dag(write(part="1d", schedule="@daily")).get_task("ingest")
    moment = jinja2.Template(task.now)
    run = SimpleNamespace(partition_key="2013-01-05T00:00:00", run_after=datetime(2026, 1, 1, tzinfo=UTC))

    assert moment.render(params={}, dag_run=run) == "2013-01-05T00:00:00"
    run.partition_key = None
    assert moment.render(params={}, dag_run=run) == "2026-01-01T00:00:00+00:00"
    assert moment.render(params={"now": "2013-02-01"}, dag_run=run) == "2013-02-01"
