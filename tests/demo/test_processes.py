from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from airflow_mlops.demo.processes import Processes, wait_until

# A parent that starts a child, says which, and then sleeps, dies, or ignores a polite end.
PARENT = """
import pathlib, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
if sys.argv[2] == "dies":
    sys.exit()
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pathlib.Path(sys.argv[1] + ".deaf").touch()
time.sleep(60)
"""


@pytest.fixture
def processes(tmp_path):
    started = Processes(tmp_path)
    yield started
    started.stop(grace_s=1)


def start(processes, kind: str) -> int:
    """Start a parent; return its child's number."""
    said = processes.folder / "child"
    processes.start("parent", [sys.executable, "-c", PARENT, str(said), kind], os.environ)
    assert wait_until(lambda: said.exists() and bool(said.read_text()), timeout_s=20, every_s=0.05)
    return int(said.read_text())


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_stop_ends_a_process_and_its_children(processes):
    child = start(processes, "sleeps")

    assert processes.stop() == ["parent"]
    assert not is_running(child)
    assert processes.leaders() == []


def test_stop_finds_the_child_of_a_parent_that_died(processes):
    child = start(processes, "dies")
    (leader,) = processes.leaders()
    assert wait_until(lambda: not leader.is_alive(), timeout_s=20)
    assert is_running(child)

    assert processes.stop() == []
    assert not is_running(child)


def test_stop_ends_what_does_not_listen(processes):
    start(processes, "deaf")
    assert wait_until((processes.folder / "child.deaf").exists, timeout_s=20, every_s=0.05)
    (leader,) = processes.leaders()

    processes.stop(grace_s=0.5)

    assert not leader.is_alive()


def test_stop_leaves_a_process_that_got_the_number_of_one_of_ours_later(processes):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    record = [{"name": "ours", "pid": other.pid, "created": time.time() - 3600}]
    (processes.folder / "processes.json").write_text(json.dumps(record))
    try:
        assert processes.stop() == []
        assert is_running(other.pid)
    finally:
        other.kill()
        other.wait()


def test_output_goes_to_a_log_of_its_own(processes):
    processes.start("talker", [sys.executable, "-c", "print('hello')"], os.environ)

    assert wait_until(lambda: processes.log("talker").read_text() == "hello\n", timeout_s=20)
