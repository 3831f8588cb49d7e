"""From specs to DAGs: schedules, forms, resources, pages, and what a broken spec does to its neighbours."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from airflow.sdk import TriggerRule

from airflow_mlops.dag_factory import actions_dag, backtest_dag, dags_from, monitor_dag, retrain_dag, score_dag
from airflow_mlops.dag_factory.drill import drill_dag
from airflow_mlops.dag_factory.reproduce import reproduce_dag
from airflow_mlops.errors import SpecError
from tests.conftest import ROOT

STAGES = {"request", "ingest", "validate", "features", "train", "evaluate", "register", "approve", "deploy"}
FLIGHTS = {"flights_retrain", "flights_monitor", "flights_score", "flights_actions"}
SPEC = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())


@pytest.fixture
def write(tmp_path):
    """Write a spec file: the flights with sections changed."""

    def spec_file(name: str = "flights", **sections):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**SPEC, "name": name, **sections}))
        return path

    return spec_file


# Schedules


def test_without_a_schedule_the_retrain_asset_starts_the_dag(write):
    condition = retrain_dag(write()).timetable.asset_condition

    assert [asset.uri for asset in condition.objects] == ["x-mlops://flights/retrain"]


def test_with_a_schedule_the_clock_and_the_asset_start_it(write):
    timetable = retrain_dag(write(retrain={"schedule": "0 3 * * 1"})).timetable

    assert type(timetable).__name__ == "AssetOrTimeSchedule"
    assert [asset.name for asset in timetable.asset_condition.objects] == ["flights/retrain"]


def test_the_clock_leg_gives_a_next_run(write):
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import TimeRestriction

    stored = DagSerialization.deserialize_dag(
        DagSerialization.serialize_dag(retrain_dag(write(retrain={"schedule": "0 3 * * 1"})))
    )
    upcoming = stored.timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
    )

    assert (upcoming.run_after.hour, upcoming.run_after.day_of_week) == (3, 0)


def test_monitor_and_score_follow_schedules_of_their_own(write):
    path = write(monitor={"schedule": "@daily"}, score={"schedule": "@hourly"})

    assert monitor_dag(path).timetable.expression == "0 0 * * *"
    assert score_dag(path).timetable.expression == "0 * * * *"
    by_hand = write(monitor={})
    assert not monitor_dag(by_hand).timetable.can_be_scheduled
    assert not score_dag(by_hand).timetable.can_be_scheduled


def test_news_of_an_asset_start_the_monitor(write):
    by_name = monitor_dag(write(monitor={"asset": "landing/flights"})).timetable.asset_condition
    by_uri = monitor_dag(write(monitor={"asset": "s3://landing/flights"})).timetable.asset_condition

    assert (by_name.name, by_uri.uri) == ("landing/flights", "s3://landing/flights")


@pytest.mark.parametrize(("name", "group"), [("flights/landed", "dataset"), ("landing/flights", "asset")])
def test_rows_that_land_stand_among_the_assets_of_the_dataset(write, name, group):
    assert monitor_dag(write(monitor={"asset": name})).timetable.asset_condition.group == group


def test_a_marker_file_is_watched_for_and_starts_the_monitor(write):
    asset = monitor_dag(write(monitor={"marker": "/landing/_DONE"})).timetable.asset_condition

    [watcher] = asset.watchers
    assert (asset.uri, watcher.trigger.serialize()) == (
        "x-mlops://flights/landed",
        (
            "airflow.providers.standard.triggers.file.FileDeleteTrigger",
            {"filepath": "/landing/_DONE", "poke_interval": 1.0},
        ),
    )


def test_files_that_land_are_watched_for_and_start_the_monitor(write):
    spec_file = write(monitor={"files": {"uri": "s3://landing/flights/", "conn_id": "aws", "every": "30s"}})
    asset = monitor_dag(spec_file).timetable.asset_condition

    [watcher] = asset.watchers
    assert (asset.uri, watcher.trigger.serialize()) == (
        "x-mlops://flights/landed",
        (
            "airflow_mlops.triggers.landing.LandingTrigger",
            {"uri": "s3://landing/flights/", "asset": "flights/landed", "conn_id": "aws", "every_s": 30.0},
        ),
    )


def test_marker_and_files_ring_the_same_asset(write):
    asset = monitor_dag(write(monitor={"marker": "/in/_DONE", "files": {"uri": "/in/"}})).timetable.asset_condition
    assert [watcher.name for watcher in asset.watchers] == ["flights_marker", "flights_files"]


def test_clock_asset_and_marker_each_start_the_monitor_alone(write):
    timetable = monitor_dag(
        write(monitor={"schedule": "@daily", "asset": "landing/flights", "marker": "/landing/_DONE"})
    ).timetable

    assert type(timetable).__name__ == "AssetOrTimeSchedule"
    assert type(timetable.asset_condition).__name__ == "AssetAny"
    assert {asset.name for asset in timetable.asset_condition.objects} == {"landing/flights", "flights/landed"}


# The form


def test_every_field_of_the_form_has_a_default_that_is_valid(write):
    for dag in (retrain_dag(write()), monitor_dag(write()), score_dag(write()), retrain_dag(write(retrain={}))):
        dag.params.validate()


def test_no_field_of_a_form_has_to_be_filled_in_but_the_reason_of_an_action(write):
    spec_file = write(drill={"schedule": "@weekly"}, reproduce={"schedule": "@monthly"}, approval={"needs": []})
    makers = (retrain_dag, monitor_dag, score_dag, actions_dag, drill_dag, reproduce_dag, backtest_dag)
    fields = {
        (dag.dag_id, name): dag.params.get_param(name)
        for dag in (make(spec_file) for make in makers)
        for name in dag.params
    }

    # Airflow's form lets nobody start a run while a field that may not be null is empty.
    demanded = [at for at, field in fields.items() if "null" not in field.schema["type"] and field.value in (None, "")]

    assert demanded == [("flights_actions", "reason")]
    assert [at for at, field in fields.items() if not (field.schema.get("title") and field.description)] == []


def test_a_form_without_a_reason_asks_without_one(write):
    request = retrain_dag(write()).get_task("request")

    request.render_template_fields({"params": {"window": None, "now": "2013-03-01", "reason": None}})

    assert request.reason == ""


def test_the_form_stands_where_the_spec_stands(write):
    assert retrain_dag(write()).params["now"] == "2013-03-01T05:00:00+00:00"
    assert retrain_dag(write(retrain={})).params["now"] is None


@pytest.mark.parametrize(("chosen", "expected"), [(None, ""), ("mix", "mix")])
def test_the_window_of_the_form_reaches_the_request(write, chosen, expected):
    request = retrain_dag(write()).get_task("request")

    request.render_template_fields({"params": {"window": chosen, "now": "2013-03-01", "reason": "I want it"}})

    assert (request.window, request.reason, request.now) == (expected, "I want it", "2013-03-01")


def test_every_task_after_the_request_stands_where_the_request_says(write):
    dag = retrain_dag(write())
    features = dag.get_task("features")

    features.render_template_fields({"ti": _Results({"now": "2013-04-01T00:00:00+00:00", "window": "recent"})})

    assert (features.now, features.window) == ("2013-04-01T00:00:00+00:00", "recent")
    assert {task.now for task in retrain_dag(write()).tasks if task.task_id != "request"} == {
        "{{ ti.xcom_pull(task_ids='request')['now'] }}"
    }


@pytest.mark.parametrize(("name", "value"), [("now", "yesterday"), ("window", "some"), ("reason", "x" * 501)])
def test_the_form_refuses_what_is_no_answer(write, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    field = retrain_dag(write()).params.get_param(name)

    with pytest.raises(ParamValidationError):
        field.resolve(value)


class _Results:
    """Stands for the task instance where upstream results are asked for."""

    def __init__(self, result):
        self.result = result

    def xcom_pull(self, **_):
        return self.result


# Tasks


def test_resources_of_the_spec_reach_the_task_and_no_other(write):
    train = {"queue": "gpu", "pool": "training", "timeout": "2h", "retries": 5}
    dag = retrain_dag(write(resources={"train": train}))

    task, other = dag.get_task("train"), dag.get_task("evaluate")

    assert (task.queue, task.pool, task.execution_timeout, task.retries) == ("gpu", "training", timedelta(hours=2), 5)
    assert (other.pool, other.execution_timeout, other.retries) == ("default_pool", None, 2)


def test_labels_of_their_own_source_are_ingested_beside_the_rows(write):
    labels = {"source": {"kind": "sql", "conn_id": "w", "query": "x"}, "key": ["flight"], "arrived": "at"}
    dag = retrain_dag(write(data={**SPEC["data"], "labels": labels}))

    assert set(dag.task_ids) == STAGES | {"ingest_labels"}
    assert dag.get_task("ingest_labels").part == "labels"
    assert dag.get_task("features").upstream_task_ids == {"ingest", "ingest_labels", "validate"}
    assert dag.get_task("ingest_labels").upstream_task_ids == {"request"}


def test_labels_of_their_own_source_reach_the_decision(write):
    labels = {"source": {"kind": "sql", "conn_id": "w", "query": "x"}, "key": ["flight"], "arrived": "at"}
    dag = monitor_dag(write(data={**SPEC["data"], "labels": labels}))

    assert dag.get_task("decide").upstream_task_ids == {"ingest", "ingest_labels", "validate"}


def test_a_decision_is_made_whatever_came_before_it(write):
    dag = monitor_dag(write())

    assert dag.get_task("decide").trigger_rule == "all_done"
    assert [str(alias.name) for alias in dag.get_task("decide").outlets] == ["flights/decision", "flights/bake"]


def test_the_monitor_reads_back_to_the_labels_that_become_due(write):
    assert monitor_dag(write()).get_task("ingest").window == "9d"
    assert score_dag(write()).get_task("ingest").window == "7d"


def test_tasks_keep_their_words_inside_their_groups(write):
    dag = retrain_dag(write())

    assert set(dag.task_ids) == STAGES
    assert {group: set(dag.task_group.children[group].children) for group in ("data", "model", "release")} == {
        "data": {"ingest", "validate"},
        "model": {"features", "train", "evaluate"},
        "release": {"register", "approve", "deploy"},
    }


@pytest.mark.parametrize("policy", [{"kind": "committee"}, {"kind": "single"}])
def test_a_policy_that_chooses_among_versions_weighs_them_after_a_training_or_without_one(write, policy):
    dag = retrain_dag(write(retrain={"policy": policy}))

    assert set(dag.task_ids) == STAGES | {"weigh"}
    assert dag.get_task("request").training == ["ingest"]
    assert dag.get_task("weigh").upstream_task_ids == {"request", "train"}
    assert dag.get_task("evaluate").upstream_task_ids == {"train", "weigh"}
    assert dag.get_task("register").upstream_task_ids == {"evaluate", "weigh"}
    rules = {task.task_id: task.trigger_rule for task in dag.tasks if task.trigger_rule != "all_success"}
    assert rules == dict.fromkeys(("weigh", "evaluate"), TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    assert "nothing had to be trained" in dag.doc_md


def test_task_pages_name_all_that_the_policy_may_decide(write):
    plain = write("plain", retrain={"policy": {"kind": "excess_loss"}})
    weighing = write("weighing", retrain={"policy": {"kind": "committee"}})

    assert "nothing, warn, or retrain." in monitor_dag(plain).get_task("decide").doc_md
    assert "roll back, retrain, or call a person." in monitor_dag(weighing).get_task("decide").doc_md
    assert "Where nothing was trained" not in retrain_dag(plain).get_task("evaluate").doc_md
    assert "Where nothing was trained" in retrain_dag(weighing).get_task("evaluate").doc_md


def test_rules_weigh_only_where_they_correct(write):
    rules = {"kind": "rules", "train": {"signal": "age", "at_least": 4}}

    plain = retrain_dag(write(retrain={"policy": rules}))
    corrected = retrain_dag(write(retrain={"policy": {**rules, "correction": {}}}))

    assert "weigh" not in plain.task_ids
    assert plain.get_task("request").training == []
    assert "weigh" in corrected.task_ids


def test_labels_are_not_brought_in_either_where_nothing_is_trained(write):
    labels = {"source": {"kind": "sql", "conn_id": "w", "query": "x"}, "key": ["flight"], "arrived": "at"}
    dag = retrain_dag(write(data={**SPEC["data"], "labels": labels}, retrain={"policy": {"kind": "single"}}))

    assert dag.get_task("request").training == ["ingest", "ingest_labels"]


def test_deploying_announces_a_champion_and_checking_a_snapshot(write):
    dag = retrain_dag(write())

    assert [asset.uri for asset in dag.get_task("deploy").outlets] == ["x-mlops://flights/champion"]
    assert [asset.uri for asset in dag.get_task("validate").outlets] == ["x-mlops://flights/snapshot"]


def test_every_task_has_a_page_that_says_what_to_do_at_night(write):
    weighs = retrain_dag(write(retrain={"policy": {"kind": "committee"}}))
    for dag in (weighs, retrain_dag(write()), monitor_dag(write()), score_dag(write())):
        assert "flights" in dag.doc_md
        for task in dag.tasks:
            for heading in ("What it does", "What it leaves behind", "What a failure means", "What to do"):
                assert f"**{heading}.**" in task.doc_md, task.task_id
            assert "{" not in task.doc_md
            assert task.task_display_name != task.task_id
            assert task.owner == "airline-science"


def test_one_run_at_a_time_and_no_catching_up(write):
    for dag in (retrain_dag(write()), monitor_dag(write()), score_dag(write())):
        assert (dag.max_active_runs, dag.catchup) == (1, False)


# Serialisation


PRINT_DAGS = """
import sys
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization
from airflow_mlops.dag_factory import dags_from

