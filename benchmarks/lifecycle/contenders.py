"""Run each contender on this machine, one after the other, and return what every run took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.demo.airflow_api import AirflowApi, RunState
from airflow_mlops.demo.services import Stack
from airflow_mlops.demo.settings import USER, WARM, Settings, keep_bytecode

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SPEC = ROOT / "dags" / "specs" / "flights.yaml"
TIMEOUT_S = 300
OUR_TASKS = {"ingest", "validate", "features", "train", "evaluate", "register", "deploy", "ingest_june", "drift"}


class NotAfresh(AssertionError):
    """A run did less than the whole work, so its time means nothing."""


@dataclass(frozen=True)
class OnAirflow:
    """A contender that runs on an Airflow of its own.

    Parameters
    ----------
    name : str
        As it stands in the results.
    dags : str
        Folder of its DAGs, beside this file.
    executor : str
        Airflow's executor.
    dag_id : callable
        From the number of the run.
    conf : callable
        From folder, tracking URI and number of the run.
    check : callable
        Told the API and the ended run; raises `NotAfresh`.
    options : dict of str to str
        Airflow's settings, as environment variables, where they differ from the demonstration's.
    """

    name: str
    dags: str
    executor: str
    dag_id: Callable[[int], str]
    conf: Callable[[Path, str, int], dict[str, Any]]
    check: Callable[[AirflowApi, RunState], None]
    options: dict[str, str] = field(default_factory=dict)

    def measure(self, folder: Path, runs: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
        """Start Airflow, run the DAG ``runs`` times, stop Airflow; return seconds and tasks of each run."""
        tracking_uri = fresh_tracking(folder)
        environ = {**script_environment(), **self.options, "BENCHMARK_RUNS": str(runs), "BENCHMARK_SPEC": str(SPEC)}
        settings = Settings.make(
            folder,
            HERE / self.dags,
            preferred=(0, 0, 0),
            executor=self.executor,
            tracking_uri=tracking_uri,
            extra=environ,
        )
        stack = Stack(settings)
        try:
            stack.start(lambda _: None)
            api = AirflowApi(settings.airflow_url, username=USER, password=settings.password)
            return [self._one(api, folder, tracking_uri, number, say) for number in range(1, runs + 1)]
        finally:
            stack.stop()

    def _one(
        self, api: AirflowApi, folder: Path, tracking_uri: str, number: int, say: Callable[[str], None]
    ) -> dict[str, Any]:
        dag_id = self.dag_id(number)
        api.wait_for_dag(dag_id)
        run_id = api.trigger(dag_id, self.conf(folder, tracking_uri, number))
        *_, run = api.follow(dag_id, run_id, timeout_s=TIMEOUT_S, every_s=1)
        if run.failed():
            task = run.failed()[0]
            said = api.error_lines(dag_id, run_id, task.task_id, task.tries)
            raise NotAfresh(f"{self.name}, run {number}: {task.task_id} is {task.state}: {said}")
        self.check(api, run)
        say(f"{self.name}, run {number}: {run.seconds:.1f} s")
        return {"seconds": run.seconds, "tasks": _tasks(run)}


def measure_script(folder: Path, runs: int, say: Callable[[str], None]) -> dict[str, list[dict[str, Any]]]:
    """Run the plain script in a new process each time, two passes: cold, then warm."""
    tracking_uri = fresh_tracking(folder)
    cold, warm = [], []
    for number in range(1, runs + 1):
        argv = ["-m", "benchmarks.lifecycle.script", str(folder / f"run{number}"), tracking_uri, f"script{number}", "2"]
        done = _python(argv, folder)
        first, second = json.loads(done.splitlines()[-1])
        say(f"plain script, run {number}: {first['seconds']:.1f} s cold, {second['seconds']:.1f} s warm")
        cold.append(first)
        warm.append(second)
    return {"script_cold": cold, "script_warm": warm}


def fresh_tracking(folder: Path) -> str:
    """Make an MLflow database, so that no run pays for its tables."""
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    _python(["-c", f"import mlflow; mlflow.MlflowClient({uri!r}).search_experiments()"], folder)
    return uri


def script_environment() -> dict[str, str]:
    """Return what every contender's processes find in their environment."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "operators")])
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MPLBACKEND": "Agg"}
    return {"PYTHONPATH": path, **quiet, "OMP_NUM_THREADS": "1"}


def _python(argv: list[str], folder: Path) -> str:
    environ = {**keep_bytecode(dict(os.environ), folder / "bytecode"), **script_environment()}
    done = subprocess.run([sys.executable, *argv], cwd=folder, env=environ, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise NotAfresh(f"{' '.join(argv[:2])} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def _tasks(run: RunState) -> list[dict[str, Any]]:
    """Return seconds after the run was queued at which each task was queued, started and ended."""
    return [
        {
            "task": task.task_id,
            **{
                name: round((moment - run.queued).total_seconds(), 3)
                for name, moment in (("queued", task.queued), ("start", task.start), ("end", task.end))
                if moment
            },
        }
        for task in run.tasks
    ]


def _peer_worked(api: AirflowApi, run: RunState) -> None:
    version = api.result(run.dag_id, run.run_id, "register")
    if len(run.tasks) != 8 or str(version) != "1" or any(task.tries != 1 for task in run.tasks):
        tries = [task.tries for task in run.tasks]
        raise NotAfresh(f"{run.run_id}: {len(run.tasks)} tasks after {tries} tries, version {version!r}")


def _peer(name: str, options: dict[str, str]) -> OnAirflow:
    return OnAirflow(
        name=name,
        dags="dags_peer",
        executor="LocalExecutor",
        dag_id=lambda _: "handwritten_lifecycle",
        conf=lambda folder, uri, number: {
            "folder": str(folder / f"run{number}"),
            "name": f"peer{number}",
            "tracking_uri": uri,
        },
        check=_peer_worked,
        options=options,
    )


# As Airflow comes, and with the settings that the demonstration and our DAG have.
AIRFLOW_DEFAULTS = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
}
HANDWRITTEN = _peer("handwritten", AIRFLOW_DEFAULTS)
HANDWRITTEN_TUNED = _peer("handwritten_tuned", {})


def _ours_worked(api: AirflowApi, run: RunState) -> None:
    refs = {task.task_id: api.result(run.dag_id, run.run_id, task.task_id) or {} for task in run.tasks}
    skipped = [name for name, ref in refs.items() if ref.get("same_as")]
    tries = [task.tries for task in run.tasks]
    deployed, version = refs["deploy"], refs["register"]["version"]
    if skipped or set(refs) != OUR_TASKS or max(tries) != 1 or not deployed["promoted"] or str(version) != "1":
        raise NotAfresh(f"{run.run_id}: same as before: {skipped}, tries {tries}, version {version}, deploy {deployed}")
    for stage in ("validate", "evaluate", "drift"):
        report = Path(str(refs[stage]["html_uri"]).removeprefix("file://"))
        if not report.is_file():
            raise NotAfresh(f"{run.run_id}: {stage} left no report")


OURS = OnAirflow(
    name="ours",
    dags="dags_ours",
    executor=WARM,
    dag_id=lambda number: f"provider_lifecycle_{number}",
    conf=lambda folder, uri, number: {},
    check=_ours_worked,
)
