"""Run a request of `airflow_mlops.runner` in a process of its own, which may crash, hang or eat memory without harm.

A fork of this process costs next to nothing and has every library loaded. It is taken only where this process has one
thread: a lock that another thread holds at that moment (OpenMP's, for one) would stay locked in the child for ever.
Else a fresh interpreter is started.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops import runner
from airflow_mlops.errors import ModelUnusable, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

_POLL_S = 0.005
_TAIL = 400


def run_isolated(request: Mapping[str, Any], *, timeout_s: float, fork: bool | None = None) -> dict[str, Any]:
    """Run a request in a child process and return its result.

    Parameters
    ----------
    request : mapping
        What `airflow_mlops.runner.run` takes.
    timeout_s : float
        After this long the child is killed.
    fork : bool, optional
        Default: fork where this process has one thread, else start a fresh interpreter.

    Raises
    ------
    ModelUnusable
        The child raised, crashed (the signal is named), ran out of time, or answered with an error that a retry meets
        again.
    Transient
        It answered with an error that a retry may not meet.
    """
    is_fork = has_one_thread() if fork is None else fork
    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        place = Path(folder)
        log.info("Running %s in a %s", request.get("stage"), "fork" if is_fork else "fresh interpreter")
        status = (_forked if is_fork else _fresh)(request, place, timeout_s)
        _raise_on_crash(status, place, timeout_s)
        answer = _read_answer(place / "answer")
    if answer["ok"]:
        return answer["result"]
    error = answer["error"]
    raise (Transient if error["retryable"] else ModelUnusable)(error["message"])


def has_one_thread() -> bool:
    """Tell whether this process has one thread, those of C libraries included; False where that cannot be seen."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except FileNotFoundError:
        return False


def _forked(request: Mapping[str, Any], place: Path, timeout_s: float) -> int | None:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _end_with(parent)
        _child(request, place)
    deadline, ended = time.monotonic() + timeout_s, False
    try:
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                ended = True
                return os.waitstatus_to_exitcode(status)
            time.sleep(_POLL_S)
    finally:
        # Out of time, or the task itself is being ended.
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return None


def _end_with(parent: int) -> None:
    """Ask the system to kill this process when its parent dies, so that a killed task leaves no hanging model."""
    if sys.platform != "linux":
        return
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _child(request: Mapping[str, Any], place: Path) -> None:
    """Answer into a file, and end without running anything that belongs to the parent."""
    code = 1
    try:
        noise = os.open(place / "noise", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(noise, 1)
        os.dup2(noise, 2)
        # The parent's log handlers may write to a channel that is not ours.
        logging.disable(logging.CRITICAL)
        faulthandler.disable()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        (place / "answer").write_text(json.dumps(runner.run(request)))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, a child must never return into its parent's code
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _read_answer(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError) as error:
        raise ModelUnusable(
            "the process that loaded the model ended without an answer; the model, or what it imports, ends it."
        ) from error


def _fresh(request: Mapping[str, Any], place: Path, timeout_s: float) -> int | None:
    # The folder of this package and of the user's own modules are where this process found them.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (place / "answer").open("wb") as answer, (place / "noise").open("wb") as noise:
        try:
            return subprocess.run(
                [sys.executable, "-m", runner.__name__],
                input=json.dumps(request).encode(),
                stdout=answer,
                stderr=noise,
                cwd=place,
                env=environment,
                timeout=timeout_s,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return None


def _raise_on_crash(status: int | None, place: Path, timeout_s: float) -> None:
    if status == 0:
        return
    if status is None:
        raise ModelUnusable(
            f"the model did not load and answer within {timeout_s:.0f} s, and its process was killed; look for what it "
            "waits for, or raise deploy.timeout."
        )
    if status < 0:
        name = signal.Signals(-status).name
        hint = " (out of memory, as a rule)" if name == "SIGKILL" else ""
        raise ModelUnusable(f"the process that loaded the model was ended by {name}{hint}; the model cannot serve.")
    raise ModelUnusable(
        f"the model cannot be loaded or does not predict: {_last_line(place / 'noise')}. Check that the libraries here "
        "are those it was trained with, and train again."
    )


def _last_line(path: Path) -> str:
    """Return the last line of what a child wrote to its error channel: of a traceback, the error itself."""
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return lines[-1][-_TAIL:].rstrip(".") if lines else "no message"
