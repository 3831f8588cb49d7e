from __future__ import annotations

import signal
import socket

import pytest

from airflow_mlops.demo import __main__ as demo
from airflow_mlops.demo.settings import Settings
from airflow_mlops.errors import DemoFailed
from tests.conftest import ROOT

STOPPED = "Airflow, MLflow and the model server are stopped; what was done stays done."
NAMES = ["mlflow", "model-server", "scheduler", "api-server", "dag-processor", "triggerer"]


class StubStack:
    """Six names in place of six processes; Ctrl-C is pressed again and again while they stop."""

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


class StubStory:
    """A story that fails, or one in which Ctrl-C is pressed."""

    ending = "failed"

    def tell(self) -> None:
        if self.ending == "interrupted":
            signal.raise_signal(signal.SIGINT)
        raise DemoFailed("task validate of flights_retrain did not succeed: 3 of 10 rows have no target")


@pytest.fixture
def living(monkeypatch) -> list[str]:
    """The names of the stub's processes that live now."""
    names: list[str] = []
    monkeypatch.setattr(StubStack, "living", names, raising=False)
    monkeypatch.setattr(demo, "Stack", StubStack)
    monkeypatch.setattr(demo, "connected", lambda settings, spec, stage: StubStory())
    return names


@pytest.fixture
def up(tmp_path, capsys):
    """Run `up` in a folder of its own; return the exit code and the lines people see."""

    def run() -> tuple[int, list[str]]:
        code = demo.main(["up", "--folder", str(tmp_path / "demo"), "--dags", str(ROOT / "dags")])
        return code, capsys.readouterr().out.splitlines()

    return run


def test_a_failed_stage_is_exit_code_1_one_sentence_and_what_keeps_running(up, living, tmp_path):
    code, lines = up()

    assert code == 1
    sentence, stays = lines[-2:]
    assert sentence == "task validate of flights_retrain did not succeed: 3 of 10 rows have no target."
    stop = f"python -m airflow_mlops.demo down --folder {tmp_path / 'demo'}"
    assert stays == f"Still running: {', '.join(NAMES)}; {stop} stops them."
    assert living == NAMES


def test_ctrl_c_is_exit_code_130_and_a_second_one_does_not_keep_anything_running(up, living, monkeypatch):
    monkeypatch.setattr(StubStory, "ending", "interrupted")
    before = [signal.getsignal(number) for number in demo.ENDS]

    code, lines = up()

    assert code == demo.INTERRUPTED == 130
    assert lines[-3:] == [demo.STOPPING, "Interrupted.", STOPPED]
    assert living == []
    assert [signal.getsignal(number) for number in demo.ENDS] == before


def test_ctrl_c_leaves_what_was_running_before_the_call_and_says_so(up, living, monkeypatch):
    up()
    monkeypatch.setattr(StubStory, "ending", "interrupted")

    code, lines = up()

    assert code == demo.INTERRUPTED
    assert lines[0] == "Airflow, MLflow and the model server are running already."
    assert lines[-2] == "Interrupted."
    assert lines[-1].startswith(f"Still running: {', '.join(NAMES)};")
    assert demo.STOPPING not in lines
    assert living == NAMES


def test_a_start_that_fails_stops_what_it_had_started(up, living, monkeypatch):
    def start(self, progress) -> None:
        living.append("mlflow")
        raise demo.DemoFailed("scheduler ended while it started")

    monkeypatch.setattr(StubStack, "start", start)

    code, lines = up()

    assert code == 1
    # Before them it may say that a port is taken.
    assert lines[-3:] == [demo.STOPPING, "scheduler ended while it started.", STOPPED]
    assert living == []


def test_a_taken_port_is_named_with_the_one_chosen_instead(up, living, monkeypatch, tmp_path):
    with socket.socket() as taken, socket.socket() as free, socket.socket() as other:
        for one in (taken, free, other):
            one.bind(("127.0.0.1", 0))
        taken.listen()
        airflow, mlflow, server = (one.getsockname()[1] for one in (taken, free, other))
        free.close()
        other.close()
        monkeypatch.setattr(demo, "PORTS", (airflow, mlflow, server))

        _, lines = up()

    settings = Settings.read(tmp_path / "demo")
    assert settings is not None
    assert (settings.mlflow_port, settings.server_port) == (mlflow, server)
    assert settings.airflow_port != airflow
    assert lines[0] == f"Airflow listens on {settings.airflow_port}, for {airflow} is taken."
