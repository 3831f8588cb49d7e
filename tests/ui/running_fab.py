"""Start `fab_server` and ask it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str
    headers: dict[str, str]


class Fab:
    """The running server, and what it said of itself."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        hello = self._read()
        self.routes: list[dict] = hello["routes"]
        self.modules_at_start: list[str] = hello["modules"]

    def ask(self, person: str | None, path: str, method: str = "GET", body: str | None = None) -> Answer:
        """Ask for an address as somebody, or as nobody."""
        return Answer(**self._say({"person": person, "path": path, "method": method, "body": body}))

    def modules(self) -> list[str]:
        """List what is imported by now."""
        return self._say({"modules": True})

    def _say(self, asked: dict):
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self):
        said = []
        for line in self._process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
            said.append(line)
        raise AssertionError("the server ended: " + "".join(said)[-3000:])


@contextmanager
def running_fab(home: Path) -> Iterator[Fab]:
    """Run the server on a database and a store below ``home``, until the block ends."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        # As Airflow's own command has it: connections come from the database.
        "_AIRFLOW_PROCESS_CONTEXT": "server",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__MLOPS__ARTIFACTS_URI": f"file://{home / 'artifacts'}",
        "PYTHONPATH": str(ROOT / "operators"),
    }
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "ui" / "fab_server.py")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Fab(process)
        finally:
            process.kill()
