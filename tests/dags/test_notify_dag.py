"""People are told at the end of a look, and whether that works says nothing of the run."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, BaseNotifier

from airflow_mlops.dag_factory import monitor_dag
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.notify import NotifyOperator
from airflow_mlops.spec.notify_section import NotifySpec
from tests.chain import NOW, ten_days
from tests.dag_runs import run_dag


class Mailbox(BaseNotifier):
    """Write each message as a line of a file."""

    def __init__(self, path, title):
        super().__init__()
        self.path, self.title = path, title

    def notify(self, context):
        with open(self.path, "a") as file:
            file.write(json.dumps([self.title, context["run_id"]]) + "\n")


def telling(path):
    arguments = {"path": str(path), "title": "{{ title }}"}
    target = {"notifier": f"{__name__}.Mailbox", "arguments": arguments}
    return ten_days().model_copy(update={"notify": NotifySpec.model_validate({"targets": {"box": target}})})


@pytest.fixture
def run(tmp_path, airflow_db):
    """Run a task and what tells people after it, as the monitor builds them, where rows are missing."""
    artifacts = tmp_path / "artifacts"
    looked = {"data_check": "missing", "data_check_reasons": ["no row came"], "measured": {}}
    Ledger(f"sqlite:///{artifacts / 'ledger.db'}").append(
        "flights", "signals", "1", looked, at=datetime.fromisoformat(NOW)
    )

    def once(path, *, breaks):
        # Airflow tests only a DAG whose name it has read from a file.
        with DAG("flights_monitor", schedule=None) as dag:
            work = PythonOperator(task_id="work", python_callable=_break) if breaks else EmptyOperator(task_id="work")
            tell = NotifyOperator(
                task_id="notify", spec=telling(path), now=NOW, artifacts_uri=str(artifacts), retries=0
            )
            work >> tell.as_teardown()
        return run_dag(dag)

    return once


def _break():
    raise ValueError("the look failed")


def test_where_the_spec_tells_nobody_there_is_no_such_task():
    assert "notify" not in monitor_dag(ten_days()).task_ids


def test_the_monitor_tells_at_its_end_by_a_task_that_is_not_the_runs_result(tmp_path):
    tell = monitor_dag(telling(tmp_path)).get_task("notify")

    assert {"decide", "drift", "reconcile"} <= tell.upstream_task_ids
    assert tell.downstream_task_ids == set()
    assert (tell.is_teardown, tell.on_failure_fail_dagrun) == (True, False)


def test_a_look_that_failed_is_told_and_stays_failed(run, tmp_path):
    found = run(tmp_path / "box", breaks=True)

    assert (found.state, found.tasks) == ("failed", {"work": "failed", "notify": "success"})
    [[title, _]] = map(json.loads, (tmp_path / "box").read_text().splitlines())
    assert title == "flights: data missing"


def test_a_notifier_that_fails_leaves_the_run_as_it_is(run, tmp_path):
    found = run(tmp_path / "no" / "folder", breaks=False)

    assert (found.state, found.tasks) == ("success", {"work": "success", "notify": "failed"})
