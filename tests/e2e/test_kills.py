"""Airflow's own processes killed in the middle of a task, with limits short enough to wait for."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from airflow_mlops.demo.calendar import START
from airflow_mlops.demo.runs import MODEL, RETRAIN, play
from tests.e2e.conftest import IMPATIENT, ROOT, kill_the_scheduler, kill_the_task

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def slow_dags(tmp_path_factory):
    """The shipped DAGs without a server, with a model that trains long enough for a kill to hit it."""
    dags = tmp_path_factory.mktemp("dags") / "dags"
    shutil.copytree(ROOT / "dags", dags)
    file = dags / "specs" / "flights.yaml"
    spec = yaml.safe_load(file.read_text())
    spec["train"]["params"] |= {"max_iter": 600, "learning_rate": 0.02}
    spec["deploy"].pop("server")
    file.write_text(yaml.safe_dump(spec))
    return dags


@pytest.mark.parametrize("kill", [kill_the_task, kill_the_scheduler])
def test_a_kill_in_the_middle_of_training_ends_with_one_of_each(kill, start_stack, api_of, ledger_of, slow_dags):
    stack = start_stack(dags=slow_dags, **IMPATIENT)
    api, killed = api_of(stack), []

    def kill_once(told):
        if not killed and any(task.task_id == "train" and task.state == "running" for task in told.run.tasks):
            kill(stack)
            killed.append(told)

    logs = Path(stack.settings.folder, "airflow", "logs")
    retrain = play(api, RETRAIN, START.isoformat(), kill_once, logs=logs)

    tries = {task.task_id: task.tries for task in retrain.run.tasks}
    assert tries == {**dict.fromkeys(RETRAIN.tasks, 1), "train": 2}
    ledger = ledger_of(stack)
    kinds = Counter(event.kind for event in ledger.events(MODEL))
    # A deploy records each of its phases.
    assert kinds == {**dict.fromkeys([*RETRAIN.tasks, "promotion"], 1), "deploy": 3}
    assert ledger.verify(MODEL) == kinds.total()
    assert [version.version for version in ledger.state(MODEL).versions.values()] == ["1"]
