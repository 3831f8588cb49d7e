"""``python -m benchmarks.serving --json OUT``: our server and ``mlflow models serve``, side by side."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airflow_mlops import __version__
from benchmarks.serving.model import ROWS, SPEC
from benchmarks.serving.servers import NotServed, Server, ask, cpu_seconds, served

ROOT = SPEC.parents[2]
PACKAGES = (
    "mlflow", "scikit-learn", "pandas", "numpy", "fastapi", "uvicorn", "uvloop", "httptools",
    "msgspec", "pyarrow",
)  # fmt: skip
CLIENTS = (1, 8)
FIGURES = ("requests_per_s", "p50_ms", "p99_ms", "server_cpu_ms", "generator_share_of_a_core")
NOTES = [
    "Both servers stay up; cell by cell they are asked in turn, and who begins changes with every repetition.",
    "Each client has one connection and sends its next request when the answer is there. Warm-up of 1 s is left out.",
    "Figures are medians over the repetitions, with the least and the most.",
    "ours: requests checked by the signature, every prediction in the prediction log. mlflow: as it comes, one worker.",
    "CPU is the processor time of all processes of a server, by answered requests. It hardly depends on other load.",
    "A body is MLflow's dataframe_split: what the model takes, and key and time of the rows. Both get the same bytes.",
]


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--repetitions", type=int, default=5, help="of each cell and server; default 5")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement, after the warm-up; default 5")
    parser.add_argument("--keep", type=Path, help="keep everything in this folder, and use the model that is there")
    chosen = parser.parse_args()
    folder = (chosen.keep or Path(tempfile.mkdtemp(prefix="serving-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        results = measure(folder, chosen.repetitions, chosen.seconds)
    finally:
        if chosen.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print_results(results)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=2))


def measure(folder: Path, repetitions: int, seconds: float) -> dict[str, Any]:
    """Train, start both servers, ask them in turn, and count what is in the log."""
    trained = champion(folder)
    cells = [(clients, rows) for rows in ROWS for clients in CLIENTS]
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {f"{c} clients, {r} rows": {} for c, r in cells}
    before = logged(folder, trained["name"])
    with ExitStack() as stack:
        _say("starting both servers")
        servers = [
            stack.enter_context(served(name, folder, trained, environment(folder))) for name in ("ours", "mlflow")
        ]
        answered = check_same_answers(servers, folder)
        for repetition in range(repetitions):
            for number, (clients, rows) in enumerate(cells):
                for server in servers[:: 1 if (repetition + number) % 2 else -1]:
                    cell = f"{clients} clients, {rows} rows"
                    seen = asked(server, folder / f"rows{rows}.jsonl", clients, seconds)
                    runs[cell].setdefault(server.name, []).append(seen)
                    answered += rows * seen["answers"] if server.name == "ours" else 0
                    _say(f"{repetition + 1}/{repetitions}  {cell:<20} {server.name:<7} {_line(seen)}")
    in_log = logged(folder, trained["name"]) - before
    if in_log != answered:
        raise NotServed(f"{answered} rows were answered and {in_log} are in the prediction log")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {"airflow-provider-mlops": __version__, **{name: version(name) for name in PACKAGES}},
        "model": trained,
        "repetitions": repetitions,
        "seconds": seconds,
        "predictions_logged": in_log,
        "cells": {cell: summary(by_server) for cell, by_server in runs.items()},
        "notes": NOTES,
        "runs": runs,
    }


def champion(folder: Path) -> dict[str, Any]:
    """Train and promote the model in a process of its own, or find the one that an earlier run kept."""
    found = folder / "model.json"
    if not found.exists():
        _say("training the flights model by the stages; about a minute")
        said = _python(["-m", "benchmarks.serving.model", str(folder)], folder)
        found.write_text(said.splitlines()[-1])
    return json.loads(found.read_text())


def check_same_answers(servers: list[Server], folder: Path) -> int:
    """Make sure that both predict the same for the same rows; return how many rows each was asked."""
    count = 0
    for rows in ROWS:
        body = (folder / f"rows{rows}.jsonl").read_bytes().splitlines()[0]
        ours, theirs = (json.loads(ask(server, body))["predictions"] for server in servers)
        same = len(ours) == len(theirs) == rows and all(
            abs(one - other) < 1e-9 for pair in zip(ours, theirs, strict=True) for one, other in zip(*pair, strict=True)
        )
        if not same:
            raise NotServed(f"the servers answer {rows} rows differently: {str(ours)[:200]} and {str(theirs)[:200]}")
        count += rows
    return count


def asked(server: Server, bodies: Path, clients: int, seconds: float) -> dict[str, Any]:
    """Let the load generator, a process of its own, ask one server."""
    argv = ["-m", "benchmarks.serving.load", str(server.port), str(bodies), str(clients), str(seconds)]
    before = cpu_seconds(server)
    seen = json.loads(_python(argv, bodies.parent))
    return {**seen, "server_cpu_ms": 1000 * (cpu_seconds(server) - before) / max(1, seen["answers"])}


def logged(folder: Path, model: str) -> int:
    """Count the rows of the prediction log; the servers are stopped."""
    from datetime import UTC, datetime

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.serving.prediction_log import read_predictions

    always = {"start": datetime(2000, 1, 1, tzinfo=UTC), "end": datetime(3000, 1, 1, tzinfo=UTC)}
    return int(read_predictions(ArtifactStore.local(folder / "artifacts"), model, **always).num_rows)


def summary(by_server: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Turn the repetitions of one cell into medians with least and most, and our share of MLflow's."""
    cell: dict[str, Any] = {
        name: {
            **{
                figure: {"median": statistics.median(seen), "min": min(seen), "max": max(seen)}
                for figure in FIGURES
                for seen in [[one[figure] for one in runs]]
            },
            "errors": sum(one["errors"] for one in runs),
        }
        for name, runs in by_server.items()
    }
    cell["ours/mlflow"] = {
        figure: round(cell["ours"][figure]["median"] / cell["mlflow"][figure]["median"], 3) for figure in FIGURES[:4]
    }
    return cell


