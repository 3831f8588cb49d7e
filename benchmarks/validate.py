"""What twelve expectations on a large Parquet file cost: Great Expectations on pandas, ours in DuckDB, plain SQL.

    python -m benchmarks.validate [--rows N] [--repeats R] [--json OUT]

The file has twenty columns: numbers with nulls, whole numbers, keys, texts, times. Three sides answer the same twelve
questions: Great Expectations on a pandas frame, load included; `run_suite_on` in DuckDB; and the queries a person would
write by hand for the same DuckDB. Each run is a process of its own, which first answers all of it on a little data;
then its CPU seconds (user and system), its time, and the peak memory of the whole process, imports included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

SIDES = ("pandas", "ours", "sql")
THREADS = 2
CHUNK = 1_000_000
CPU_PROMISE, MEMORY_PROMISE, WALL_PROMISE = 10.0, 8.0, 1.5
SUITE = {
    "name": "benchmark",
    "expectations": [
        {"type": kind, "kwargs": kwargs}
        for kind, kwargs in (
            ("expect_table_row_count_to_be_between", {"min_value": 1}),
            ("expect_table_columns_to_match_set", {"column_set": ["key", "city"], "exact_match": False}),
            ("expect_column_values_to_not_be_null", {"column": "key"}),
            ("expect_column_values_to_not_be_null", {"column": "n0", "mostly": 0.9}),
            ("expect_column_values_to_be_unique", {"column": "key"}),
            ("expect_column_values_to_be_between", {"column": "n1", "min_value": -10, "max_value": 10}),
            ("expect_column_values_to_be_in_set", {"column": "city", "value_set": [f"city {k}" for k in range(50)]}),
            ("expect_column_values_to_match_regex", {"column": "code", "regex": r"^[A-Z]\d+$"}),
            ("expect_column_mean_to_be_between", {"column": "n2", "min_value": -1, "max_value": 1}),
            ("expect_column_stdev_to_be_between", {"column": "n3", "min_value": 0.5, "max_value": 2}),
            ("expect_column_max_to_be_between", {"column": "n4", "max_value": 100}),
            (
                "expect_column_quantile_values_to_be_between",
                {"column": "n5", "quantile_ranges": {"quantiles": [0.1, 0.9], "value_ranges": [[-2, 0], [0, 2]]}},
            ),
        )
    ],
}
_SCAN = """
SELECT count(*), count(*) - count("key"), count(*) - count(n0),
  count(*) FILTER (n1 NOT BETWEEN -10 AND 10),
  count(*) FILTER (city NOT IN ({cities})),
  count(*) FILTER (NOT regexp_matches(code, '^[A-Z][0-9]+$')),
  avg(n2), stddev_samp(n3), max(n4), quantile_disc(n5, [0.1, 0.9])
FROM read_parquet('{path}')
"""
_REPEATS = """
SELECT coalesce(sum(n), 0)
FROM (SELECT count(*) AS n FROM read_parquet('{path}') WHERE "key" IS NOT NULL GROUP BY "key" HAVING count(*) > 1)
"""


def write(path: str, rows: int) -> None:
    """Write the file, a million rows at a time."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random, writer = np.random.default_rng(0), None
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        columns: dict[str, Any] = {"key": np.arange(start, start + count)}
        for number in range(12):
            values = random.normal(size=count)
            columns[f"n{number}"] = pa.array(values, mask=random.random(count) < 0.02 if number < 3 else None)
        columns |= {f"i{number}": random.integers(0, 1000, count) for number in range(4)}
        columns["city"] = pa.array([f"city {k}" for k in range(50)]).take(pa.array(random.integers(0, 50, count)))
        columns["code"] = pa.array([f"A{k}" for k in range(9999)]).take(pa.array(random.integers(0, 9999, count)))
        columns["ts"] = pa.array((start + np.arange(count)) * 1_000_000, pa.timestamp("us", "UTC"))
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def by_pandas(path: str) -> list[bool]:
    """Answer with Great Expectations on a frame, as its documentation has it."""
    import great_expectations as gx
    import pandas as pd
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(path)})
    suite = ExpectationSuite(name=SUITE["name"], expectations=SUITE["expectations"])
    results = batch.validate(suite, result_format="BASIC").results
    return [bool(one.success) for one in results]


