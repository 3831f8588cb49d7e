"""Servers that a test may take away: the demonstration's API server, MLflow and model server once more, on copies."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import sys
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from airflow_mlops.demo.processes import Processes, last_lines, wait_until
from airflow_mlops.demo.services import MLFLOW, SERVER
from airflow_mlops.demo.settings import Settings, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

API, TOKEN = "api-server", "MLOPS_SERVER_TOKEN"
_START_S = 120


class Copy:
    """The demonstration's Airflow and ledger on ports of its own, without a scheduler.

    Its databases are copies; what was made, such as models and reports, is read where it is. Users, passwords and
    secret are those of the original, so that whoever is logged in there is here too.

    Parameters
    ----------
    original : Settings
        The demonstration, which may be running.
    folder : Path
        Where the copies go.
    below : str, default=""
        Path under which the API server answers.
    extra : dict of str to str, optional
        Further variables of the environment of its processes.
    """

    def __init__(
        self, original: Settings, folder: Path, *, below: str = "", extra: dict[str, str] | None = None
    ) -> None:
        chosen = Settings.make(folder, Path(original.dags), preferred=(0, 0, 0), models=original.models)
        self.ledger = folder / "ledger.db"
        self.url = f"{chosen.airflow_url}{below}"
        self._artifacts = original.artifacts.as_uri()
        self.settings = replace(
            chosen,
            password=original.password,
            secret=original.secret,
            token=original.token,
            extra={
                "PYTHONPYCACHEPREFIX": str(Path(original.folder, "bytecode")),
                "AIRFLOW__API__BASE_URL": self.url,
                "AIRFLOW__MLOPS__ARTIFACTS_URI": self._artifacts,
                "AIRFLOW_CONN_MLOPS_LEDGER": json.dumps({"conn_type": "mlops_ledger", "host": str(self.ledger)}),
                **original.extra,
                **(extra or {}),
            },
        )
        self._processes = Processes(folder)
        _copy(original, folder)

    def start(self, *names: str) -> None:
        """Start some of the processes, and wait until they answer."""
        for name in names:
            self._processes.start(name, self._command(name), environment(self.settings) | {TOKEN: self.settings.token})
        for name in names:
            log = self._processes.log(name)
            assert wait_until(lambda name=name: self.answers(name), timeout_s=_START_S), last_lines(log, 30)

    def answers(self, name: str) -> bool:
        """Tell whether a process answers."""
        addresses = {
            MLFLOW: f"{self.settings.mlflow_url}/health",
            SERVER: f"{self.settings.server_url}/health",
            API: f"{self.url}/api/v2/version",
        }
        try:
            return httpx.get(addresses[name], timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def kill(self, name: str) -> None:
        """Kill a process and its children, as a machine that goes away does."""
        self._signal(name, signal.SIGKILL)
        assert wait_until(lambda: not self.answers(name), timeout_s=30)

    def hang(self, name: str) -> None:
        """Let a process neither answer nor refuse, until it is killed or `resume` is called."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a process that hangs go on."""
        self._signal(name, signal.SIGCONT)

    def stop(self) -> None:
        """Stop everything."""
        self._processes.stop()

    def _command(self, name: str) -> list[str]:
        if name == API:
            return [sys.executable, "-m", "airflow", "api-server"]
        if name == MLFLOW:
            listening = ("--host", "127.0.0.1", "--port", str(self.settings.mlflow_port), "--workers", "1")
            store = f"sqlite:///{Path(self.settings.folder, 'mlflow.db')}"
            return [sys.executable, "-m", "mlflow", "server", *listening, "--backend-store-uri", store]
        place = ("--port", str(self.settings.server_port), "--artifacts-uri", self._artifacts)
        return [sys.executable, "-m", "airflow_mlops.cli", "serve", *self.settings.models, *place]

    def _signal(self, name: str, number: int) -> None:
        [leader] = [each for each in self._processes.leaders() if each.name == name]
        for member in leader.members():
            with suppress(psutil.NoSuchProcess):
                member.send_signal(number)


@contextmanager
def running_copy(original: Settings, folder: Path, **others: Any) -> Iterator[Copy]:
    """Copy the demonstration, and stop what was started on the copy at the end of the block."""
    copy = Copy(original, folder, **others)
    try:
        yield copy
    finally:
        for name in (API, MLFLOW, SERVER):
            with suppress(ValueError):
                copy.resume(name)
        copy.stop()


def _copy(original: Settings, folder: Path) -> None:
    passwords = folder / "airflow" / "passwords.json"
    passwords.parent.mkdir(parents=True)
    shutil.copy(original.passwords, passwords)
    airflow = Path(original.folder, "airflow", "airflow.db")
    for source, target in ((original.artifacts / "ledger.db", "ledger.db"), (airflow, "airflow/airflow.db")):
        # A backup is whole, even where somebody writes meanwhile.
        with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(folder / target)) as copy:
            whole.backup(copy)
            copy.execute("PRAGMA journal_mode=WAL")
