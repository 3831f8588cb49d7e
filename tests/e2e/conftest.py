"""A whole Airflow and MLflow of their own, on free ports, in a folder that goes away."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import yaml

from airflow_mlops.demo.airflow_api import AirflowApi
from airflow_mlops.demo.processes import wait_until
from airflow_mlops.demo.services import Stack
from airflow_mlops.demo.settings import USER, Settings
from airflow_mlops.ledger import Ledger
from tests.chain import ten_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_mlops.demo.processes import Leader

ROOT = Path(__file__).parents[2]
# What Airflow calls the process of a task: the id of its task instance, where a waiting worker has a word.
TASK_PROCESS = re.compile(r"airflow worker -- [0-9a-f]{8}-")
# Limits short enough to wait for.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    # Longer than a preload: what Airflow writes of a scheduler's heartbeat is the one before, at first its start.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "45",
}


@pytest.fixture(scope="module")
def start_stack(tmp_path_factory) -> Iterator[Callable[..., Stack]]:
    """Start a stack; what was started is stopped when the module's tests are done."""
    started = []

    def start(*, dags: Path = ROOT / "dags", **options: str) -> Stack:
        settings = Settings.make(tmp_path_factory.mktemp("stack"), dags, preferred=(0, 0, 0), extra=options)
        started.append(Stack(settings))
        started[-1].start(lambda _: None)
        return started[-1]

    yield start
    for stack in started:
        stack.stop()


@pytest.fixture(scope="module")
def small_dags(tmp_path_factory) -> Callable[..., Path]:
    """Make a DAGs folder with models of ten days of flights, by name; their training can be held back."""

    def make(*names: str) -> Path:
        dags = tmp_path_factory.mktemp("dags") / "dags"
        (dags / "specs").mkdir(parents=True)
        shutil.copy(ROOT / "dags" / "mlops.py", dags)
        shutil.copy(ROOT / "dags" / "specs" / "flights.suite.yaml", dags / "specs")
        for name in names:
            plain = ten_days().model_dump(mode="json", by_alias=True)
            plain["name"] = name
            plain["data"]["source"]["path"] = "tests.e2e.held_flights.read_flights"
            (dags / "specs" / f"{name}.yaml").write_text(yaml.safe_dump(plain))
        return dags

    return make


@pytest.fixture(scope="session")
def api_of() -> Callable[[Stack], AirflowApi]:
    """Log in to a stack's Airflow."""
    return lambda stack: AirflowApi(stack.settings.airflow_url, username=USER, password=stack.settings.password)


@pytest.fixture(scope="session")
def ledger_of() -> Callable[[Stack], Ledger]:
    """Open a stack's ledger."""
    return lambda stack: Ledger(stack.settings.ledger_url)


def kill_the_task(stack: Stack) -> None:
    """End the process of the running task, and nothing else."""
    workers = [process for process in _scheduler(stack).members() if TASK_PROCESS.match(" ".join(process.cmdline()))]
    assert workers, [process.cmdline() for process in _scheduler(stack).members()]
    for worker in workers:
        worker.kill()


def kill_the_scheduler(stack: Stack) -> None:
    """End the scheduler with its workers and their tasks at once, and start it again."""
    scheduler = _scheduler(stack)
    for process in scheduler.members():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert wait_until(lambda: not scheduler.is_alive(), timeout_s=20)
    stack.start_again("scheduler")


def _scheduler(stack: Stack) -> Leader:
    return next(leader for leader in stack.processes.leaders() if leader.name == "scheduler")
