"""Airflow, MLflow and the model server on this machine with nothing but files: start, health, stop."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from airflow_mlops.demo.processes import Processes, last_lines, run, wait_until
from airflow_mlops.demo.settings import USER, Settings, environment
from airflow_mlops.errors import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Callable


MLFLOW, SERVER = "mlflow", "model-server"
# How often the model server looks into the ledger; its own default is a second.
POLL_S = "0.2"


class Stack:
    """Airflow's, MLflow's and the model server's processes under one folder.

    Parameters
    ----------
    settings : Settings
        Where, and on which ports.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes = Processes(Path(settings.folder))

    def is_running(self) -> bool:
        """Tell whether every process lives and answers."""
        return set(self.alive()) == set(self._commands()) and self._healthy()

    def alive(self) -> list[str]:
        """Return the names of the processes that live, answering or not."""
        return [leader.name for leader in self.processes.leaders() if leader.is_alive()]

    def start(self, progress: Callable[[str], None], *, timeout_s: float = 240) -> None:
        """Start everything and wait until it answers.

        Parameters
        ----------
        progress : callable
            Told in a few words what is waited for.
        timeout_s : float
            Seconds until giving up.

        Raises
        ------
        DemoFailed
            A process ended, or did not answer in time; the sentence names its log.
        """
        self._prepare()
        commands, env = self._commands(), environment(self.settings)
        progress("migrating Airflow's database, and starting the others beside it")
        for name in [name for name in (MLFLOW, SERVER) if name in commands]:
            self.processes.start(name, commands.pop(name), self._environment(name))
        self._migrate(env)
        for name, argv in commands.items():
            self.processes.start(name, argv, env)
        waited: set[str] = set()
        for what, is_ready in self._conditions().items():
            progress(f"waiting for {what}")
            waited.add(what)
            self._wait(what, is_ready, timeout_s)

    def start_again(self, name: str) -> None:
        """Start one process whose predecessor has ended."""
        self.processes.start(name, self._commands()[name], self._environment(name))

    def stop(self) -> list[str]:
        """Stop everything; return the names that were still running."""
        return self.processes.stop()

    def _prepare(self) -> None:
        self.settings.write()
        for folder in (self.settings.passwords.parent, self.settings.artifacts, Path(self.settings.folder, "mlflow")):
            folder.mkdir(parents=True, exist_ok=True)
        self.settings.passwords.touch(mode=0o600)
        self.settings.passwords.write_text(json.dumps({USER: self.settings.password}))

    def _migrate(self, env: dict[str, str]) -> None:
        log = self.processes.log("migrate")
        if run([sys.executable, "-m", "airflow", "db", "migrate"], env, log) != 0:
            raise DemoFailed(f"Airflow could not prepare its database: {last_lines(log, 1)}", log=log)

    def _commands(self) -> dict[str, list[str]]:
        own = {} if self.settings.tracking_uri else {MLFLOW: self._mlflow_server()}
        parts = ["scheduler", "api-server", "dag-processor"]
        if self.settings.models:
            own[SERVER] = self._model_server()
            # It waits for the model server where a deploy would otherwise hold a worker.
            parts.append("triggerer")
        return own | {part: [sys.executable, "-m", "airflow", part] for part in parts}

    def _environment(self, name: str) -> dict[str, str]:
        """Return what a process finds in its environment: the server's token is the server's alone."""
        token = {"MLOPS_SERVER_TOKEN": self.settings.token} if name == SERVER else {}
        return environment(self.settings) | token

    def _model_server(self) -> list[str]:
        return [
            *(sys.executable, "-m", "airflow_mlops.cli", "serve", *self.settings.models),
            *("--port", str(self.settings.server_port), "--poll", POLL_S),
            *("--artifacts-uri", self.settings.artifacts.as_uri()),
        ]

    def _mlflow_server(self) -> list[str]:
        folder = Path(self.settings.folder, "mlflow")
        return [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"),
            *("--port", str(self.settings.mlflow_port)),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
            *("--artifacts-destination", (folder / "artifacts").as_uri()),
        ]

    def _conditions(self) -> dict[str, Callable[[], bool]]:
        return {
            "MLflow": self._mlflow_answers,
            "the model server": self._server_answers,
            "Airflow's API server": lambda: self._health() is not None,
            "Airflow's scheduler and its other parts": self._airflow_healthy,
        }

    def _wait(self, what: str, is_ready: Callable[[], bool], timeout_s: float) -> None:
        if wait_until(lambda: is_ready() or bool(self._dead()), timeout_s=timeout_s) and not self._dead():
            return
        name = next(iter(self._dead()), None)
        log = self.processes.log(name or "scheduler")
        happened = f"{name} ended while it started" if name else f"{what} did not answer within {timeout_s:.0f} s"
        raise DemoFailed(f"{happened}: {last_lines(log, 1)}", log=log)

    def _dead(self) -> list[str]:
        return [leader.name for leader in self.processes.leaders() if not leader.is_alive()]

    def _healthy(self) -> bool:
        return self._mlflow_answers() and self._server_answers() and self._airflow_healthy()

    def _mlflow_answers(self) -> bool:
        return bool(self.settings.tracking_uri) or _get(f"{self.settings.mlflow_url}/health") is not None

    def _server_answers(self) -> bool:
        return not self.settings.models or _get(f"{self.settings.server_url}/health") is not None

    def _airflow_healthy(self) -> bool:
        health = self._health() or {}
        parts = ["scheduler", "dag_processor", *(["triggerer"] if self.settings.models else [])]
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)

    def _health(self) -> dict[str, dict[str, str]] | None:
        answer = _get(f"{self.settings.airflow_url}/api/v2/monitor/health")
        return answer.json() if answer is not None else None


def _get(url: str) -> httpx.Response | None:
    try:
        answer = httpx.get(url, timeout=5, trust_env=False)
    except httpx.TransportError:
        return None
    return answer if answer.is_success else None
