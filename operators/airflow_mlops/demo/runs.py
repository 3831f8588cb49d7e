"""One run of a DAG in the demonstration: asked for or found, followed to its end, and refused where it failed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_mlops.demo.airflow_api import AirflowApi, RunState, TaskState

MODEL = "flights"


@dataclass(frozen=True)
class Chapter:
    """A DAG of the story.

    Parameters
    ----------
    dag_id : str
        What is run.
    tasks : tuple of str
        What must be in it.
    timeout_s : float
        After this many seconds a run is given up.
    """

    dag_id: str
    tasks: tuple[str, ...]
    timeout_s: float = 300.0


RETRAIN = Chapter(
    dag_id=f"{MODEL}_retrain",
    tasks=("request", "ingest", "validate", "features", "train", "evaluate", "register", "approve", "deploy"),
)
MONITOR = Chapter(dag_id=f"{MODEL}_monitor", tasks=("ingest", "validate", "decide", "drift"))


@dataclass(frozen=True)
class Told:
    """A run as far as it has come: Airflow's states, and what the finished tasks returned.

    ``links`` are the places a task's page leads to; they are read when the run has ended.
    """

    chapter: Chapter
    run: RunState
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[str, dict[str, str]] = field(default_factory=dict)


def play(
    api: AirflowApi, chapter: Chapter, now: str, watch: Callable[[Told], None], *, logs: Path, **form: Any
) -> Told:
    """Start a run by hand, follow it to its end, and expect that every task succeeded.

    Parameters
    ----------
    api : AirflowApi
        The Airflow to run it on.
    chapter : Chapter
        What to run.
    now : str
        Where it stands in event time.
    watch : callable
        Told at every look.
    logs : Path
        Airflow's folder of task logs, for the error message.
    **form
        Further fields of the DAG's form.

    Returns
    -------
    Told
        The ended run with all results and links.

    Raises
    ------
    DemoFailed
        A task did not succeed, or the run did not end in time.
    KeyboardInterrupt
        Somebody pressed Ctrl-C; a note says which run had not ended.
    """
    told = follow(api, chapter, start(api, chapter, now, **form), watch)
    expect_success(api, told, logs=logs)
    return with_links(api, told)


def start(api: AirflowApi, chapter: Chapter, now: str, **form: Any) -> str:
    """Start a run by hand; return its id."""
    api.wait_for_dag(chapter.dag_id)
    return api.trigger(chapter.dag_id, {"now": now, **form})


def follow(api: AirflowApi, chapter: Chapter, run_id: str, watch: Callable[[Told], None]) -> Told:
    """Follow a run to its end, whatever that is.

    Raises
    ------
    DemoFailed
        It did not end in time.
    KeyboardInterrupt
        Somebody pressed Ctrl-C; a note says which run had not ended.
    """
    results: dict[str, dict[str, Any]] = {}
    try:
        for run in api.follow(chapter.dag_id, run_id, timeout_s=chapter.timeout_s):
            for task in run.tasks:
                if task.state == "success" and task.task_id not in results:
                    results[task.task_id] = api.result(chapter.dag_id, run_id, task.task_id) or {}
            told = Told(chapter, run, dict(results))
            watch(told)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"Run {run_id} of {chapter.dag_id} had not ended; it goes on whenever Airflow runs.")
        raise
    return told


def with_links(api: AirflowApi, told: Told) -> Told:
    """Add the places that the pages of a run's tasks lead to."""
    run = told.run
    return replace(told, links={task.task_id: api.links(run.dag_id, run.run_id, task.task_id) for task in run.tasks})


def expect_success(api: AirflowApi, told: Told, *, logs: Path, may_skip: bool = False) -> None:
    """Raise unless every task of a run succeeded, or was skipped where that may be.

    Raises
    ------
    DemoFailed
        A task is missing or did not succeed; the sentence is what it logged last.
    """
    run = told.run
    missing = set(told.chapter.tasks) - {task.task_id for task in run.tasks}
    if missing:
        raise DemoFailed(f"{run.dag_id} has no task {', '.join(sorted(missing))}", log=logs)
    fine = {"skipped"} if may_skip else set()
    for task in sorted(run.failed(), key=_failed_itself_first):
        if task.state in fine:
            continue
        folder = logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task.task_id}"
        raise DemoFailed(
            f"task {task.task_id} of {run.dag_id} did not succeed: {reason_of(api, run, task)}", log=folder
        )


def reason_of(api: AirflowApi, run: RunState, task: TaskState) -> str:
    """Return what a task logged last as an error, or else its state."""
    said = api.error_lines(run.dag_id, run.run_id, task.task_id, task.tries)
    return said[-1] if said else f"it is {task.state}"


def _failed_itself_first(task: TaskState) -> bool:
    return task.state != "failed"
