"""``python -m benchmarks.lifecycle --json OUT [--runs N]``: ingest to deploy plus drift, four ways on one machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.lifecycle.contenders import HANDWRITTEN, HANDWRITTEN_TUNED, OURS, measure_script

PACKAGES = (
    "apache-airflow-core", "mlflow", "great-expectations", "evidently", "scikit-learn", "pandas", "pyarrow", "duckdb",
)  # fmt: skip
ON_AIRFLOW = {contender.name: contender for contender in (HANDWRITTEN, HANDWRITTEN_TUNED, OURS)}
NOTES = [
    "Seconds on Airflow: from the run's queued_at to its end_date. Of a script: the eight steps with their imports.",
    "Reported is the third run (the last, where fewer were asked for); all runs are listed.",
    "Every run works afresh: ours under another model name, the peers in another folder and under another name.",
    "handwritten: LocalExecutor as Airflow comes. handwritten_tuned: with our scheduler settings (idle sleep 0.1 s).",
    "Drift: all compute scores on all rows. The peers let Evidently render all rows; ours renders a bounded sample.",
]


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lifecycle", description=__doc__)
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender; default 3")
    parser.add_argument("--only", choices=[*ON_AIRFLOW, "script"], nargs="+", help="fewer contenders")
    parser.add_argument("--keep", type=Path, help="keep databases, artifacts and logs in this folder")
    chosen = parser.parse_args()
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="lifecycle-"))
    try:
        runs = measure(folder.absolute(), chosen.runs, chosen.only or ["script", *ON_AIRFLOW])
    finally:
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    results = summary(runs)
    print_results(results)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=2))


def measure(folder: Path, runs: int, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Run the contenders one after the other."""
    measured: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        if name == "script":
            measured |= measure_script(folder / name, runs, _say)
        else:
            measured[name] = ON_AIRFLOW[name].measure(folder / name, runs, _say)
    return measured


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Turn runs into the results that are written: third run, median, ratios, versions."""
    third = {name: timed[min(2, len(timed) - 1)]["seconds"] for name, timed in runs.items()}
    median = {name: statistics.median(one["seconds"] for one in timed) for name, timed in runs.items()}
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "third_run_s": third,
        "median_s": median,
        "ratios": {"third_run": _ratios(third), "median": _ratios(median)},
        "notes": NOTES,
        "runs": runs,
    }


def _ratios(seconds: dict[str, float]) -> dict[str, float]:
    if "ours" not in seconds:
        return {}
    return {f"ours/{name}": round(seconds["ours"] / value, 3) for name, value in seconds.items() if name != "ours"}


def print_results(results: dict[str, Any]) -> None:
    """Print a short table and where our time goes."""
    print(f"\n{results['cores']} cores, Python {results['python']}")
    for name, timed in results["runs"].items():
        every = ", ".join(f"{one['seconds']:.1f}" for one in timed)
        print(f"{name:<22} {results['third_run_s'][name]:6.1f} s   (all: {every})")
    for name, ratio in results["ratios"]["third_run"].items():
        print(f"{name:<28} {ratio:.2f}")
    for name, timed in results["runs"].items():
        last = timed[min(2, len(timed) - 1)]
        print(f"\n{name}, by {'task' if 'tasks' in last else 'step'}:")
        for task in last.get("tasks", []):
            waited, took = task["start"] - task["queued"], task["end"] - task["start"]
            print(f"  {task['task']:<12} queued at {task['queued']:6.2f}, waited {waited:5.2f}, took {took:6.2f} s")
        for step, seconds in last.get("steps", {}).items():
            print(f"  {step:<12} took {seconds:6.2f} s")
    for note in results["notes"]:
        print(f"- {note}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
