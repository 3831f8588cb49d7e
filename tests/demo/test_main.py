from __future__ import annotations

import signal
import socket
from datetime import UTC, datetime

import pytest

from airflow_mlops.demo import __main__ as demo
from airflow_mlops.demo.airflow_api import RunState, TaskState
from airflow_mlops.demo.settings import Settings
from airflow_mlops.demo.story import RETRAIN

NAMES = ["mlflow", "scheduler", "api-server", "dag-processor"]
MOMENT = datetime(2013, 3, 1, tzinfo=UTC)


class StubStack:
    """Four names in place of four processes; Ctrl-C is pressed again and again while they stop."""

    living: list[str]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def is_running(self) -> bool:
        return self.alive() == NAMES

    def alive(self) -> list[str]:
        return list(self.living)

    def start(self, progress) -> None:
        progress("waiting for Airflow")
        self.settings.write()
        self.living[:] = NAMES

    def stop(self) -> list[str]:
        stopped = self.alive()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        self.living.clear()
        return stopped


class StubApi:
    """An Airflow where `validate` fails, or where Ctrl-C is pressed while a run goes on."""

    ending = "failed"

    def __init__(self, url: str, *, username: str, password: str) -> None:
        pass

    def wait_for_dag(self, dag_id: str) -> None:
        pass

    def trigger(self, dag_id: str, conf: dict[str, str]) -> str:
        return "manual__1"

    def follow(self, dag_id: str, run_id: str, *, timeout_s: float):
        if self.ending == "interrupted":
            signal.raise_signal(signal.SIGINT)
        states = dict.fromkeys(RETRAIN.tasks, "success") | {"validate": "failed"}
        tasks = [TaskState(name, state, MOMENT, MOMENT, MOMENT, 1, name) for name, state in states.items()]
        yield RunState(dag_id, run_id, "failed", MOMENT, MOMENT, tuple(tasks))

    def result(self, dag_id: str, run_id: str, task_id: str) -> None:
        return None

    def error_lines(self, dag_id: str, run_id: str, task_id: str, tries: int) -> list[str]:
        return ["DataCheckFailed: 3 of 10 rows have no target"]


@pytest.fixture
def living(monkeypatch) -> list[str]:
    """The names of the stub's processes that live now."""
    names: list[str] = []
    monkeypatch.setattr(StubStack, "living", names, raising=False)
    monkeypatch.setattr(demo, "Stack", StubStack)
    monkeypatch.setattr(demo, "AirflowApi", StubApi)
    return names


@pytest.fixture
def up(tmp_path, capsys):
    """Run `up` in a folder of its own; return the exit code and the lines people see."""

    def run() -> tuple[int, list[str]]:
        code = demo.main(["up", "--folder", str(tmp_path / "demo"), "--dags", str(tmp_path)])
        return code, capsys.readouterr().out.splitlines()

    return run


def test_a_failed_stage_is_exit_code_1_one_sentence_and_what_keeps_running(up, living, tmp_path):
    code, lines = up()

    assert code == 1
    sentence, stays = lines[-2:]
    assert sentence.startswith(
        "task validate of flights_retrain did not succeed: DataCheckFailed: 3 of 10 rows have no target."
    )
    stop = f"python -m airflow_mlops.demo down --folder {tmp_path / 'demo'}"
    assert stays == f"Still running: mlflow, scheduler, api-server, dag-processor; {stop} stops them."
    assert living == NAMES


def test_ctrl_c_is_exit_code_130_and_a_second_one_does_not_keep_anything_running(up, living, monkeypatch):
    monkeypatch.setattr(StubApi, "ending", "interrupted")
    before = [signal.getsignal(number) for number in demo.ENDS]

    code, lines = up()

    assert code == demo.INTERRUPTED == 130
    assert lines[-4:] == [
        "Stopping Airflow and MLflow...",
        "Interrupted.",
        "Run manual__1 of flights_retrain had not ended; it goes on whenever Airflow runs.",
        "Airflow and MLflow are stopped; what was done stays done.",
    ]
    assert living == []
    assert [signal.getsignal(number) for number in demo.ENDS] == before


def test_ctrl_c_leaves_what_was_running_before_the_call_and_says_so(up, living, monkeypatch):
    up()
    monkeypatch.setattr(StubApi, "ending", "interrupted")

    code, lines = up()

    assert code == demo.INTERRUPTED
    assert lines[0] == "Airflow and MLflow are running already."
    assert lines[-3:-1] == [
        "Interrupted.",
        "Run manual__1 of flights_retrain had not ended; it goes on whenever Airflow runs.",
    ]
    assert lines[-1].startswith("Still running: mlflow, scheduler, api-server, dag-processor;")
    assert "Stopping Airflow and MLflow..." not in lines
    assert living == NAMES


def test_a_start_that_fails_stops_what_it_had_started(up, living, monkeypatch):
    def start(self, progress) -> None:
        living.append("mlflow")
        raise demo.DemoFailed("scheduler ended while it started")

    monkeypatch.setattr(StubStack, "start", start)

    code, lines = up()

    assert code == 1
    assert lines == [
        "Stopping Airflow and MLflow...",
        "scheduler ended while it started.",
        "Airflow and MLflow are stopped; what was done stays done.",
    ]
    assert living == []


def test_a_taken_port_is_named_with_the_one_chosen_instead(up, living, monkeypatch, tmp_path):
    with socket.socket() as taken, socket.socket() as free:
        for one in (taken, free):
            one.bind(("127.0.0.1", 0))
        taken.listen()
        airflow, mlflow = taken.getsockname()[1], free.getsockname()[1]
        free.close()
        monkeypatch.setattr(demo, "PORTS", (airflow, mlflow))

        _, lines = up()

    settings = Settings.read(tmp_path / "demo")
    assert settings is not None
    assert settings.mlflow_port == mlflow
    assert settings.airflow_port != airflow
    assert lines[0] == f"Airflow listens on {settings.airflow_port}, for {airflow} is taken."
