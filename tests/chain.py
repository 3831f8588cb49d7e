"""Drive all operators by hand over ten real days, as a hand-written DAG would."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

from airflow_mlops import operators
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.spec import ModelSpec, load_spec
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

STAGES = (
    *("request", "ingest", "validate", "features", "train", "weigh", "evaluate", "register"),
    *("approve", "deploy"),
    *("drift", "decide", "score", "reproduce", "reconcile", "notify"),
)
# No stages of a model's life: they replay years of it, or act on what serves, and have tests of their own.
APART = {"backtest", "bake", "drill", "freeze", "override", "rollback"}
NOW = "2013-01-11T05:00:00+00:00"


def found_operators() -> dict[str, type[StageOperator]]:
    """Return every operator of a stage, however deep its module lies."""
    found = {}
    for module in pkgutil.walk_packages(operators.__path__, f"{operators.__name__}."):
        for _, item in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            # A base of several operators has no stage of its own.
            stage = getattr(item, "stage", None) if issubclass(item, StageOperator) else None
            if stage is not None and stage not in APART:
                found[stage] = item
    return found


def ten_days() -> ModelSpec:
    """Return the flights spec cut to ten days and a small model."""
    spec = load_spec(ROOT / "dags" / "specs" / "flights.yaml")
    small = spec.model_dump(mode="json", by_alias=True)
    small["ingest"]["window"], small["evaluate"]["holdout"], small["monitor"]["window"] = "10d", "2d", "5d"
    small["evaluate"]["gate"]["block"] = "6h"
    small["train"]["params"] = {"max_iter": 20, "max_leaf_nodes": 15}
    small["deploy"]["golden_rows"], small["deploy"]["server"], small["data"]["label_delay"] = 20, None, "0d"
    small["retrain"]["now"] = NOW
    # A machine that does much else at once must not refuse a model.
    small["deploy"]["max_latency_ms"] = 30_000
    reduced = ModelSpec.model_validate(small)
    reduced._base_dir = spec.base_dir
    return reduced


class Chain:
    """All stages of one model in a folder; each takes what the ones before returned.

    Parameters
    ----------
    folder : Path
        Where artifacts, ledger and MLflow's database go.
    spec : ModelSpec or None
        Default: `ten_days`.
    """

    def __init__(self, folder: Path, spec: ModelSpec | None = None) -> None:
        self.folder = folder
        self.spec = spec or ten_days()
        self.results: dict[str, Any] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What the environment of a task must say."""
        return {"AIRFLOW_CONN_MLFLOW_DEFAULT": f'{{"conn_type": "mlflow", "host": "{self.folder / "mlflow.db"}"}}'}

    @property
    def ledger(self) -> Ledger:
        """The ledger beside the artifacts."""
        return Ledger(f"sqlite:///{self.folder / 'artifacts' / 'ledger.db'}")

    @property
    def judgement(self) -> str | None:
        """Key of the newest judgement of rows, as a monitor's *validate* pushes it; None before there is one."""
        if self.ledger.is_missing:
            return None
        event = self.ledger.state(self.spec.name).last.get("validate")
        return event.key if event else None

    def operator(self, stage: str, **changes: Any) -> StageOperator:
        """Make an operator as a DAG would, with inputs in place of templates."""
        place = {"artifacts_uri": str(self.folder / "artifacts"), "now": NOW}
        arguments = {"task_id": stage, "spec": self.spec, **place, **self.inputs(stage), **changes}
        return found_operators()[stage](**arguments)

    def inputs(self, stage: str) -> dict[str, Any]:
        """Return the stage's own inputs; a stage that has not run counts as None."""
        done = self.results.get
        return {
            "request": {"window": None, "reason": "a test"},
            "ingest": {},
            "validate": {"snapshot": done("ingest")},
            "features": {"snapshots": [done("ingest")]},
            "train": {"features": done("features")},
            "weigh": {"model": done("train"), "request": done("request")},
            "evaluate": {"model": done("train")},
            "register": {"model": done("train"), "evaluation": done("evaluate")},
            "approve": {"model": done("register"), "evaluation": done("evaluate"), "ask": "", "first": None},
            "deploy": {"model": done("register"), "evaluation": done("evaluate")},
            "drift": {"current": done("ingest")},
            "decide": {"snapshot": done("ingest"), "judgement": self.judgement},
            "score": {"snapshot": done("ingest")},
            "reproduce": {"version": None},
            "reconcile": {},
            "notify": {},
        }[stage]

    def run(self, stage: str, *, run_id: str = "manual__1", **changes: Any) -> Any:
        """Run one stage and keep what it returns."""
        self.results[stage] = self.operator(stage, **changes).execute({"run_id": run_id})
        return self.results[stage]

    def run_all(self, *, run_id: str = "manual__1") -> dict[str, Any]:
        """Run all in order."""
        for stage in STAGES:
            self.run(stage, run_id=run_id)
        return dict(self.results)
