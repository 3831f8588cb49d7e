"""``python -m airflow_mlops.demo up|down|status``: the life of a model on this machine, before your eyes."""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.demo.airflow_api import AirflowApi
from airflow_mlops.demo.processes import Processes
from airflow_mlops.demo.services import Stack
from airflow_mlops.demo.settings import USER, Settings
from airflow_mlops.demo.story import MONITOR, RETRAIN, compare_with_first, facts_of, play
from airflow_mlops.demo.view import View
from airflow_mlops.errors import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_mlops.demo.story import Chapter, Told

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do what it says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m airflow_mlops.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="all state; default .demo")
    parser.add_argument("--dags", type=Path, default=Path("dags"), help="Airflow's dags folder; default dags")
    chosen = parser.parse_args(arguments)
    folder, view = chosen.folder.absolute(), View()
    try:
        if chosen.command == "up":
            return up(folder, chosen.dags.absolute(), view)
        return down(folder, view) if chosen.command == "down" else status(folder, view)
    except DemoFailed as error:
        view.failed(str(error))
        return 1
    except KeyboardInterrupt:
        view.failed("Interrupted. What this call had started is stopped; what was done stays done.")
        return INTERRUPTED


def up(folder: Path, dags: Path, view: View) -> int:
    """Start everything that is not running, and tell the story.

    Raises
    ------
    DemoFailed
        Something did not start or did not happen.
    """
    begun = time.monotonic()
    if not dags.is_dir():
        raise DemoFailed(f"there is no folder {dags}; run this at the root of the project, or give --dags")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder), _terminated_like_interrupted(), _running_stack(folder, dags, view) as settings:
        told = [_play(settings, chapter, view) for chapter in (RETRAIN, MONITOR)]
        facts = facts_of(settings, *told)
        first = compare_with_first(settings, facts)
        view.ended(settings, told, facts, first, time.monotonic() - begun)
    return 0


def _play(settings: Settings, chapter: Chapter, view: View) -> Told:
    api = AirflowApi(settings.airflow_url, username=USER, password=settings.password)
    with view.chapter(chapter) as watch:
        return play(api, chapter, watch, logs=Path(settings.folder, "airflow", "logs"))


def down(folder: Path, view: View) -> int:
    """Stop exactly what `up` started."""
    stopped = Processes(folder).stop()
    view.line(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")
    if stopped:
        view.line(f"What they made is still in {folder}; remove that folder to begin anew.")
    return 0


def status(folder: Path, view: View) -> int:
    """Say what runs; the exit code is 0 when all of it does, else 1."""
    settings, leaders = Settings.read(folder), Processes(folder).leaders()
    for leader in leaders:
        view.line(f"{leader.name:<14} {'runs' if leader.is_alive() else 'has ended'}, process {leader.pid}")
    is_running = settings is not None and Stack(settings).is_running()
    if settings is not None and is_running:
        view.line(f"Airflow  {settings.airflow_url}  (user {USER}, password {settings.password})")
        view.line(f"MLflow   {settings.mlflow_url}")
    elif not leaders:
        view.line("Nothing is running; make demo starts it.")
    return 0 if is_running else 1


@contextmanager
def _running_stack(folder: Path, dags: Path, view: View) -> Iterator[Settings]:
    """Find everything running, or start it; what was started here is stopped if the caller is interrupted."""
    known = Settings.read(folder)
    if known is not None and Stack(known).is_running():
        view.line("Airflow and MLflow are running already.")
        yield known
        return
    # What is left of a broken start, or of one whose parts died, would hold its ports.
    Processes(folder).stop()
    stack = Stack(Settings.make(folder, dags) if known is None else known.with_free_ports(dags))
    try:
        with view.starting("Starting Airflow and MLflow") as progress:
            stack.start(progress)
    except BaseException:
        stack.stop()
        raise
    try:
        yield stack.settings
    except KeyboardInterrupt:
        stack.stop()
        raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one call at a time work in a folder."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoFailed(f"another demonstration is at work in {folder}; wait for it, or stop it") from error
        yield


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let a polite end clean up as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
