"""Start processes that outlive this one, and later stop exactly those, with everything they started.

Each process is the leader of a session of its own. A session's number is not given to another process while any member
lives, so the members found under a recorded number are ours, even where a parent died and left its children behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

# A process's start time is known to a hundredth of a second, and its record goes through JSON.
_SAME_START_S = 0.05


@dataclass(frozen=True, slots=True)
class Leader:
    """A process that was started, by number and start time."""

    name: str
    pid: int
    created: float

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def members(self) -> list[psutil.Process]:
        """Find every living process of its session, and their children in other sessions."""
        if self.created < psutil.boot_time() or self._number_was_given_again():
            return []
        own = [process for process in psutil.process_iter() if _session(process) == self.pid]
        return list(dict.fromkeys([*own, *(child for process in own for child in _children(process))]))

    def _number_was_given_again(self) -> bool:
        try:
            return abs(psutil.Process(self.pid).create_time() - self.created) >= _SAME_START_S
        except psutil.NoSuchProcess:
            return False


class Processes:
    """The processes recorded in one folder.

    Parameters
    ----------
    folder : Path
        Holds ``processes.json``, and ``logs/`` with one file a process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._record = folder / "processes.json"

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Leader:
        """Start a process in a session of its own; its output goes to its log."""
        log = self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            leader = Leader(name, process.pid, psutil.Process(process.pid).create_time())
            self._write([*(other for other in self.leaders() if other.name != name), leader])
        except BaseException:
            # Nobody would ever stop a process that is not in the record.
            process.kill()
            raise
        return leader

    def log(self, name: str) -> Path:
        """Return where a process's output goes."""
        return self.folder / "logs" / f"{name}.log"

    def leaders(self) -> list[Leader]:
        """Return what was started and not stopped since; some may have died."""
        if not self._record.exists():
            return []
        return [Leader(**entry) for entry in json.loads(self._record.read_text())]

    def stop(self, *, grace_s: float = 15.0) -> list[str]:
        """End everything that was started here, politely first; return the names that were still running."""
        leaders = self.leaders()
        alive = [leader.name for leader in leaders if leader.is_alive()]
        members = _members(leaders)
        # Leaders get the signal first and end their own children in order; only what is left then gets it too.
        first = [member for member in members if member.pid in {leader.pid for leader in leaders}]
        _end(first, "terminate", grace_s)
        _end({*members, *_members(leaders)}, "terminate", 3)
        _end({*members, *_members(leaders)}, "kill", 5)
        self._record.unlink(missing_ok=True)
        return alive

    def _write(self, leaders: list[Leader]) -> None:
        beside = self._record.with_suffix(".tmp")
        beside.write_text(json.dumps([asdict(leader) for leader in leaders], indent=2))
        beside.replace(self._record)


def run(argv: Sequence[str], env: Mapping[str, str], log: Path, *, timeout_s: float = 300) -> int:
    """Run a command to its end with its output in a log; return its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.run(
            argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=timeout_s
        ).returncode


def last_lines(log: Path, count: int = 5) -> str:
    """Return the end of a log, for an error message."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def wait_until(condition: Callable[[], bool], *, timeout_s: float, every_s: float = 0.3) -> bool:
    """Call ``condition`` until it is true or the time is over."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(every_s)
    return False


def _members(leaders: list[Leader]) -> list[psutil.Process]:
    return [member for leader in leaders for member in leader.members()]


def _end(processes: Iterable[psutil.Process], verb: str, timeout_s: float) -> None:
    """Signal those that still run, and wait for them."""
    alive = [process for process in processes if process.is_running()]
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            getattr(process, verb)()
    psutil.wait_procs(alive, timeout=timeout_s)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None
