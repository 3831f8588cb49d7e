"""A folder with small real models, and servers in this process and in their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import ROOT
from tests.serving.small_models import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SERVE = (sys.executable, "-m", "airflow_mlops.cli", "serve", "--port", "0")


@pytest.fixture
def place(tmp_path) -> Place:
    """An empty folder for artifacts and ledger."""
    return Place.at(tmp_path / "artifacts")


@pytest.fixture
def champion(place) -> Place:
    """A folder with one champion."""
    place.promote(place.add())
    return place


@contextlib.contextmanager
def in_process(place: Place, *models: str, wait: bool = True, **settings: Any) -> Iterator[Any]:
    """Run the app in this process; ``client.server`` is the server behind it."""
    from fastapi.testclient import TestClient

    from airflow_mlops.serving.app import make_app
    from airflow_mlops.serving.server import ModelServer
    from airflow_mlops.serving.settings import ServerSettings

    chosen = ServerSettings(models or ("flights",), **{"poll_s": 0.02, **settings})
    server = ModelServer(chosen, ledger=place.ledger, store=place.store)
    with TestClient(make_app(server)) as client:
        client.server = server
        if wait:
            until(lambda: client.get("/ready").status_code == 200)
        yield client


def until(holds: Callable[[], Any], *, patience_s: float = 60) -> Any:
    """Wait until something holds; the limit only ends a test that would never end."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"it did not come to hold within {patience_s:g} s")


class Process:
    """``airflow-mlops serve`` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str, command: Sequence[str] = SERVE) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*command, "--artifacts-uri", str(folder), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "operators")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: self.port or self.process.poll() is not None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    @property
    def port(self) -> int | None:
        """Where it says that it listens."""
        said = next((line for line in list(self.lines) if line.startswith("serving ")), None)
        return int(said.partition("http://127.0.0.1:")[2].split()[0]) if said else None

    def end(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return code


@pytest.fixture
def serve() -> Iterator[Callable[..., Process]]:
    """Start servers; they are ended with the test."""
    started: list[Process] = []

    def start(*arguments: Any, **more: Any) -> Process:
        started.append(Process(*arguments, **more))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
