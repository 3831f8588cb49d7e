"""Small real models in the layout that *train* writes, promoted as *deploy* does."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from airflow_mlops.ledger import Ledger
from airflow_mlops.refs import ModelRef
from airflow_mlops.stages import golden, model_file

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.artifacts import ArtifactStore

MARCH = datetime(2013, 3, 1, tzinfo=UTC)
COLUMNS = ["carrier", "distance", "temp"]
ROWS = {
    "columns": COLUMNS,
    "time": "scheduled",
    "key": ["flight", "scheduled"],
    "sensitive": [],
    "task": "binary",
}
ROW = {"carrier": "AA", "distance": 700, "temp": 39.9}


def training_rows(count: int = 60) -> pa.Table:
    """Rows with a text, a whole number and a number, a few of them missing."""
    random = np.random.default_rng(7)
    temp = [None if place % 11 == 3 else float(value) for place, value in enumerate(random.normal(40, 9, count))]
    return pa.table(
        {
            "carrier": pa.array(random.choice(["AA", "B6", "UA"], count).tolist()),
            "distance": pa.array(random.integers(90, 2500, count), pa.int64()),
            "temp": pa.array(temp, pa.float64()),
        }
    )


@functools.cache
def fit(seed: int = 0) -> Any:
    """Fit a pipeline in milliseconds; another seed gives other probabilities."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import DecisionTreeClassifier

    frame = training_rows().to_pandas()
    late = np.random.default_rng(seed).integers(0, 2, len(frame))
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), (SimpleImputer(), ["distance", "temp"])
    )
    return make_pipeline(prepare, DecisionTreeClassifier(max_depth=4, random_state=seed)).fit(frame[COLUMNS], late)


def store_model(store: ArtifactStore, fitted: Any, *, model: str = "flights", rows: pa.Table | None = None) -> ModelRef:
    """Write a fitted model as *train* does."""
    payload, serialization = model_file.dump_model(fitted)
    described = model_file.describe("model", payload, serialization)
    digest = described["digest"]
    ref = ModelRef(
        id=digest[:16],
        uri=store.uri(model, "models", digest[:16]),
        digest=digest,
        serialization=serialization,
        estimator="small",
        rows=60,
        features={},
    )
    table = training_rows() if rows is None else rows
    picked = golden.pick_golden(table, columns=table.column_names, sensitive=(), count=12, seed=1)
    store.write_bytes(model_file.model_uri(ref), payload)
    store.write_table(f"{ref.uri}/golden.parquet", picked)
    expected = golden.answers(fitted, picked.to_pandas())
    store.complete(ref.uri, {**described, "predict": golden.predict_method(fitted), "golden_predictions": expected})
    return ref


@dataclass
class Place:
    """A folder with artifacts and a ledger, as a server follows it."""

    folder: Path
    store: ArtifactStore
    ledger: Ledger

    @classmethod
    def at(cls, folder: Path) -> Place:
        """Open a folder; nothing is in it yet."""
        from airflow_mlops.artifacts import ArtifactStore

        return cls(folder, ArtifactStore.local(folder), Ledger(f"sqlite:///{folder / 'ledger.db'}"))

    def add(self, seed: int = 0, *, model: str = "flights") -> ModelRef:
        """Store a small model."""
        return store_model(self.store, fit(seed), model=model)

    def promote(self, ref: ModelRef, *, model: str = "flights", rows: dict[str, Any] | None = ROWS) -> tuple[str, int]:
        """Make a stored model the next version and champion; return version and epoch."""
        epoch = self.ledger.position(model) and self.ledger.state(model).epoch
        version = str(epoch + 1)
        payload: dict[str, Any] = {"model": {**ref.to_dict(), "version": version}}
        if rows is not None:
            payload["rows"] = rows
        at = MARCH + timedelta(days=epoch)
        self.ledger.promote(model, version, expected_epoch=epoch, payload=payload, at=at)
        return version, epoch + 1

    def deploying(
        self, outcome: str, ref: ModelRef, version: str, *, model: str = "flights", expected_epoch: int = 0
    ) -> None:
        """Record a phase of a deploy as `lifecycle.deploy` does."""
        payload: dict[str, Any] = {"outcome": outcome, "version": version, "expected_epoch": expected_epoch}
        if outcome == "prepared":
            payload.update(model={**ref.to_dict(), "version": version}, rows=ROWS)
        self.ledger.append(model, "deploy", f"{version}@{expected_epoch}:{outcome}", payload, at=MARCH)
