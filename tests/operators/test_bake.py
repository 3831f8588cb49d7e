"""The bake DAG: it waits without a slot, survives, and goes on only where it has to."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import AsyncCallback
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferred

from airflow_mlops.dag_factory.bake import bake_dag
from airflow_mlops.dag_factory.deadline import note_late
from airflow_mlops.dag_factory.monitor import monitor_dag
from airflow_mlops.dag_factory.retrain import retrain_dag
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.budgets import last_budgets
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.signals import Signals
from airflow_mlops.operators.bake import BakeOperator
from airflow_mlops.spec import ModelSpec
from tests.dag_runs import run_dag

AT = datetime(2013, 1, 3, tzinfo=UTC)


def changed(spec, **sections):
    plain = spec.model_dump(mode="json", by_alias=True)
    for name, values in sections.items():
        plain[name] = (plain[name] or {}) | values
    made = ModelSpec.model_validate(plain)
    made._base_dir = spec.base_dir
    return made


@pytest.fixture
def baked(spec):
    return changed(spec, deploy={"bake": {"watch": "1h"}, "server": None})


@pytest.fixture
def promoted(ledger, model):
    for epoch, version in enumerate(("1", "2")):
        payload = {"model": model | {"version": version}}
        ledger.promote("flights", version, expected_epoch=epoch, payload=payload, at=AT + epoch * timedelta(hours=1))
    return ledger


@pytest.fixture
def bake(baked, store, promoted):
    return BakeOperator(task_id="bake", spec=baked, now=AT.isoformat(), artifacts_uri=store.root)


def test_it_waits_for_a_moment_that_the_ledger_gives(bake, promoted):
    recorded = promoted.events("flights", kind="promotion")[-1].recorded_at
    for _ in range(2):
        with pytest.raises(TaskDeferred) as deferred:
            bake.execute({"run_id": "r"})
        assert deferred.value.trigger.deadline == (recorded + timedelta(hours=1)).isoformat()
        assert deferred.value.trigger.epoch == 2


def test_a_trigger_that_is_lost_leaves_a_verdict_all_the_same(bake, promoted, monkeypatch):
    def lost(*_, **__):
        raise TaskDeferralError("the trigger was lost")

    monkeypatch.setattr("airflow.sdk.BaseOperator.resume_execution", lost)
    found = bake.resume_execution("resume", None, {"run_id": "r"})
    assert (found["verdict"], found["version"], found["goes_back"]) == ("held", "2", False)
    assert [event.key for event in promoted.events("flights", kind="bake")] == ["2:held"]


@pytest.fixture
def long_ago(store, model):
    """Two promotions whose watch is over."""
    ledger = Ledger(f"sqlite:///{store.root}/ledger.db", clock=lambda: datetime.now(UTC) - timedelta(hours=2))
    for epoch, version in enumerate(("1", "2")):
        payload = {"model": model | {"version": version}, "rows": {}}
        ledger.append("flights", "register", version, payload["model"], at=AT)
        ledger.promote("flights", version, expected_epoch=epoch, payload=payload, at=AT + epoch * timedelta(hours=1))
    return ledger


def test_a_wait_that_is_over_is_not_begun_again(baked, store, long_ago):
    made = BakeOperator(task_id="bake", spec=baked, now=AT.isoformat(), artifacts_uri=store.root)
    assert made.execute({"run_id": "r"})["verdict"] == "held"


DAG_FILE = """
from airflow_mlops.dag_factory.bake import bake_dag
from airflow_mlops.spec import ModelSpec

dag = bake_dag(ModelSpec.model_validate_json({spec!r}))
"""


@pytest.fixture
def dag(airflow_db, run, baked, store, tmp_path, monkeypatch):
    """The bake DAG, read from its file as a task reads it."""
    from airflow.dag_processing.dagbag import DagBag

    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bakes.py").write_text(DAG_FILE.format(spec=json.dumps(baked.model_dump(mode="json", by_alias=True))))
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundle = {"name": "bakes", "classpath": local, "kwargs": {"path": str(folder)}}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    monkeypatch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", str(store.root))
    bag = DagBag(dag_folder=str(folder))
    assert not bag.import_errors
    return bag.dags["flights_bake"]


def test_a_run_goes_back_where_a_look_broke_the_trial_and_the_next_finds_nothing_to_do(dag, long_ago):
    broken = Signal("bake", 0.5, "drifted", rows=500, detail="what serves loses half as much again")
    look = Signals(AT + timedelta(days=4), 2, "2", "passed", measured={"bake": broken})
    long_ago.append("flights", "signals", "look", look.to_dict(), at=look.now)

    first = run_dag(dag)

    assert first.tasks == {"bake": "success", "roll_back": "success"}
    state = long_ago.state("flights")
    assert (state.champion.version, state.epoch, state.versions["2"].role) == ("1", 3, "frozen")
    assert state.champion.since == look.now
    told = state.champion.payload["rollback"]
    assert (told["by"], told["replaced"]) == ("the loop", "2")
    assert told["reason"] == "the bake of version 2 broke: what serves loses half as much again"

    again = run_dag(dag)
    assert (again.tasks, again.results["bake"]["verdict"]) == ({"bake": "success", "roll_back": "skipped"}, "over")


def test_the_dag_is_started_by_a_promotion_and_by_a_broken_bake_and_goes_back_in_its_second_task(baked):
    dag = bake_dag(baked)
    rung_by = sorted(asset.name for asset in dag.timetable.asset_condition.objects)
    assert rung_by == ["flights/champion", "flights/rollback"]
    back = dag.get_task("roll_back")
    assert back.upstream_task_ids == {"bake"}
    assert back.by == "the loop"
    assert back.of_version == "{{ ti.xcom_pull(task_ids='bake')['version'] }}"


def test_dags_of_the_loop_carry_a_deadline_where_a_time_is_promised(baked):
    timed = changed(baked, slo={"loop_time": {"limit": "2h"}})
    for dag in (monitor_dag(timed), retrain_dag(timed)):
        [alert] = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
        assert alert.interval == timedelta(hours=2)
        # An executor's callback is refused the connections it looks up.
        assert isinstance(alert.callback, AsyncCallback)
    assert bake_dag(timed).deadline in (None, [])
    assert retrain_dag(baked).deadline in (None, [])


def test_a_run_that_is_late_is_on_record_once(promoted, store, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", str(store.root))
    context = {"dag_run": {"dag_id": "flights_retrain", "dag_run_id": "r1"}, "deadline": {}}
    for _ in range(2):
        asyncio.run(note_late(model="flights", limit="2h", context=context))
    [event] = promoted.events("flights", kind="slo")
    assert (event.key, event.at) == ("late:flights_retrain:r1", AT + timedelta(hours=1))
    assert "has taken longer than slo.loop_time.limit (2h)" in caplog.text
    assert last_budgets(promoted, "flights") == []
