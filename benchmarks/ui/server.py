"""A real API server of Airflow with the plugin, in a process of its own, and a client of it."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

API = "/mlops/api/v1"
ROOT = Path(__file__).parents[2]
# Airflow's imports and its database take most of it.
STARTS_S = 180
# What a part of the page is asked for where its address has more than the model's name.
PARTS: dict[str, str] = {"version": "1", "column": "carrier", "seq": "5"}


class ApiServer:
    """An API server in a folder where `world` has put an Airflow; on with ``with``.

    Parameters
    ----------
    folder : Path
        ``AIRFLOW_HOME``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._token = ""

    def __enter__(self) -> Self:
        """Start it, and log in."""
        own = {
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API_AUTH__JWT_SECRET": "benchmark" * 8,
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "operators"), str(ROOT)]),
        }
        address = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        self._log = (self._folder / "api_server.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server", *address],
            env=os.environ | own,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._log_in()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(60)
        self._log.close()

    def ask(self, address: str) -> tuple[float, int, int]:
        """Ask for an address; return seconds, status and bytes of the answer."""
        started = time.perf_counter()
        status, body = self._send("GET", address)
        return time.perf_counter() - started, status, len(body)

    def cpu_s(self) -> float:
        """Return the CPU time that the server has used so far, which does not count what else the machine does."""
        spent = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")

    def parts(self) -> list[str]:
        """List what a model's page asks for, as the application describes itself, each with the query it needs."""
        paths: dict[str, Any] = json.loads(self._send("GET", f"{API}/openapi.json")[1])["paths"]
        of_model = [path for path, ways in paths.items() if "/models/{name}" in path and "get" in ways]
        return [_filled(path, paths[path]["get"]) for path in of_model]

    def _log_in(self) -> None:
        for _ in range(STARTS_S):
            try:
                status, body = self._send("GET", "/auth/token")
            except OSError:
                status, body = 0, b""
            if status in (200, 201):
                self._token = json.loads(body)["access_token"]
                return
            if self._process.poll() is not None:
                break
            time.sleep(1)
        words = (self._folder / "api_server.log").read_text()[-2000:]
        raise SystemExit(f"the API server did not start; its last words: {words}")

    def _send(self, method: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, path, headers={"Authorization": f"Bearer {self._token}"} if self._token else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _filled(path: str, route: dict[str, Any]) -> str:
    own = path.split("{name}", 1)[1]
    filled = re.sub(r"\{(\w+)\}", lambda match: PARTS.get(match[1], "1"), own)
    needed = [each["name"] for each in route.get("parameters", ()) if each["in"] == "query" and each.get("required")]
    query = "&".join(f"{name}={PARTS.get(name, '1')}" for name in needed)
    return f"{filled}?{query}" if query else filled
