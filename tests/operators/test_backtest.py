"""A backtest as a task: a report in the store, made once, and a DAG that somebody starts by hand."""

from __future__ import annotations

import json

import pytest

from airflow_mlops.errors import HistoryUnusable, SpecError
from airflow_mlops.operators.backtest import BacktestOperator
from airflow_mlops.refs import ReportRef
from airflow_mlops.spec import ModelSpec
from tests.conftest import ROOT

TO, FROM = "2013-01-12T05:00:00+00:00", "2013-01-01T05:00:00+00:00"
OTHER = "policy:\n  kind: single\n  windows: [all]\n"


@pytest.fixture
def small(flights_spec):
    """The flights looked at every twelve hours, with a model of three trees."""
    plain = flights_spec.model_dump(mode="json", by_alias=True)
    plain["monitor"]["window"], plain["evaluate"]["holdout"] = "12h", "2d"
    plain["evaluate"]["gate"]["block"] = "6h"
    plain["train"]["params"] = {"max_iter": 3, "max_leaf_nodes": 8}
    spec = ModelSpec.model_validate(plain)
    spec._base_dir = flights_spec.base_dir
    return spec


@pytest.fixture
def run(small, store):
    def _run(run_id="manual__1", **arguments):
        settings = {"now": TO, "start": FROM, "sample_rows": 50, "max_train_rows": 300, "jobs": 1} | arguments
        operator = BacktestOperator(task_id="backtest", spec=small, artifacts_uri=store.root, **settings)
        return operator.execute({"run_id": run_id}), operator

    return _run


def test_the_report_is_stored_as_json_and_html_and_recorded(run, store):
    result, operator = run(policy=OTHER)

    ref = ReportRef.from_dict(result)
    assert (ref.stage, ref.verdict in ("worse", "not worse")) == ("backtest", True)
    report = json.loads(store.read_bytes(f"{ref.uri}/report.json"))
    assert [entry["name"] for entry in report["policies"]] == ["excess_loss (spec)", "given"]
    assert set(ref.summary) == {"excess_loss (spec)", "given"}
    assert b"Backtest of flights" in store.read_bytes(ref.html_uri)
    assert operator.report_uri == ref.html_uri
    assert [event.key for event in operator.ledger.events("flights", kind="backtest")] == [ref.id]


def test_a_second_run_trains_nothing_and_gives_the_same(run, store):
    first, _ = run()
    written = store.fs.modified(store.path(first["html_uri"]))

    second, operator = run("manual__2")

    assert second == first
    assert store.fs.modified(store.path(first["html_uri"])) == written
    assert [event.run for event in operator.ledger.events("flights", kind="backtest")] == ["manual__1"]


def test_a_policy_with_faults_is_named_with_its_line_before_anything_is_read(run, store):
    with pytest.raises(SpecError, match=r"policy:2:9: error: retrain\.policy\.kind: found 'comitee'.* 'committee'"):
        run(policy="policy:\n  kind: comitee\n", start="1990-01-01T00:00:00")
    assert not store.exists(store.uri("flights"))


def test_an_empty_history_says_what_the_source_has(run, store):
    with pytest.raises(HistoryUnusable, match=r"the source of flights has no rows between 1990-01-01"):
        run(start="1990-01-01T00:00:00", now="1991-01-01T00:00:00")
    assert not store.exists(store.uri("flights", "reports"))


def test_a_time_that_is_none_is_refused(run):
    with pytest.raises(SpecError, match="start is 'yesterday', which is no time"):
        run(start="yesterday")


def test_the_dag_is_started_by_hand_and_asks_for_times_and_a_policy():
    from airflow_mlops.dag_factory import backtest_dag

    dag = backtest_dag(ROOT / "dags" / "specs" / "flights.yaml")

    assert (dag.dag_id, dag.timetable.can_be_scheduled) == ("flights_backtest", False)
    assert set(dag.params) == {"from", "to", "policy"}
    assert [task.task_id for task in dag.tasks] == ["backtest"]
    assert dag.params["to"] == "2013-03-01T05:00:00+00:00"
