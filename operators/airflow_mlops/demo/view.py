"""What people see: lines that stay, and below them, in a terminal, a bar of weeks and a chart that move."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from airflow_mlops.demo.chart import Bar, chart
from airflow_mlops.demo.sentences import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_mlops.demo.records import Week
    from airflow_mlops.demo.runs import Told

QUALITY = "log loss of the answers, week by week (lower is better)"
_ENDED = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "red",
    "skipped": "yellow",
}


class View:
    """Show the demonstration.

    Parameters
    ----------
    console : Console, optional
        Where to; default standard output.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        # A log of a build is read later, line by line: nothing there may move.
        self.is_live = self.console.is_terminal and not os.environ.get("CI")

    @contextmanager
    def starting(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show what is waited for; yields the function that is told."""
        if not self.is_live:
            yield lambda text: self.line(f"{title}: {text}")
            return
        with self.console.status(title) as status:
            yield lambda text: status.update(f"{title}: {text}")

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        """Show the story; what is said stays, and what moves goes away at the end."""
        stage = Stage(self)
        if not self.is_live:
            yield stage
            return
        with Live(stage, console=self.console, refresh_per_second=8, transient=True):
            yield stage

    def line(self, text: str) -> None:
        """Print one line as it is."""
        self.console.print(text, markup=False, soft_wrap=True)

    def failed(self, text: str, *notes: str) -> None:
        """Say in one sentence what did not happen, and below it what is true nevertheless."""
        self.console.print(Text(text, style="bold red"), soft_wrap=True)
        for note in notes:
            self.line(note)


class Stage:
    """Where the story is told.

    Parameters
    ----------
    view : View
        Where its lines go.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._weeks: list[Week] = []
        self._progress = Progress(
            SpinnerColumn(), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
        )
        self._bar = self._progress.add_task("", total=None)

    def __rich__(self) -> Group:
        """Give what moves, as it is now."""
        return Group(Text("\n".join(drawn(self._weeks))), self._progress)

    def act(self, title: str, text: str) -> None:
        """Begin an act with its sentence."""
        self._view.console.print(Text(f"\n{title}", style="bold"))
        self._view.console.print(text, markup=False, soft_wrap=not self._view.is_live)

    def say(self, text: str) -> None:
        """Say something that stays."""
        self._view.line(text)

    def doing(self, text: str) -> None:
        """Say what is waited for; a plain log leaves it out."""
        self._progress.update(self._bar, description=text)

    def expect(self, weeks: int) -> None:
        """Say how many weeks will be told."""
        self._progress.update(self._bar, total=weeks)

    def advance(self) -> None:
        """Count a week as told."""
        self._progress.advance(self._bar)

    def bars(self, weeks: Sequence[Week]) -> None:
        """Show the quality of all weeks so far."""
        self._weeks = list(weeks)

    def watch(self, *, quiet: bool = False) -> Callable[[Told], None]:
        """Return the function that is told at every look at a run; a quiet one leaves no lines."""
        told_already: set[str] = set()

        def look(told: Told) -> None:
            running = [task.task_id for task in told.run.tasks if task.state == "running"]
            self.doing(f"{told.run.dag_id}: {', '.join(running) or told.run.state}")
            for task in [] if quiet else told.run.tasks:
                if task.state in _ENDED and task.task_id not in told_already:
                    told_already.add(task.task_id)
                    took = f"{task.seconds:6.1f} s" if task.seconds is not None else " " * 8
                    said = sentence(task.task_id, told.results.get(task.task_id, {}))
                    mark = Text(f"  {task.state:<8}", style=_ENDED[task.state])
                    self._view.console.print(mark + Text(f" {task.task_id:<9} {took}  {said}"), soft_wrap=True)

        return look


def drawn(weeks: Sequence[Week]) -> list[str]:
    """Draw the quality of weeks; of a week that was looked at twice, both looks."""
    return chart([Bar(week.loss, week.version, week.is_blocked) for week in weeks], title=QUALITY)


def stop_command(folder: str | Path) -> str:
    """Return what one types to stop the demonstration in a folder."""
    if Path(folder) == Path(".demo").absolute():
        return "make demo-down"
    return f"python -m airflow_mlops.demo down --folder {folder}"
