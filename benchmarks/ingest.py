"""Bring gigabytes of CSV and of Parquet into a snapshot, beside a plain DuckDB copy of the same files.

    python -m benchmarks.ingest [--gb N] [--times N] [--json OUT]

A CSV file of N gigabytes and a folder of Parquet files of N gigabytes are generated: a time, seven floats of which one
has gaps, four whole numbers, three columns of names, an id and a flag. Ours is what the *ingest* stage does: the hook
opens the source, the rows are cut to a window (of all of them), checked, and stored as Parquet with their digest and a
manifest. DuckDB's is `COPY (SELECT * FROM read_csv(...)) TO ... (FORMAT parquet, COMPRESSION zstd)` and no more. Each
run is a process of its own with two threads, warmed by a few thousand rows of the same kind; runs of the two sides take
turns, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
THREADS = 2
CHUNK = 250_000
FILES = 8
SIDES = ("ours", "duckdb")
FORMATS = ("csv", "parquet")
MOST_MB = 1024
MOST_RATIO = 1.5


def rows_of(number: int, count: int, rng: np.random.Generator) -> pa.Table:
    """Make one chunk of rows; the time goes on from chunk to chunk."""
    import numpy as np
    import pyarrow as pa

    seconds = 1_356_998_400 + number * CHUNK + np.arange(count)
    columns: dict[str, Any] = {"ts": pa.array(seconds, pa.timestamp("s", "UTC"))}
    for index in range(6):
        columns[f"float_{index}"] = rng.normal(size=count) if index % 2 else np.round(rng.normal(100, 25, count), 3)
    columns["float_6"] = pa.array(rng.normal(size=count), mask=rng.random(count) < 0.1)
    for index in range(4):
        columns[f"whole_{index}"] = rng.integers(0, 10 ** (index + 2), count)
    for index, distinct in enumerate((8, 60, 300)):
        names = np.array([f"airport {name:03d}" for name in range(distinct)])
        columns[f"name_{index}"] = names[rng.integers(0, distinct, count)]
    columns["id"] = np.char.add("user-", rng.integers(0, 10**9, count).astype(str))
    columns["flag"] = rng.random(count) < 0.2
    return pa.table(columns)


def generate(folder: Path, size: int) -> None:
    """Write a CSV file of so many bytes, a folder of Parquet files of so many, and a few rows of each to warm up."""
    import numpy as np

    rng = np.random.default_rng(0)
    few = rows_of(0, 5000, rng)
    _write_csv(folder / "warm.csv", iter([few]), 0)
    _write_parquet(folder / "warm.parquet", iter([few]), 0)
    _write_csv(folder / "rows.csv", (rows_of(number, CHUNK, rng) for number in range(10**6)), size)
    (folder / "rows").mkdir()
    chunks = (rows_of(number, CHUNK, rng) for number in range(10**6))
    for file in range(FILES):
        _write_parquet(folder / "rows" / f"{file}.parquet", chunks, size // FILES)


def _write_csv(path: Path, chunks: Any, size: int) -> None:
    from pyarrow import csv

    first = next(chunks)
    with csv.CSVWriter(path, first.schema) as writer:
        writer.write_table(first)
        while path.stat().st_size < size:
            writer.write_table(next(chunks))


def _write_parquet(path: Path, chunks: Any, size: int) -> None:
    import pyarrow.parquet as pq

    first = next(chunks)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        while path.stat().st_size < size:
            writer.write_table(next(chunks))


def ours(source: Path, format: str, out: Path) -> int:
    """Ingest as the stage does; return the number of rows."""
    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.hooks.source import SourceHook
    from airflow_mlops.lifecycle.storing import store_rows
    from airflow_mlops.spec.data_sections import FileSource
    from airflow_mlops.stages.ingest import Wanted

    store = ArtifactStore.local(out)
    hook = SourceHook(FileSource(kind="file", uri=str(source), format=format))
    wanted = Wanted(time="ts", key=("id",), columns=("float_0", "flag"), start=START, end=END)
    place = store.uri("benchmark", "snapshots")
    manifest = hook.feed(START, END, "ts", lambda rows: store_rows(store, place, rows, wanted, section="benchmark"))
    return int(manifest["rows"])


def duckdb(source: Path, format: str, out: Path) -> int:
    """Copy with DuckDB; return the number of rows."""
    from duckdb import connect

    out.mkdir(parents=True)
    files = f"{source}/*.parquet" if source.is_dir() else str(source)
    with connect() as connection:
        connection.execute(f"SET threads = {THREADS}")
        copied = connection.execute(
            f"COPY (SELECT * FROM read_{format}('{files}')) TO '{out}/data.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
        return int(copied.fetchone()[0])


def measure(side: str, format: str, folder: Path) -> dict[str, Any]:
    """Warm up, run once, and say how long it took and the most memory this process ever had."""
    import pyarrow as pa

    pa.set_cpu_count(THREADS)
    run = ours if side == "ours" else duckdb
    out = folder / "out"
    run(folder / f"warm.{format}", format, out / "warm")
    started, busy = time.perf_counter(), time.process_time()
    rows = run(folder / ("rows.csv" if format == "csv" else "rows"), format, out / "rows")
    seconds, cpu = time.perf_counter() - started, time.process_time() - busy
    written = sum(path.stat().st_size for path in (out / "rows").rglob("*.parquet"))
    shutil.rmtree(out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "seconds": seconds, "cpu_s": cpu, "peak_mb": peak, "written_mb": written / 2**20}


def compare(folder: Path, times: int) -> dict[str, Any]:
    """Run both sides in turns, each in a process of its own; return medians, ratios and whether the promise holds."""
    found: dict[str, Any] = {}
    for format in FORMATS:
        runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        for _ in range(times):
            for side in SIDES:
                runs[side].append(_in_child(side, format, folder))
        medians = {side: {name: median(run[name] for run in runs[side]) for name in runs[side][0]} for side in SIDES}
        assert medians["ours"]["rows"] == medians["duckdb"]["rows"]
        ratio = medians["ours"]["seconds"] / medians["duckdb"]["seconds"]
        is_kept = ratio <= MOST_RATIO and medians["ours"]["peak_mb"] < MOST_MB
        found[format] = {**medians, "time_ratio": round(ratio, 2), "is_promise_kept": is_kept}
    return found


def _in_child(side: str, format: str, folder: Path) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "AIRFLOW_HOME": str(folder / "airflow")}
    command = [sys.executable, "-m", "benchmarks.ingest", "--run", side, format, str(folder)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def show(found: dict[str, Any]) -> None:
    """Print a table with the promise beside the figures."""
    from rich.console import Console
    from rich.table import Table

    table = Table("source", "side", "rows", "s", "CPU s", "peak MB", "written MB", "x DuckDB", "promise")
    promise = f"<= {MOST_RATIO}x, < {MOST_MB} MB"
    for format, figures in found.items():
        for side in SIDES:
            run = figures[side]
            kept = "kept" if figures["is_promise_kept"] else "BROKEN"
            table.add_row(
                format,
                side,
                f"{run['rows']:,.0f}",
                *(f"{run[name]:.1f}" for name in ("seconds", "cpu_s")),
                *(f"{run[name]:.0f}" for name in ("peak_mb", "written_mb")),
                *((f"{figures['time_ratio']:.2f}", f"{promise}: {kept}") if side == "ours" else ("1", "")),
            )
    Console().print(table)


def main() -> int:
    """Generate, measure, print; 1 where the promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=2.0, metavar="N", help="size of each source; default 2")
    parser.add_argument("--times", type=int, default=3, metavar="N", help="runs of each side; default 3")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to this file")
    parser.add_argument("--run", nargs=3, metavar=("SIDE", "FORMAT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        side, format, folder = options.run
        print(json.dumps(measure(side, format, Path(folder))))
        return 0
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), int(options.gb * 2**30))
        found = compare(Path(name), options.times)
    if options.json:
        options.json.write_text(json.dumps({"gb": options.gb, "threads": THREADS, **found}, indent=2) + "\n")
    show(found)
    return 0 if all(figures["is_promise_kept"] for figures in found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
