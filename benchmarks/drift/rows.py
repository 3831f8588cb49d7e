"""Rows to compare: a reference, rows of now in which six columns of 17 moved, and where both are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.lifecycle.spool import spooled
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
    """Write rows by what ingest writes them with, a million at a time; return the reference to them."""
    store = store_of(folder)
    place = store.uri("benchmark", "snapshots", name)
    tables = (
        _table(min(_CHUNK, rows - begin), seed=begin + 7 * is_now, is_now=is_now) for begin in range(0, rows, _CHUNK)
    )
    batches = (batch for table in tables for batch in table.to_batches())
    schema = _table(0, seed=0, is_now=is_now).schema
    with spooled(store, store.uri("benchmark")) as spool:
        digest = spool.write(pa.RecordBatchReader.from_batches(schema, batches))
        ref = SnapshotRef(name, place, digest, rows, len(COLUMNS), "2013-01-01", "2013-02-01")
        spool.move(ref.table_uri)
    return ref


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
