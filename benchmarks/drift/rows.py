"""Rows to compare: a reference, rows of now in which six columns of 17 moved, and where both are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.refs import SnapshotRef

if TYPE_CHECKING:
    from pathlib import Path

MOVED = ("n0", "n1", "l0", "z0", "i0", "c0")
COLUMNS = [f"n{each}" for each in range(6)] + [f"l{each}" for each in range(3)] + ["z0", "z1", "i0", "i1", "i2"]
COLUMNS += ["c0", "c1", "c2"]
_CHUNK = 1_000_000
_CATEGORIES = {"c0": 5, "c1": 40, "c2": 300}


def store_of(folder: Path) -> ArtifactStore:
    """Open the artifact store of the benchmark."""
    return ArtifactStore.local(folder)


def write_snapshot(folder: Path, name: str, rows: int, *, is_now: bool) -> SnapshotRef:
    """Write rows as ingest stores them, a million at a time; return the reference to them."""
    store = store_of(folder)
    place = store.uri("benchmark", "snapshots", name)
    path = folder / "benchmark" / "snapshots" / name / "data.parquet"
    path.parent.mkdir(parents=True)
    writer = None
    for begin in range(0, rows, _CHUNK):
        table = _table(min(_CHUNK, rows - begin), seed=begin + 7 * is_now, is_now=is_now)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=3)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    digest = _digest(path)
    return SnapshotRef(name, place, digest, rows, len(COLUMNS), "2013-01-01", "2013-02-01")


def _digest(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(rows: int, *, seed: int, is_now: bool) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table({name: _column(name, rows, random, has_moved=is_now and name in MOVED) for name in COLUMNS})


def _column(name: str, rows: int, random: np.random.Generator, *, has_moved: bool) -> Any:
    kind, place = name[0], int(name[1])
    if kind == "n":
        values = random.normal(0.2 * (has_moved and place == 0), 1 + 0.3 * (has_moved and place == 1), rows)
        return pa.array(values, mask=random.random(rows) < 0.03 * (place == 3))
    if kind == "l":
        return random.lognormal(0.3 * has_moved, 1 + place / 2, rows)
    if kind == "z":
        return random.lognormal(0, 1, rows) * (random.random(rows) < 0.3 + 0.2 * has_moved)
    if kind == "i":
        values = random.poisson((2, 40, 900)[place] + has_moved, rows)
        return np.minimum(values, 8) if place == 0 else values
    names = np.array([f"{name} {each}" for each in range(_CATEGORIES[name])])
    weights = 1 / np.arange(1, len(names) + 1) ** (1.0 + 0.5 * has_moved)
    return pa.array(names).take(pa.array(random.choice(len(names), rows, p=weights / weights.sum())))
