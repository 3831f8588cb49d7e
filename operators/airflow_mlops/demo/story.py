"""What the demonstration runs, and what must have happened afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from airflow_mlops.errors import DemoFailed, MLOpsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.demo.airflow_api import AirflowApi, RunState, TaskState
    from airflow_mlops.demo.settings import Settings
    from airflow_mlops.events import ModelState

MODEL = "flights"


@dataclass(frozen=True)
class Chapter:
    """One DAG run of the story.

    Parameters
    ----------
    dag_id : str
        What is run.
    now : str
        Where it stands in event time.
    title : str
        What people are told it does.
    tasks : tuple of str
        What must run in it.
    timeout_s : float
        After this many seconds it is given up.
    """

    dag_id: str
    now: str
    title: str
    tasks: tuple[str, ...]
    timeout_s: float = 300.0


RETRAIN = Chapter(
    dag_id=f"{MODEL}_retrain",
    now="2013-03-01T05:00:00+00:00",  # midnight in New York: January and February are history
    title="Train on January and February 2013, judge on the last two weeks, deploy",
    tasks=("ingest", "validate", "features", "train", "evaluate", "register", "deploy"),
)
MONITOR = Chapter(
    dag_id=f"{MODEL}_monitor",
    now="2013-07-01T04:00:00+00:00",
    title="Look at June with the eyes of the model that learned from winter",
    tasks=("ingest", "validate", "drift"),
)


@dataclass(frozen=True)
class Told:
    """A run as far as it has come: Airflow's states, and what the finished tasks returned.

    ``links`` are the places a task's page leads to; they are read when the run has ended.
    """

    chapter: Chapter
    run: RunState
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[str, dict[str, str]] = field(default_factory=dict)


def play(api: AirflowApi, chapter: Chapter, watch: Callable[[Told], None], *, logs: Path) -> Told:
    """Run a chapter and follow it to its end.

    Parameters
    ----------
    api : AirflowApi
        The Airflow to run it on.
    chapter : Chapter
        What to run.
    watch : callable
        Told at every look.
    logs : Path
        Airflow's folder of task logs, for the error message.

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
    api.wait_for_dag(chapter.dag_id)
    run_id = api.trigger(chapter.dag_id, {"now": chapter.now})
    try:
        told = _follow(api, chapter, run_id, watch)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"Run {run_id} of {chapter.dag_id} had not ended; it goes on whenever Airflow runs.")
        raise
    _refuse_failures(api, chapter, told.run, logs)
    links = {task.task_id: api.links(chapter.dag_id, run_id, task.task_id) for task in told.run.tasks}
    return replace(told, links=links)


def _follow(api: AirflowApi, chapter: Chapter, run_id: str, watch: Callable[[Told], None]) -> Told:
    results: dict[str, dict[str, Any]] = {}
    for run in api.follow(chapter.dag_id, run_id, timeout_s=chapter.timeout_s):
        for task in run.tasks:
            if task.state == "success" and task.task_id not in results:
                results[task.task_id] = api.result(chapter.dag_id, run_id, task.task_id) or {}
        told = Told(chapter, run, dict(results))
        watch(told)
    return told


def _refuse_failures(api: AirflowApi, chapter: Chapter, run: RunState, logs: Path) -> None:
    missing = set(chapter.tasks) - {task.task_id for task in run.tasks}
    if missing:
        raise DemoFailed(f"{chapter.dag_id} has no task {', '.join(sorted(missing))}", log=logs)
    for task in sorted(run.failed(), key=_failed_itself_first):
        said = api.error_lines(run.dag_id, run.run_id, task.task_id, task.tries)
        reason = said[-1] if said else f"it is {task.state}"
        folder = logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task.task_id}"
        raise DemoFailed(f"task {task.task_id} of {run.dag_id} did not succeed: {reason}", log=folder)


def _failed_itself_first(task: TaskState) -> bool:
    return task.state != "failed"


@dataclass(frozen=True)
class Facts:
    """What ledger and MLflow hold when the story is told.

    Parameters
    ----------
    snapshot : str
        Id of the training rows.
    version : str
        The champion, in the ledger and in MLflow.
    promotions : int
        How often the champion moved.
    mlflow_versions : int
        How many versions MLflow has.
    drift : str
        Verdict on June.
    """

    snapshot: str
    version: str
    promotions: int
    mlflow_versions: int
    drift: str


def facts_of(settings: Settings, retrain: Told, monitor: Told) -> Facts:
    """Check that ledger, MLflow and the tasks' results tell the same story, and return it.

    Raises
    ------
    DemoFailed
        They do not.
    """
    from airflow_mlops.ledger import Ledger

    ledger = Ledger(f"sqlite:///{settings.artifacts / 'ledger.db'}")
    try:
        ledger.verify(MODEL)
        state = ledger.state(MODEL)
        promotions = len(ledger.events(MODEL, kind="promotion"))
    except MLOpsError as error:
        raise DemoFailed(f"the ledger cannot be read: {error}") from error
    version = _one_champion(settings, state, str(retrain.results["deploy"]["version"]))
    drift = monitor.results["drift"]["verdict"]
    if "drift" not in state.last or drift not in {"stable", "drifted"}:
        raise DemoFailed(f"the ledger has no drift verdict on June; the task returned {drift!r}")
    return Facts(retrain.results["ingest"]["id"], version, promotions, len(_mlflow_versions(settings)), drift)


def _one_champion(settings: Settings, state: ModelState, deployed: str) -> str:
    champions = [version.version for version in state.versions.values() if version.role == "champion"]
    aliased = _mlflow(settings, "registered-models/alias", name=MODEL, alias="champion").get("model_version", {})
    found = {"the deploy task": [deployed], "the ledger": champions, "MLflow": [str(aliased.get("version"))]}
    if any(versions != [deployed] for versions in found.values()):
        said = "; ".join(f"{who} says {', '.join(versions) or 'none'}" for who, versions in found.items())
        raise DemoFailed(f"there is not one champion: {said}", log=Path(settings.folder, "logs"))
    return deployed


def _mlflow_versions(settings: Settings) -> list[dict[str, Any]]:
    return _mlflow(settings, "model-versions/search", filter=f"name='{MODEL}'").get("model_versions", [])


def _mlflow(settings: Settings, path: str, **params: str) -> dict[str, Any]:
    url = f"{settings.mlflow_url}/api/2.0/mlflow/{path}"
    try:
        answer = httpx.get(url, params=params, timeout=30, trust_env=False)
    except httpx.TransportError as error:
        raise DemoFailed(f"MLflow at {settings.mlflow_url} did not answer: {error}") from error
    return answer.json() if answer.is_success else {}


def compare_with_first(settings: Settings, facts: Facts) -> Facts | None:
    """Keep the facts of the first telling; at a later one check that nothing was made twice.

    Returns
    -------
    Facts or None
        Those of the first telling; None when this is it.

    Raises
    ------
    DemoFailed
        The same rows gave another snapshot or version, or were promoted again.
    """
    file = Path(settings.folder, "facts.json")
    if not file.exists():
        file.write_text(json.dumps(asdict(facts), indent=2))
        return None
    first = Facts(**json.loads(file.read_text()))
    changed = [name for name, value in asdict(first).items() if asdict(facts)[name] != value]
    if changed:
        said = "; ".join(f"{name} was {getattr(first, name)} and is {getattr(facts, name)}" for name in changed)
        raise DemoFailed(f"the same rows gave something else the second time: {said}")
    return first
