"""Airflow's own processes killed in the middle of a task, with limits short enough to wait for."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections import Counter
from pathlib import Path

import psutil
import pytest
import yaml

from airflow_mlops.demo.processes import wait_until
from airflow_mlops.demo.story import MODEL, RETRAIN, play
from airflow_mlops.ledger import Ledger

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
# What Airflow calls the process of a task: the id of its task instance, where a waiting worker has a word.
TASK_PROCESS = re.compile(r"airflow worker -- [0-9a-f]{8}-")
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    # Longer than a preload: what Airflow writes of a scheduler's heartbeat is the one before, at first its start.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "45",
}


@pytest.fixture(scope="module")
def slow_dags(tmp_path_factory):
    """The shipped DAGs, with a model that trains long enough for a kill to hit it."""
    dags = tmp_path_factory.mktemp("dags") / "dags"
    shutil.copytree(ROOT / "dags", dags)
    file = dags / "specs" / "flights.yaml"
    spec = yaml.safe_load(file.read_text())
    spec["train"]["params"] |= {"max_iter": 600, "learning_rate": 0.02}
    file.write_text(yaml.safe_dump(spec))
    return dags


def kill_the_task(stack) -> None:
    """End the process that trains, and nothing else."""
    scheduler = next(leader for leader in stack.processes.leaders() if leader.name == "scheduler")
    workers = [process for process in scheduler.members() if TASK_PROCESS.match(" ".join(process.cmdline()))]
    assert workers, [process.cmdline() for process in scheduler.members()]
    for worker in workers:
        worker.kill()


def kill_the_scheduler(stack) -> None:
    """End the scheduler with its workers and their tasks at once, and start it again."""
    scheduler = next(leader for leader in stack.processes.leaders() if leader.name == "scheduler")
    for process in scheduler.members():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert wait_until(lambda: not scheduler.is_alive(), timeout_s=20)
    stack.start_again("scheduler")


@pytest.mark.parametrize("kill", [kill_the_task, kill_the_scheduler])
def test_a_kill_in_the_middle_of_training_ends_with_one_of_each(kill, start_stack, api_of, slow_dags):
    stack = start_stack(dags=slow_dags, **IMPATIENT)
    api, killed = api_of(stack), []

    def kill_once(told):
        if not killed and any(task.task_id == "train" and task.state == "running" for task in told.run.tasks):
            kill(stack)
            killed.append(told)

    logs = Path(stack.settings.folder, "airflow", "logs")
    retrain = play(api, RETRAIN, kill_once, logs=logs)

    tries = {task.task_id: task.tries for task in retrain.run.tasks}
    assert tries == {**dict.fromkeys(RETRAIN.tasks, 1), "train": 2}
    ledger = Ledger(f"sqlite:///{stack.settings.artifacts / 'ledger.db'}")
    kinds = Counter(event.kind for event in ledger.events(MODEL))
    # A deploy records each of its phases.
    assert kinds == {**dict.fromkeys([*RETRAIN.tasks, "promotion"], 1), "deploy": 3}
    assert ledger.verify(MODEL) == kinds.total()
    assert [version.version for version in ledger.state(MODEL).versions.values()] == ["1"]