def by_ours(path: str) -> list[bool]:
    """Answer in DuckDB, as the operator does."""
    from airflow_mlops.stages.validate.suite import duckdb_rows, run_suite_on

    with duckdb_rows([path], threads=THREADS) as rows:
        return [one.passed for one in run_suite_on(rows, SUITE)]


def by_sql(path: str) -> list[bool]:
    """Answer with the two queries a person would write."""
    import duckdb

    from airflow_mlops.stages.validate.suite.rows import MEMORY_MB

    cities = ", ".join(f"'city {k}'" for k in range(50))
    with tempfile.TemporaryDirectory() as folder:
        config = {"threads": THREADS, "memory_limit": f"{MEMORY_MB}MB", "temp_directory": folder}
        with duckdb.connect(config=config) as connection:
            names = connection.sql(f"SELECT * FROM read_parquet('{path}') LIMIT 0").columns
            rows, keys, nulls, outside, others, codes, mean, deviation, most, quantiles = connection.execute(
                _SCAN.format(path=path, cities=cities)
            ).fetchall()[0]
            repeats = connection.execute(_REPEATS.format(path=path)).fetchall()[0][0]
    return [
        rows >= 1, {"key", "city"} <= set(names), keys == 0, nulls / rows <= 0.1, repeats == 0, outside == 0,
        others == 0, codes == 0, -1 <= mean <= 1, 0.5 <= deviation <= 2, most <= 100,
        -2 <= quantiles[0] <= 0 <= quantiles[1] <= 2,
    ]  # fmt: skip


def child(side: str, path: str, small: str) -> dict[str, Any]:
    """Warm up on a little data, then measure; what is not our process's is not in it."""
    answer = {"pandas": by_pandas, "ours": by_ours, "sql": by_sql}[side]
    answer(small)
    cpu, wall = _cpu_s(), time.perf_counter()
    passed = answer(path)
    return {
        "cpu_s": _cpu_s() - cpu,
        "wall_s": time.perf_counter() - wall,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "passed": sum(passed),
        "of": len(passed),
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(rows: int, repeats: int) -> dict[str, Any]:
    """Run each side so many times, in turn; return medians, and the ratios that were promised."""
    with tempfile.TemporaryDirectory() as folder:
        path, small = str(Path(folder, "rows.parquet")), str(Path(folder, "small.parquet"))
        write(path, rows)
        write(small, 1000)
        runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        for _ in range(repeats):
            for side in SIDES:
                command = [sys.executable, "-m", "benchmarks.validate", "--child", side, path, small]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                runs[side].append(json.loads(said.strip().splitlines()[-1]))
    sides = {side: {name: median(one[name] for one in found) for name in found[0]} for side, found in runs.items()}
    peer, ours, sql = (sides[side] for side in SIDES)
    ratios = {
        "cpu_of_pandas_over_ours": peer["cpu_s"] / ours["cpu_s"],
        "memory_of_pandas_over_ours": peer["memory_mb"] / ours["memory_mb"],
        "wall_of_ours_over_sql": ours["wall_s"] / sql["wall_s"],
    }
    return {"rows": rows, "columns": 20, "threads": THREADS, "repeats": repeats, "sides": sides, "ratios": ratios}


def show(found: dict[str, Any]) -> None:
    """Print the medians, and each ratio beside its promise."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", "CPU s", "wall s", "peak MB", "passed")
    for side, said in found["sides"].items():
        cells = [f"{said[name]:,.2f}" for name in ("cpu_s", "wall_s")]
        table.add_row(side, *cells, f"{said['memory_mb']:,.0f}", f"{said['passed']:g} of {said['of']:g}")
    promises = Table("ratio", "found", "promised")
    signs = (f"at least {CPU_PROMISE:g}", f"at least {MEMORY_PROMISE:g}", f"at most {WALL_PROMISE:g}")
    for (name, ratio), promise in zip(found["ratios"].items(), signs, strict=True):
        promises.add_row(name.replace("_", " "), f"{ratio:.2f}", promise)
    console = Console()
    console.print(f"{found['rows']:,} rows x {found['columns']} columns, medians of {found['repeats']}")
    console.print(table)
    console.print(promises)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(*options.child)))
        return
    found = measure(options.rows, options.repeats)
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