print(*(SerializedDagModel.hash(DagSerialization.to_dict(dag)) for dag in dags_from(sys.argv[1]).values()))
"""


def test_two_parses_give_the_same_dags_whatever_the_order_of_sets(write, tmp_path):
    write(tags=["c", "a", "b"], retrain={"schedule": "0 3 * * 1"}, resources={"train": {"queue": "gpu"}})

    told = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DAGS, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for seed in ("1", "2")
    }

    assert len(told) == 1
    assert len(told.pop().split()) == 4


# A folder


def test_a_folder_gives_three_dags_for_each_spec(write, tmp_path):
    write("flights")
    write("trains")

    assert set(dags_from(tmp_path)) == {
        f"{name}_{kind}" for name in ("flights", "trains") for kind in ("retrain", "monitor", "score", "actions")
    }


def test_suites_and_other_files_are_no_specs(write, tmp_path):
    write("flights")
    (tmp_path / "flights.suite.yaml").write_text("expectations: []")
    (tmp_path / "spec.schema.json").write_text("{}")

    assert set(dags_from(tmp_path)) == FLIGHTS


def test_a_broken_spec_shows_its_faults_and_leaves_its_neighbours_alone(write, tmp_path, caplog):
    write("flights")
    (tmp_path / "trains.yaml").write_text("name: trains\nownr: me\n")

    dags = dags_from(tmp_path)

    assert set(dags) == FLIGHTS | {"broken_spec_trains"}
    assert "trains.yaml:2:1: error: ownr: unknown key; did you mean 'owner'?" in dags["broken_spec_trains"].doc_md
    assert "ownr: unknown key" in caplog.text
    with pytest.raises(SpecError, match="ownr: unknown key"):
        dags["broken_spec_trains"].get_task("show_faults").execute({})


def test_airflow_imports_a_folder_with_a_broken_spec_without_errors(write, tmp_path, airflow_db):
    from airflow.dag_processing.dagbag import DagBag

    write("flights")
    write("planes", resources={"train": {"executor": "NoSuchExecutor"}})
    (tmp_path / "trains.yaml").write_text("name: [\n")
    (tmp_path / "mlops.py").write_text(
        (ROOT / "dags" / "mlops.py")
        .read_text()
        .replace('"specs"', '""')
        .replace('Path(__file__).with_name("")', "Path(__file__).parent")
    )

    bag = DagBag(dag_folder=tmp_path)

    assert bag.import_errors == {}
    assert set(bag.dags) == FLIGHTS | {"broken_spec_planes", "broken_spec_trains"}


def test_an_executor_that_airflow_does_not_have_is_named(write, tmp_path):
    write("planes", resources={"train": {"executor": "NoSuchExecutor"}})

    page = dags_from(tmp_path)["broken_spec_planes"].doc_md

    assert "resources.train.executor: Airflow has no executor 'NoSuchExecutor' configured" in page


def test_a_second_spec_of_the_same_name_does_not_replace_the_first(write, tmp_path):
    write("flights")
    (tmp_path / "flights_copy.yaml").write_text((tmp_path / "flights.yaml").read_text())

    dags = dags_from(tmp_path)

    assert set(dags) == FLIGHTS | {"broken_spec_flights_copy"}
    assert "'flights' is the name of another spec" in dags["broken_spec_flights_copy"].doc_md


def test_a_task_that_starts_makes_only_its_own_dag(write, tmp_path, monkeypatch):
    for name in ("flights", "trains"):
        write(name)
    (tmp_path / "broken.yaml").write_text("name: [\n")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "trains_retrain")

    assert set(dags_from(tmp_path)) == {"trains_retrain"}


def test_one_spec_with_faults_raises_where_a_dag_file_names_it(write):
    path = write()
    path.write_text("name: flights\n")

    with pytest.raises(SpecError, match="has 6 faults"):
        retrain_dag(path)


def test_the_moment_of_a_run_without_logical_date_is_its_start(write):
    ingest = monitor_dag(write(retrain={})).get_task("ingest")
    started = datetime(2024, 5, 1, 12, tzinfo=UTC)

    ingest.render_template_fields({"params": {"now": None}, "dag_run": type("Run", (), {"run_after": started})})

    assert ingest.moment == started


# Approval


def test_without_the_section_nobody_is_asked_and_no_form_offers_it(write):
    plain = retrain_dag(write(approval=None))

    assert set(plain.task_ids) == STAGES - {"approve"}
    assert "ask" not in plain.params
    assert retrain_dag(write()).params["ask"] is False


def test_with_four_eyes_a_second_person_is_asked_after_the_first(write):
    dag = retrain_dag(write(approval={"needs": ["first_version"], "four_eyes": True}))

    assert dag.get_task("approve_second").upstream_task_ids == {"approve", "register", "evaluate"}
    assert dag.get_task("deploy").upstream_task_ids == {"approve_second", "register", "evaluate"}
