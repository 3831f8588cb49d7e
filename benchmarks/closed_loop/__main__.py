"""``python -m benchmarks.closed_loop --json OUT [--runs N]``: how long the loop takes, and how much is overhead."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airflow_mlops.demo.airflow_api import AirflowApi
from airflow_mlops.demo.services import Stack
from airflow_mlops.demo.settings import USER, Settings, environment
from airflow_mlops.demo.traffic import ServerClient
from benchmarks.closed_loop.loop import Loop
from benchmarks.closed_loop.models import ROOT, write_dags

PACKAGES = ("apache-airflow-core", "mlflow", "scikit-learn", "pandas", "fastapi", "uvicorn")
NOTES = [
    "loop: from the request for the monitor run to the first HTTP answer of the new version, polled every 20 ms.",
    "computation: the stages alone, in one warm process: read, check, compare, join labels, fit, judge.",
    "reports: Data Docs, decision page, evaluation page and plots, in that process.",
    "one_process: the same operators in one process without Airflow: storage, ledger, MLflow, trial and swap included.",
    "overhead: loop minus computation minus reports. airflow_overhead: loop minus one_process.",
    "The monitor's drift page is drawn beside the training and counts nowhere, but it takes a core meanwhile.",
    "The first run of each kind pays for imports and pages; reported are the median and the last of the others.",
]


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.closed_loop", description=__doc__)
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--runs", type=int, default=3, help="runs of each kind, the first for warming up; default 3")
    parser.add_argument("--keep", type=Path, help="keep databases, artifacts and logs in this folder")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="closed-loop-"))
    try:
        loops, alone = measure(folder.absolute(), max(2, chosen.runs))
    finally:
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    results = summary(loops, alone)
    print_results(results)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=2))


def measure(folder: Path, runs: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Start a stack that serves one model a run, and measure the loop, then the one process."""
    loops = [f"loop_{number}" for number in range(1, runs + 1)]
    alone = [f"alone_{number}" for number in range(1, runs + 1)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "operators")])
    settings = Settings.make(
        folder,
        write_dags(folder / "dags", loops),
        preferred=(0, 0, 0),
        models=[*loops, *alone],
        extra={"PYTHONPATH": path},
    )
    stack = Stack(settings)
    try:
        stack.start(lambda _: None)
        api = AirflowApi(settings.airflow_url, username=USER, password=settings.password)
        loop = Loop(settings, api, ServerClient(settings.server_url, settings.token))
        return [_one(loop, name) for name in loops], _alone(settings, alone)
    finally:
        stack.stop()


def _one(loop: Loop, name: str) -> dict[str, Any]:
    loop.prepare(name)
    measured = loop.measure(name)
    _say(f"{name}: {measured['seconds']:.1f} s")
    return measured


def _alone(settings: Settings, names: list[str]) -> list[dict[str, Any]]:
    argv = [sys.executable, "-m", "benchmarks.closed_loop.one_process", *names]
    done = subprocess.run(argv, cwd=ROOT, env=environment(settings), text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the one process ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    measured = json.loads(done.stdout.splitlines()[-1])
    for name, one in zip(names, measured, strict=True):
        _say(f"{name}: {one['seconds']:.1f} s, of it computation {one['computation']:.1f} s")
    return measured


def summary(loops: list[dict[str, Any]], alone: list[dict[str, Any]]) -> dict[str, Any]:
    """Turn runs into the results that are written; the first of each kind warms up."""
    found = {
        "loop_s": _median(loops, "seconds"),
        "one_process_s": _median(alone, "seconds"),
        "computation_s": _median(alone, "computation"),
        "reports_s": _median(alone, "reports"),
    }
    found["overhead_s"] = found["loop_s"] - found["computation_s"] - found["reports_s"]
    found["airflow_overhead_s"] = found["loop_s"] - found["one_process_s"]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        **{name: round(value, 2) for name, value in found.items()},
        "parts_of_last_loop_s": {name: round(value, 3) for name, value in loops[-1]["parts"].items()},
        "steps_of_last_one_process_s": {name: round(value, 3) for name, value in alone[-1]["steps"].items()},
        "notes": NOTES,
        "loops": loops,
        "one_process": alone,
    }


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs[1:])


def print_results(results: dict[str, Any]) -> None:
    """Print what was found, and where the time of the last loop went beside the same step in one process."""
    print(f"\n{results['cores']} cores, Python {results['python']}")
    for name in ("loop", "computation", "reports", "one_process", "overhead", "airflow_overhead"):
        print(f"{name:<18} {results[f'{name}_s']:6.1f} s")
    steps = results["steps_of_last_one_process_s"]
    print("\nlast loop, part by part (the same step in one process):")
    for name, seconds in results["parts_of_last_loop_s"].items():
        alone = steps.get(name.removesuffix(", to the promotion"))
        print(f"  {name:<34} {seconds:6.2f} s" + (f"  ({alone:.2f} s)" if alone is not None else ""))
    for note in results["notes"]:
        print(f"- {note}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
