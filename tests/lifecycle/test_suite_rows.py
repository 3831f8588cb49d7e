"""A suite in DuckDB reads a snapshot wherever it is stored, and its quarantine holds the rows that fail."""

from __future__ import annotations

import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.lifecycle.suite_rows import snapshot_in_duckdb, store_quarantine
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.stages.validate.quarantine import quarantine_stream
from airflow_mlops.stages.validate.suite import run_suite_on

SUITE = {
    "name": "s",
    "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "x", "max_value": 97}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "late"}, "severity": "info"},
    ],
}


@pytest.fixture(params=["local", "memory", "a folder with a pattern in its name"])
def store(request, tmp_path):
    if request.param == "memory":
        return ArtifactStore(MemoryFileSystem(), f"/{tmp_path.name}", "memory")
    return ArtifactStore.local(tmp_path / ("plain" if request.param == "local" else "a[b]*"))


@pytest.fixture
def snapshot(store):
    """Store a hundred rows in two parts, of which the first lacks a column."""
    tables = pa.table({"x": range(60)}), pa.table({"x": range(60, 100), "late": [True] * 40})
    parts = []
    for place, table in enumerate(tables):
        uri = store.uri("m", "parts", f"{place}.parquet")
        digest = store.write_table(uri, table)
        parts.append({"uri": uri, "digest": digest, "rows": table.num_rows, "start": "", "end": ""})
    return SnapshotRef("s", store.uri("m", "s"), "d", 100, 2, "", "", parts=parts)


def test_any_store_answers_and_keeps_the_failing_rows(store, snapshot):
    uri = store.uri("m", "quarantine", "q.parquet")
    with snapshot_in_duckdb(store, snapshot) as rows:
        found = run_suite_on(rows, SUITE)
        count, head = store_quarantine(store, uri, quarantine_stream(rows, found, keep=10, sensitive=[]))

    assert [one.failing for one in found] == [2, 60]
    assert (count, head["x"].to_pylist()) == (2, [98, 99])
    assert store.read_table(uri)["late"].to_pylist() == [True, True]
