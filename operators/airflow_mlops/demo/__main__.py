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

from airflow_mlops.demo import summary
from airflow_mlops.demo.processes import Processes
from airflow_mlops.demo.runs import MODEL
from airflow_mlops.demo.services import Stack
from airflow_mlops.demo.settings import USER, Settings
from airflow_mlops.demo.story import connected
from airflow_mlops.demo.view import View, stop_command
from airflow_mlops.errors import DemoFailed
from airflow_mlops.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from airflow_mlops.demo.settings import Ports

INTERRUPTED = 130
# Of these three; where they are taken, others are chosen.
PARTS = ("Airflow", "MLflow", "the model server")
PORTS: Ports = (8080, 5000, 8000)
STOPPING = "Stopping Airflow, MLflow and the model server..."
ENDS = (signal.SIGINT, signal.SIGTERM)


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
        view.failed(str(error), *getattr(error, "__notes__", ()))
        return 1
    except KeyboardInterrupt as interrupt:
        view.failed("Interrupted.", *getattr(interrupt, "__notes__", ()))
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
    with _alone(folder), _on_signals(_interrupt_once), _running_stack(folder, dags, view) as settings:
        with view.stage() as stage:
            ending = connected(settings, load_spec(dags / "specs" / f"{MODEL}.yaml"), stage).tell()
        summary.show(view, settings, ending, seconds=time.monotonic() - begun)
    return 0


def down(folder: Path, view: View) -> int:
    """Stop exactly what `up` started."""
    processes = Processes(folder)
    if processes.leaders():
        view.line(STOPPING)
    with _on_signals(signal.SIG_IGN):
        stopped = processes.stop()
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
        view.line(f"Server   {settings.server_url}/status")
    elif not leaders:
        view.line("Nothing is running; make demo starts it.")
    return 0 if is_running else 1


@contextmanager
def _running_stack(folder: Path, dags: Path, view: View) -> Iterator[Settings]:
    """Find everything running, or start it; what was started here is stopped if the caller is interrupted."""
    known = Settings.read(folder)
    was_running = known is not None and Stack(known).is_running()
    stack = Stack(known if known is not None and was_running else _settings(folder, dags, known, view))
    is_up = was_running
    try:
        if was_running:
            view.line("Airflow, MLflow and the model server are running already.")
        else:
            with view.starting("Starting Airflow, MLflow and the model server") as progress:
                stack.start(progress)
        is_up = True
        yield stack.settings
    except BaseException as error:
        if was_running or (is_up and not isinstance(error, KeyboardInterrupt)):
            _say_what_stays(error, stack)
        else:
            view.line(STOPPING)
            with _on_signals(signal.SIG_IGN):
                stack.stop()
            error.add_note("Airflow, MLflow and the model server are stopped; what was done stays done.")
        raise


def _settings(folder: Path, dags: Path, known: Settings | None, view: View) -> Settings:
    """Choose ports, and say where they are not the usual ones."""
    # What is left of a broken start, or of one whose parts died, would hold its ports.
    Processes(folder).stop()
    wanted = known.ports if known else PORTS
    chosen = known.with_free_ports(dags) if known else Settings.make(folder, dags, preferred=PORTS, models=[MODEL])
    pairs = zip(PARTS, wanted, chosen.ports, strict=True)
    moved = [f"{name} listens on {other}, for {port} is taken" for name, port, other in pairs if port != other]
    if moved:
        said = "; ".join(moved)
        view.line(f"{said[0].upper()}{said[1:]}.")
    return chosen


def _say_what_stays(error: BaseException, stack: Stack) -> None:
    alive = stack.alive()
    if alive:
        error.add_note(f"Still running: {', '.join(alive)}; {stop_command(stack.settings.folder)} stops them.")


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
def _on_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Handle Ctrl-C and a polite end otherwise for a while; what is ignored already stays ignored."""
    heard = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """Interrupt, and let no further signal interrupt the cleaning up: half of the processes would live on."""
    for one in ENDS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
