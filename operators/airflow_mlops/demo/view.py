"""What people see: one table a run that fills as it goes, or plain lines where there is no terminal."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from airflow_mlops.demo.sentences import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from airflow_mlops.demo.airflow_api import TaskState
    from airflow_mlops.demo.settings import Settings
    from airflow_mlops.demo.story import Chapter, Facts, Told

_MARKS = {"success": "[green]✓[/]", "failed": "[red]✗[/]", "upstream_failed": "[red]✗[/]", "skipped": "[yellow]-[/]"}


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
    def chapter(self, chapter: Chapter) -> Iterator[Callable[[Told], None]]:
        """Show one run; yields the function that is told at every look."""
        self.console.print(f"\n[bold]{chapter.dag_id}[/]  {chapter.title}", soft_wrap=True)
        if not self.is_live:
            yield _Lines(self.line)
            return
        with Live(console=self.console, refresh_per_second=8) as live:
            yield lambda told: live.update(_table(told))

    def line(self, text: str) -> None:
        """Print one line as it is."""
        self.console.print(text, markup=False, soft_wrap=True)

    def failed(self, text: str, *notes: str) -> None:
        """Say in one sentence what did not happen, and below it what is true nevertheless."""
        self.console.print(Text(text, style="bold red"), soft_wrap=True)
        for note in notes:
            self.line(note)

    def ended(self, settings: Settings, told: list[Told], facts: Facts, first: Facts | None, seconds: float) -> None:
        """Show what is true now and where to look."""
        self.console.print()
        self.console.print(Panel(Group(*_verdicts(facts, first, seconds)), title="What is true now", expand=False))
        self.line("Log in to Airflow first, with the user and password below: its links open only then.")
        for name, value in _places(settings, told):
            self.console.print(Text(f"  {name:<30}", style="bold") + Text(value), soft_wrap=True)
        self.line(f"\nAirflow and MLflow keep running. {stop_command(settings.folder)} stops them.")


def stop_command(folder: str | Path) -> str:
    """Return what one types to stop the demonstration in a folder."""
    if Path(folder) == Path(".demo").absolute():
        return "make demo-down"
    return f"python -m airflow_mlops.demo down --folder {folder}"


class _Lines:
    """One line for each task that ends."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._told: set[str] = set()

    def __call__(self, told: Told) -> None:
        for task in told.run.tasks:
            if task.state in _MARKS and task.task_id not in self._told:
                self._told.add(task.task_id)
                took = f"{task.seconds:6.1f} s" if task.seconds is not None else " " * 8
                said = sentence(task.task_id, told.results.get(task.task_id, {}))
                self._line(f"  {task.state:<8} {task.task_id:<9} {took}  {said}")


def _table(told: Told) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(width=2)
    table.add_column(style="bold", min_width=9)
    table.add_column(justify="right", min_width=8)
    table.add_column(overflow="fold")
    states = {task.task_id: task for task in told.run.tasks}
    for name in told.chapter.tasks:
        task = states.get(name)
        table.add_row(_mark(task), name, _seconds(task), sentence(name, told.results.get(name, {})))
    took = f"{told.run.seconds:.1f} s" if told.run.seconds is not None else "running"
    table.add_row("", "in all", took, "")
    return table


def _mark(task: TaskState | None) -> Any:
    state = task.state if task else None
    if state == "running":
        return Spinner("dots", style="cyan")
    return Text.from_markup(_MARKS.get(state or "", "[dim]·[/]"))


def _seconds(task: TaskState | None) -> str:
    if task is None or task.start is None:
        return ""
    return f"{((task.end or _now(task.start)) - task.start).total_seconds():.1f} s"


def _now(like: datetime) -> datetime:
    return like.now(like.tzinfo)


def _verdicts(facts: Facts, first: Facts | None, seconds: float) -> list[str]:
    moved = "once" if facts.promotions == 1 else f"{facts.promotions} times"
    said = [
        f"Version [bold]{facts.version}[/] is the champion, in the ledger and in MLflow; it was promoted {moved}.",
        f"June is [bold]{facts.drift}[/] against the rows the champion was trained on.",
    ]
    if first is not None:
        said.append(
            f"[green]Nothing was made twice[/]: the same rows gave the same snapshot ({facts.snapshot}), "
            f"the same version ({facts.version}) and no second promotion."
        )
    return [*said, f"All of it took {seconds:.0f} s."]


def _places(settings: Settings, told: list[Told]) -> Iterator[tuple[str, str]]:
    yield "Airflow", f"{settings.airflow_url}  (user admin, password {settings.password})"
    yield "MLflow", settings.mlflow_url
    for one in told:
        yield one.chapter.dag_id, f"{settings.airflow_url}/dags/{one.chapter.dag_id}/runs/{one.run.run_id}"
        for task_id, result in one.results.items():
            links = one.links.get(task_id) or {}
            for name, url in links.items() or _file(result):
                yield f"  {task_id}: {name}", url
    yield "Files and ledger", str(settings.artifacts)


def _file(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [("report", result["html_uri"])] if result.get("html_uri") else []
