"""The same work in one warm process without a scheduler: operators called one after the other, their stages timed.

``python -m benchmarks.closed_loop.one_process NAME...`` runs in the environment of a stack, on its services.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections import defaultdict
from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow_mlops.demo.traffic import ServerClient
from benchmarks.closed_loop.models import BAD_WEEK, CHAMPION, GOOD_WEEK, ask_two_weeks, measured_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_mlops.operators.base import StageOperator

LOOK_EVERY_S = 0.1
# What is computed, whatever runs it: rows are read, checked, compared, learned from, judged, answered.
COMPUTATION = (
    ("airflow_mlops.hooks.source", "SourceHook.read"),
    ("airflow_mlops.stages.ingest", "ingest"),
    ("airflow_mlops.stages.validate", "validate"),
    ("airflow_mlops.stages.validate.validate", "facts_of"),
    ("airflow_mlops.lifecycle.comparison", "Comparison.measure"),
    ("airflow_mlops.lifecycle.served", "Served.quality"),
    ("airflow_mlops.stages.training_set", "assemble"),
    ("airflow_mlops.stages.features", "build_features"),
    ("airflow_mlops.stages.train", "train"),
    ("airflow_mlops.stages.golden", "answers"),
    ("airflow_mlops.stages.evaluate.evaluation", "evaluate"),
)
REPORTS = (
    ("airflow_mlops.stages.validate.data_docs", "render_docs"),
    ("airflow_mlops.stages.decide.page", "render"),
    ("airflow_mlops.stages.evaluate.page", "render"),
    ("airflow_mlops.stages.evaluate.plots", "draw"),
)


class Stopwatch:
    """Seconds by kind; of calls within calls only the outer one counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._is_inside = False

    def watch(self, module: str, name: str, kind: str) -> None:
        """Time every call of a function, or of a method, from now on."""
        owner: Any = importlib.import_module(module)
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, last, self._timed(getattr(owner, last), kind))

    def _timed(self, function: Callable[..., Any], kind: str) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._is_inside:
                return function(*args, **kwargs)
            self._is_inside, begun = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._is_inside = False
                self.seconds[kind] += time.perf_counter() - begun

        return timed


class Pushed:
    """What tasks push for later ones, the newest under each key."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.values[key] = value


class Work:
    """One model's loop, step by step."""

    def __init__(self, name: str) -> None:
        self.spec = measured_spec(name)
        self.steps: dict[str, float] = {}
        self.pushed = Pushed()

    def look(self, now: datetime) -> str:
        """Do what the monitor DAG does, its drift page apart; return the decision."""
        window = f"{(self.spec.monitor_window + self.spec.data.label_delay).days}d"
        rows = self._do("ingest", now, "monitor", window=window)
        self._do("validate", now, "monitor", snapshot=rows)
        judgement = self.pushed.values["judgement"]
        return self._do("decide", now, "monitor", snapshot=rows, judgement=judgement)["action"]

    def retrain(self, now: datetime) -> None:
        """Do what the retrain DAG does."""
        rows = self._do("ingest", now, "retrain")
        self._do("validate", now, "retrain", snapshot=rows)
        features = self._do("features", now, "retrain", snapshots=[rows])
        model = self._do("train", now, "retrain", features=features)
        verdict = self._do("evaluate", now, "retrain", model=model)
        version = self._do("register", now, "retrain", model=model, evaluation=verdict)
        self._do("deploy", now, "retrain", model=version, evaluation=verdict)

    def _do(self, stage: str, now: datetime, dag: str, **inputs: Any) -> dict[str, Any]:
        module = importlib.import_module(f"airflow_mlops.operators.{stage}")
        operator = getattr(module, f"{stage.capitalize()}Operator")
        begun = time.perf_counter()
        done = _execute(operator(task_id=stage, spec=self.spec, now=now.isoformat(), **inputs), self.pushed)
        self.steps[f"{dag}: {stage}"] = time.perf_counter() - begun
        return done


def _execute(operator: StageOperator, pushed: Pushed) -> dict[str, Any]:
    """Run an operator; where it would wait without a slot, go on as soon as it may."""
    from airflow.sdk.exceptions import TaskDeferred

    while True:
        try:
            return operator.execute({"run_id": "one process", "ti": pushed})
        except TaskDeferred:
            time.sleep(LOOK_EVERY_S)


def measure(name: str, server: ServerClient, stopwatch: Stopwatch) -> dict[str, Any]:
    """Bring a model to where its next look asks for a training, then time look and training."""
    work = Work(name)
    work.retrain(CHAMPION)
    ask_two_weeks(server, name)
    work.look(GOOD_WEEK)
    work.steps.clear()
    stopwatch.seconds.clear()
    begun = time.perf_counter()
    action = work.look(BAD_WEEK)
    work.retrain(BAD_WEEK)
    seconds = time.perf_counter() - begun
    return {"action": action, "seconds": seconds, "steps": dict(work.steps), **dict(stopwatch.seconds)}


def main(names: list[str]) -> None:
    """Measure each model and print the results as JSON, in order."""
    stopwatch = Stopwatch()
    for kind, functions in (("computation", COMPUTATION), ("reports", REPORTS)):
        for module, function in functions:
            stopwatch.watch(module, function, kind)
    connection = json.loads(os.environ["AIRFLOW_CONN_MODEL_SERVER_DEFAULT"])
    server = ServerClient(f"http://{connection['host']}:{connection['port']}", connection["password"])
    print(json.dumps([measure(name, server, stopwatch) for name in names]))


if __name__ == "__main__":
    main(sys.argv[1:])
