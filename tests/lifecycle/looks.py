"""A served model of ten January days, looked at every other day: small models, made quickly, and no operator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.tick import Tick
from airflow_mlops.refs import ModelRef, SnapshotRef
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.lifecycle.tick import Decided

COLUMNS = ["carrier", "distance", "temp", "sched_dep_time"]
OWN_LABELS = {
    "source": {"kind": "callable", "path": "airflow_mlops.demo.flights.read_flights"},
    "key": ["flight", "origin", "scheduled"],
    "arrived": "arrived",
}


def day(number: float) -> datetime:
    """Return a morning of January 2013."""
    return datetime(2013, 1, 1, 5, tzinfo=UTC) + timedelta(days=number - 1)


def small_spec(spec: ModelSpec, **sections: Any) -> ModelSpec:
    """Return the flights spec for looks at two days, with a few columns."""
    plain = spec.model_dump(mode="json", by_alias=True)
    plain["features"] |= {"columns": COLUMNS, "derive": {}}
    plain["monitor"] |= {"window": "2d", "min_labels": 100}
    plain["retrain"] |= {"policy": {"kind": "committee"}}
    for name, values in sections.items():
        plain[name] |= values
    changed = ModelSpec.model_validate(plain)
    changed._base_dir = spec.base_dir
    return changed


@dataclass
class Place:
    """Everything of one model in a folder.

    Parameters
    ----------
    folder : Path
        Empty.
    rows : Table
        Ten days of flights.
    spec : ModelSpec
        From `small_spec`.
    """

    folder: Path
    rows: pa.Table
    spec: ModelSpec
    trained: dict[str, ModelRef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = ArtifactStore.local(self.folder)
        self.ledger = Ledger(f"sqlite:///{self.folder}/ledger.db")
        self.frame = self.rows.to_pandas()

    def between(self, start: datetime, end: datetime) -> Any:
        """Return the rows of a stretch."""
        times = self.frame["scheduled"]
        return self.frame[(times >= start) & (times < end)]

    def snapshot(self, frame: Any, name: str, *, start: datetime, end: datetime) -> SnapshotRef:
        """Store rows, or labels."""
        uri = self.store.uri("flights", "snapshots", name)
        digest = self.store.write_table(f"{uri}/data.parquet", pa.Table.from_pandas(frame, preserve_index=False))
        return SnapshotRef(name, uri, digest, len(frame), frame.shape[1], start.isoformat(), end.isoformat())

    def train(
        self, name: str, *, since: datetime, until: datetime, at: datetime, holdout: datetime | None = None
    ) -> ModelRef:
        """Fit a logistic regression on the rows of a stretch, and record it."""
        from sklearn.compose import make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        from airflow_mlops.stages import model_file

        numbers = make_pipeline(SimpleImputer(), StandardScaler())
        columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]), (numbers, COLUMNS[1:]))
        known = self.between(since, until).dropna(subset=["late"])
        fitted = make_pipeline(columns, LogisticRegression(max_iter=200)).fit(known[COLUMNS], known["late"].astype(int))
        payload, form = model_file.dump_model(fitted)
        described, uri = model_file.describe("model", payload, form), self.store.uri("flights", "models", name)
        self.store.write_bytes(f"{uri}/{described['file']}", payload)
        self.store.complete(uri, described)
        seen = self.snapshot(known, f"seen_{name}", start=since, end=until)
        features = {"holdout_start": (holdout or until).isoformat(), "snapshots": [seen.to_dict()]}
        ref = ModelRef(name, uri, described["digest"], form, "linear", len(known), features)
        self.trained[name] = ref
        self.ledger.append("flights", "train", name, ref.to_dict(), at=at, run=name)
        return ref

    def promote(self, name: str, version: str, *, at: datetime, **changes: Any) -> None:
        """Let a version serve from a moment on."""
        epoch = self.ledger.state("flights").epoch
        model = replace(self.trained[name], version=version, **changes).to_dict()
        evaluation = {"id": f"e{version}", "epoch": epoch, "verdict": "pass", "trained_id": name, "metrics": {}}
        self.ledger.append("flights", "evaluate", f"e{version}", evaluation, at=at, run=name)
        payload = {"model": model, "evaluation": evaluation}
        self.ledger.promote("flights", version, expected_epoch=epoch, payload=payload, at=at)

    def look(
        self, now: datetime, *, run: str = "monitor", labels: Any = None, verdict: str = "passed", **changes: Any
    ) -> Decided:
        """Look at the last two days as the monitor does."""
        start = now - timedelta(days=2)
        name = f"{start:%d}-{now:%d}"
        frame = self.between(start, now)
        if labels is not None:
            arrived = (labels["arrived"] >= start) & (labels["arrived"] < now)
            told = self.snapshot(labels[arrived], f"labels_{name}", start=start, end=now)
            frame = frame.drop(columns="late")
        rows = self.snapshot(frame, f"rows_{name}", start=start, end=now)
        worst = [{"severity": "critical", "message": "temp is in another unit"}] if verdict == "failed" else []
        judged = {"ref": {"verdict": verdict, "summary": {"worst": worst}}}
        self.ledger.append("flights", "validate", f"{name}:{verdict}", judged, at=now)
        return Tick(
            spec=changes.pop("spec", self.spec),
            store=self.store,
            ledger=self.ledger,
            now=now,
            snapshot=rows,
            labels=told if labels is not None else None,
            judgement=f"{name}:{verdict}",
            read_log=None,
            **changes,
        ).decide(run=run)
