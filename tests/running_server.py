"""The real model server in a process of its own: killed and started again as tests need it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import httpx

from airflow_mlops.ledger import Ledger
from tests.model_server import closed_port

if TYPE_CHECKING:
    from airflow_mlops.artifacts import ArtifactStore

TOKEN = "the-token"
_FORK = multiprocessing.get_context("fork")


def _serve(port: int, ledger_url: str, store: ArtifactStore, models: tuple[str, ...]) -> None:
    from airflow_mlops.serving.listen import serve
    from airflow_mlops.serving.settings import ServerSettings

    settings = ServerSettings(models=models, port=port, token=TOKEN, poll_s=0.05, prediction_log=False)
    serve(settings, ledger=Ledger(ledger_url), store=store, announce=lambda address: None)


class RunningServer:
    """`airflow-mlops serve` in a fork of this process, which has its libraries loaded."""

    def __init__(self, store: ArtifactStore, ledger_url: str, models: tuple[str, ...] = ("flights",)) -> None:
        import uvicorn

        from airflow_mlops.serving import app

        assert uvicorn  # both are loaded before the fork
        assert app
        self.port = closed_port()
        self._arguments = (self.port, ledger_url, store, models)
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = _FORK.Process(target=_serve, args=self._arguments, daemon=True)
        self._process.start()
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{self.url}/health")
                return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """End it as a power failure would."""
        os.kill(self._process.pid or 0, signal.SIGKILL)
        self._process.join()

    def answer(self, row: dict[str, Any]) -> httpx.Response:
        """Ask whoever serves, as a client does."""
        body = {"dataframe_records": [row]}
        return httpx.post(f"{self.url}/invocations", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
