"""One side of the benchmark, alone in its process: prints seconds, memory and scores as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.refs import SnapshotRef

    Run = Callable[[], dict[str, Any]]


def ours(folder: Path, reference: SnapshotRef, current: SnapshotRef, threads: int) -> Run:
    """Check the snapshot against the stored profile of the reference."""
    import pyarrow as pa

    from airflow_mlops.lifecycle.profiles import profile_of
    from airflow_mlops.spec.data_sections import DriftSpec
    from airflow_mlops.stages.drift import drift
    from benchmarks.drift.rows import COLUMNS, store_of

    pa.set_cpu_count(threads)
    store = store_of(folder)
    profile_of(store, [reference])

    def run() -> dict[str, Any]:
        # The profile that the run before left would make this one a look-up.
        store.delete(f"{current.uri}/profile.json")
        profiles = (profile_of(store, [side]) for side in (reference, current))
        report = drift(*profiles, COLUMNS, DriftSpec())
        return {each.column: [each.method, each.score, each.exceeds_evidently_default] for each in report.columns}

    return run


def arrow(folder: Path, reference: SnapshotRef, current: SnapshotRef, threads: int) -> Run:
    """Read the same columns."""
    import pyarrow as pa

    from benchmarks.drift.rows import COLUMNS, store_of

    del reference
    pa.set_cpu_count(threads)
    path = store_of(folder).path(current.table_uri)

    def run() -> dict[str, Any]:
        import pyarrow.parquet as pq

        return {"rows": pq.ParquetFile(path).read(columns=COLUMNS).num_rows}

    return run


def preset(folder: Path, reference: SnapshotRef, current: SnapshotRef, threads: int) -> Run:
    """Run Evidently's preset on two frames."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    then, now = _frames(folder, reference, current)

    def run() -> dict[str, Any]:
        metrics = Report([DataDriftPreset()]).run(now, then).dict()["metrics"]
        return {each["config"]["column"]: float(each["value"]) for each in metrics if "column" in each["config"]}

    return run


def tests(folder: Path, reference: SnapshotRef, current: SnapshotRef, threads: int) -> Run:
    """Run Evidently's default test of each column once, after the cleaning it does."""
    import numpy as np
    from evidently.core.datasets import infer_column_type
    from evidently.legacy.calculations.stattests import get_stattest

    then, now = _frames(folder, reference, current)

    def run() -> dict[str, Any]:
        found = {}
        for name in then:
            sides = [side[name].replace([-np.inf, np.inf], np.nan).dropna() for side in (then, now)]
            kind = infer_column_type(now[name])
            test = get_stattest(*sides, kind, None)
            result = test(*sides, kind, None)
            found[name] = [test.name, float(result.drift_score), bool(result.drifted)]
        return found

    return run


def _frames(folder: Path, reference: SnapshotRef, current: SnapshotRef) -> tuple[Any, Any]:
    from airflow_mlops.snapshots import read_frame
    from benchmarks.drift.rows import store_of

    store = store_of(folder)
    then, now = (read_frame(store, side) for side in (reference, current))
    return then, now


SIDES = {"ours": ours, "arrow": arrow, "preset": preset, "tests": tests}


def peak_mb() -> float:
    """Return the most memory this process has held; what its parent held does not count in."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return round(int(line.split()[1]) / 1024, 1)


def main() -> None:
    """Warm up on few rows, then measure."""
    from airflow_mlops.refs import SnapshotRef

    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("request", help="JSON: folder, warm, reference, current, threads, repeats")
    options = parser.parse_args()
    request = json.loads(options.request)
    folder, threads = Path(request["folder"]), request["threads"]
    refs = {name: SnapshotRef.from_dict(request[name]) for name in ("warm", "reference", "current")}
    warm = SIDES[options.side](folder, refs["warm"], refs["warm"], threads)
    warm(), warm()
    base = peak_mb()
    run = SIDES[options.side](folder, refs["reference"], refs["current"], threads)
    seconds, cpu, found = [], [], {}
    for _ in range(request["repeats"]):
        started = time.perf_counter(), time.process_time()
        found = run()
        seconds.append(time.perf_counter() - started[0])
        cpu.append(time.process_time() - started[1])
    heavy = sorted({"pandas", "scipy", "duckdb", "sklearn", "evidently"} & set(sys.modules))
    memory = {"peak_mb": peak_mb(), "warm_mb": base, "rows_mb": round(peak_mb() - base, 1)}
    figures = {"seconds": median(seconds), "cpu": median(cpu), **memory, "heavy": heavy}
    json.dump(figures | {"all_seconds": seconds, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
