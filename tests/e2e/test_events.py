"""Bells that ring too often, get lost, or ring while the scheduler dies: the end state is right each time."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from airflow_mlops.demo.processes import wait_until
from airflow_mlops.demo.runs import Chapter, follow, start
from tests.chain import NOW
from tests.e2e.conftest import IMPATIENT, ROOT, kill_the_scheduler
from tests.e2e.held_flights import HOLD

if TYPE_CHECKING:
    from airflow_mlops.demo.airflow_api import AirflowApi

pytestmark = pytest.mark.e2e

A_DAY_BEFORE = "2013-01-10T05:00:00+00:00"
QUIET_S = 6.0


@pytest.fixture(scope="module")
def hold(tmp_path_factory):
    """While this file is there, every training waits for its rows."""
    return tmp_path_factory.mktemp("hold") / "hold"


@pytest.fixture(scope="module")
def stack(start_stack, small_dags, hold):
    path = os.pathsep.join([str(ROOT), str(ROOT / "operators")])
    return start_stack(dags=small_dags("burst", "lost", "killed"), PYTHONPATH=path, **{HOLD: str(hold)}, **IMPATIENT)


@pytest.fixture(scope="module")
def api(stack, api_of):
    return api_of(stack)


@pytest.fixture
def ledger(stack, ledger_of):
    return ledger_of(stack)


def retrain_of(model: str) -> Chapter:
    return Chapter(f"{model}_retrain", ())


def monitor_of(model: str) -> Chapter:
    return Chapter(f"{model}_monitor", ())


def wait_until_quiet(api: AirflowApi, dag_id: str, *, timeout_s: float = 240) -> None:
    """Wait until no run of a DAG is queued or runs, and none comes for a while."""
    quiet_since: list[float] = []

    def is_quiet() -> bool:
        if not api.run_ids(dag_id) or api.run_ids(dag_id, states=("queued", "running")):
            quiet_since.clear()
            return False
        quiet_since.append(time.monotonic())
        return quiet_since[-1] - quiet_since[0] > QUIET_S

    assert wait_until(is_quiet, timeout_s=timeout_s)


def is_held(api: AirflowApi, dag_id: str) -> bool:
    return any(
        task.task_id == "ingest" and task.state == "running"
        for run_id in api.run_ids(dag_id, states=("running",))
        for task in api.run(dag_id, run_id).tasks
    )


def expect_one_of_each(ledger, model: str) -> None:
    """One training with one verdict, one version, one promotion, and a ledger that is whole."""
    kinds = Counter(event.kind for event in ledger.events(model))
    assert {kind: kinds[kind] for kind in ("train", "evaluate", "register", "promotion")} == {
        "train": 1,
        "evaluate": 1,
        "register": 1,
        "promotion": 1,
    }
    assert [version.role for version in ledger.state(model).versions.values()] == ["champion"]
    assert ledger.verify(model) == kinds.total()


def test_twenty_bells_at_once_make_one_training_and_the_others_end_quietly(api, ledger):
    api.wait_for_dag("burst_retrain")

    for number in range(20):
        api.ring("burst/retrain", {"reason": f"bell {number}", "now": NOW})
    wait_until_quiet(api, "burst_retrain")

    expect_one_of_each(ledger, "burst")
    before = api.run_ids("burst_retrain")
    api.ring("burst/retrain", {"reason": "a bell that comes late", "now": NOW})
    assert wait_until(lambda: len(api.run_ids("burst_retrain")) > len(before), timeout_s=60)
    wait_until_quiet(api, "burst_retrain")

    runs = [api.run("burst_retrain", run_id) for run_id in api.run_ids("burst_retrain")]
    assert {run.state for run in runs} == {"success"}
    trained = [run for run in runs if not any(task.state == "skipped" for task in run.tasks)]
    assert len(trained) == 1
    requests = Counter(event.payload["cause"] for event in ledger.events("burst", kind="request"))
    assert requests == {"person": 1, None: len(runs) - 1}
    expect_one_of_each(ledger, "burst")


def test_a_bell_that_is_lost_while_the_dag_is_full_rings_again_at_the_next_look(api, ledger, hold):
    dag, look = retrain_of("lost"), monitor_of("lost")
    hold.touch()
    full = start(api, dag, A_DAY_BEFORE)
    assert wait_until(lambda: is_held(api, dag.dag_id), timeout_s=120)

    # Without a champion the monitor asks for a training at every look.
    follow(api, look, start(api, look, A_DAY_BEFORE), lambda _: None)
    assert [event.payload["action"] for event in ledger.events("lost", kind="decision")] == ["retrain"]
    assert api.run_ids(dag.dag_id) == [full]
    api.request("DELETE", f"/api/v2/dags/{dag.dag_id}/assets/queuedEvents")
    api.request("PATCH", f"/api/v2/dags/{dag.dag_id}/dagRuns/{full}", json={"state": "failed"})
    wait_until_quiet(api, dag.dag_id)
    hold.unlink()
    assert [api.run(dag.dag_id, run_id).state for run_id in api.run_ids(dag.dag_id)] == ["failed"]
    assert ledger.state("lost").champion is None

    follow(api, look, start(api, look, NOW), lambda _: None)
    assert wait_until(lambda: len(api.run_ids(dag.dag_id)) > 1, timeout_s=60)
    wait_until_quiet(api, dag.dag_id)

    champion, second = ledger.state("lost").champion, ledger.events("lost", kind="decision")[-1]
    assert champion.since.isoformat() == NOW == second.payload["now"]
    assert [event.payload["decision"] for event in ledger.events("lost", kind="request")][-1] == second.key
    assert len(ledger.events("lost", kind="promotion")) == 1
    assert ledger.verify("lost") == len(ledger.events("lost"))


def test_a_scheduler_killed_in_the_middle_of_a_retraining_ends_with_one_of_each(stack, api, ledger, hold):
    dag = retrain_of("killed")
    api.wait_for_dag(dag.dag_id)
    hold.touch()
    api.ring("killed/retrain", {"reason": "a bell before a kill", "now": NOW})
    assert wait_until(lambda: is_held(api, dag.dag_id), timeout_s=120)

    kill_the_scheduler(stack)
    hold.unlink()
    wait_until_quiet(api, dag.dag_id)

    (run_id,) = api.run_ids(dag.dag_id)
    run = api.run(dag.dag_id, run_id)
    assert run.state == "success"
    assert {task.task_id: task.tries for task in run.tasks}["ingest"] == 2
    assert [event.payload["cause"] for event in ledger.events("killed", kind="request")] == ["person"]
    expect_one_of_each(ledger, "killed")