def environment(folder: Path) -> dict[str, str]:
    """Return what every process of the benchmark finds in its environment."""
    return {
        **os.environ,
        # MLflow starts uvicorn through a shell.
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "operators")]),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": str(folder / "mlflow.db")}),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MPLBACKEND": "Agg",
    }


def _python(argv: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *argv], cwd=folder, env=environment(folder), text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise NotServed(f"{' '.join(argv[:2])} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def print_results(results: dict[str, Any]) -> None:
    """Print a short table: medians, with least and most in brackets."""
    print(f"\n{results['cores']} cores, Python {results['python']}, mlflow {results['versions']['mlflow']}")
    print(f"{'cell':<22}{'server':<12}{'requests/s':<24}{'p50 ms':<24}{'p99 ms':<24}{'CPU ms a request':<24}errors")
    for cell, seen in results["cells"].items():
        for name in ("ours", "mlflow"):
            columns = "".join(
                f"{_spread(seen[name][figure]):<{24 - 2 * (figure != 'requests_per_s')}}" for figure in FIGURES[:4]
            )
            print(f"{cell:<22}{name:<12}{columns}{seen[name]['errors']}")
        ratios = seen["ours/mlflow"]
        print(f"{'':<22}{'ours/mlflow':<12}" + "".join(f"{ratio:<24}" for ratio in ratios.values()))
    print(f"{results['predictions_logged']} predictions answered by ours, all in its log")
    for note in results["notes"]:
        print(f"- {note}")


def _spread(figure: dict[str, float]) -> str:
    digits = 0 if figure["median"] >= 100 else 2
    return f"{figure['median']:.{digits}f} ({figure['min']:.{digits}f}-{figure['max']:.{digits}f})"


def _line(seen: dict[str, Any]) -> str:
    said = f"{seen['requests_per_s']:7.0f}/s  p50 {seen['p50_ms']:.2f} ms  p99 {seen['p99_ms']:.2f} ms"
    return f"{said}  {seen['errors']} errors: {seen['first_error']}" if seen["errors"] else said


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
