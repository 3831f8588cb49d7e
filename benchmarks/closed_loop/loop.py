"""The loop on a real Airflow: the monitor is asked, and nothing else is done by hand until the new version answers."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.demo.processes import wait_until
from airflow_mlops.demo.runs import Chapter, follow, start
from airflow_mlops.ledger import Ledger
from benchmarks.closed_loop.models import BAD_WEEK, CHAMPION, GOOD_WEEK, ask_two_weeks, measured_spec

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.demo.airflow_api import AirflowApi, RunState
    from airflow_mlops.demo.settings import Settings
    from airflow_mlops.demo.traffic import ServerClient

# On the way to the new version; the monitor's drift page is drawn beside it.
MONITORED = ("ingest", "validate", "decide")
EPOCH = 2
BELL_TIMEOUT_S, ANSWER_TIMEOUT_S = 60.0, 300.0
# How often the server is asked whether the new version answers.
ASK_EVERY_S = 0.02


class NoNewVersion(AssertionError):
    """The loop did not end with another version, so its time means nothing."""


@dataclass(frozen=True)
class Loop:
    """A stack and the clients to it."""

    settings: Settings
    api: AirflowApi
    server: ServerClient

    def prepare(self, name: str) -> None:
        """Bring a model to where its next look asks for a training; this is not measured."""
        self._run(Chapter(f"{name}_retrain", ()), CHAMPION)
        ask_two_weeks(self.server, name)
        self._run(Chapter(f"{name}_monitor", ()), GOOD_WEEK)

    def measure(self, name: str) -> dict[str, Any]:
        """Ask the monitor to look, and wait until the server answers with another version.

        Raises
        ------
        NoNewVersion
            The policy asked for nothing, or the challenger was refused.
        """
        watch = Watch(self.server, name)
        watch.start()
        asked = time.time()
        monitor = self._run(Chapter(f"{name}_monitor", ()), BAD_WEEK)
        dag_id = f"{name}_retrain"
        if not wait_until(lambda: len(self.api.run_ids(dag_id)) > 1, timeout_s=BELL_TIMEOUT_S, every_s=1):
            raise NoNewVersion(f"{name}: the monitor asked for no training")
        retrain = self._follow(Chapter(dag_id, ()), self.api.run_ids(dag_id)[0])
        watch.join(ANSWER_TIMEOUT_S if retrain.state == "success" else 0)
        if watch.answered is None:
            raise NoNewVersion(f"{name}: the training ended {retrain.state}, and no other version answers")
        return split(asked, monitor, retrain, promoted=self._promoted(name), answered=watch.answered)

    def _run(self, chapter: Chapter, now: datetime) -> RunState:
        return self._follow(chapter, start(self.api, chapter, now.isoformat()))

    def _follow(self, chapter: Chapter, run_id: str) -> RunState:
        run = follow(self.api, chapter, run_id, lambda _: None).run
        if run.failed() and run.state != "success":
            task = run.failed()[0]
            said = self.api.error_lines(run.dag_id, run.run_id, task.task_id, task.tries)
            raise NoNewVersion(f"{run.dag_id}: {task.task_id} is {task.state}: {said[-1:]}")
        return run

    def _promoted(self, name: str) -> float:
        return Ledger(self.settings.ledger_url).events(name, kind="promotion")[-1].recorded_at.timestamp()


class Watch(threading.Thread):
    """Ask for one flight again and again, until another version answers; ``answered`` is when it did."""

    def __init__(self, server: ServerClient, name: str) -> None:
        super().__init__(daemon=True)
        spec = measured_spec(name)
        self._server, self._name, self._columns = server, name, spec.features.columns
        self._row = read_flights(CHAMPION, GOOD_WEEK).slice(0, 1)
        self.answered: float | None = None

    def run(self) -> None:
        """Ask until it happens."""
        while self.answered is None:
            answers = self._server.ask(self._name, self._row, columns=self._columns)
            if {epoch for _, epoch in answers.served_by} == {EPOCH}:
                self.answered = time.time()
            time.sleep(ASK_EVERY_S)


def split(asked: float, monitor: RunState, retrain: RunState, *, promoted: float, answered: float) -> dict[str, Any]:
    """Split the time from the request to the first new answer into parts that add up to it.

    Parameters
    ----------
    asked : float
        When the monitor was asked, by the clock.
    monitor, retrain : RunState
        Both runs, ended.
    promoted, answered : float
        When the ledger recorded the promotion, and when the first new answer came.
    """
    looked = [task for task in monitor.tasks if task.task_id in MONITORED]
    tasks = [*looked, *retrain.tasks]
    parts = {"asked to first task queued": _at(looked[0].queued) - asked}
    for before, task in zip([None, *tasks], tasks, strict=False):
        dag = "monitor" if task in looked else "retrain"
        if before is not None:
            gap = "monitor to retrain" if task is retrain.tasks[0] else "gaps between tasks"
            parts[gap] = parts.get(gap, 0.0) + _at(task.queued) - _at(before.end)
        parts["start of tasks"] = parts.get("start of tasks", 0.0) + _at(task.start) - _at(task.queued)
        if task.task_id == "deploy":
            parts["retrain: deploy, to the promotion"] = promoted - _at(task.start)
            parts["server swap"] = answered - promoted
        else:
            parts[f"{dag}: {task.task_id}"] = _at(task.end) - _at(task.start)
    return {"seconds": answered - asked, "parts": parts}


def _at(moment: datetime | None) -> float:
    if moment is None:
        raise NoNewVersion("a task on the way has no times")
    return moment.timestamp()
