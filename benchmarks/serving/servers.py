"""Both servers as processes of this machine, started as their documentation says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 180


class NotServed(RuntimeError):
    """A server did not start or did not do the whole work, so its figures mean nothing."""


@dataclass(frozen=True)
class Server:
    """A running server: its name in the results, and where it listens."""

    name: str
    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def served(name: str, folder: Path, trained: dict[str, Any], environ: dict[str, str]) -> Iterator[Server]:
    """Run one of the two servers until the block ends."""
    port = _free_port()
    command, ready = {"ours": (_ours, "/ready"), "mlflow": (_mlflow, "/ping")}[name]
    said = folder / f"{name}.log"
    argv = [sys.executable, "-m", *command(folder, trained, port)]
    with said.open("wb") as log:
        process = subprocess.Popen(argv, cwd=folder, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(process, f"http://127.0.0.1:{port}{ready}", name, said)
        yield Server(name, port, process)
    finally:
        _stop(process)


def _ours(folder: Path, trained: dict[str, Any], port: int) -> list[str]:
    artifacts = str(folder / "artifacts")
    return ["airflow_mlops.cli", "serve", trained["name"], "--port", str(port), "--artifacts-uri", artifacts]


def _mlflow(_folder: Path, trained: dict[str, Any], port: int) -> list[str]:
    uri = f"models:/{trained['registered']}/{trained['version']}"
    return ["mlflow", "models", "serve", "--model-uri", uri, "--env-manager", "local", "--port", str(port)]


def ask(server: Server, body: bytes) -> bytes:
    """Return the body of an answer to one request."""
    url = f"http://127.0.0.1:{server.port}/invocations"
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise NotServed(f"{server.name} answered {error.code}: {error.read()[:500].decode()}") from error


def cpu_seconds(server: Server) -> float:
    """Return the processor time of the server's processes so far: what it needs, however busy the machine is."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name, which may hold anything: state, parent, group; user and system time are the 12th and 13th.
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == server.process.pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _wait(process: subprocess.Popen[bytes], url: str, name: str, said: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotServed(f"{name} ended with {process.returncode}: {said.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise NotServed(f"{name} was not ready after {START_S} s: {said.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server as an operator would; MLflow's runs in a process of its own below the one started here."""
    group = process.pid
    for signal_number, patience_s in ((15, 20), (9, 5)):
        try:
            os.killpg(group, signal_number)
            process.wait(patience_s)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
