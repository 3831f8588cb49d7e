"""A ledger and an Airflow database as a house with many models has them, written in bulk."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.ledger.database import Database
from airflow_mlops.ledger.overviews import row_of
from airflow_mlops.ledger.tables import events_table, overview_table, state_table
from benchmarks.ui.life import rows_of

if TYPE_CHECKING:
    from pathlib import Path

# DAGs of a model, those that need a section of the spec among them.
KINDS = ("retrain", "monitor", "score", "actions", "bake", "drill", "backtest")
SMALL, LARGE = "with_1000", "with_100000"
_EVENTS = {SMALL: 1000, LARGE: 100_000}


def names_of(models: int) -> list[str]:
    """Name the models; two of them are asked for their page."""
    return [SMALL, LARGE, *(f"model_{number:04d}" for number in range(models - 2))]


def write_ledger(artifacts: Path, models: int, events: int) -> int:
    """Write so many events of so many models into an empty store and its ledger; return how many there are then."""
    each = max(1, (events - sum(_EVENTS.values())) // (models - 2))
    written, store = 0, f"file://{artifacts}"
    with Database(f"sqlite:///{artifacts}/ledger.db").write() as connection:
        for seed, name in enumerate(names_of(models)):
            count = _EVENTS.get(name, each)
            rows, state, overview = rows_of(name, count, seed, store)
            connection.execute(events_table.insert(), rows)
            connection.execute(state_table.insert().values(**state))
            connection.execute(overview_table.insert().values(**row_of(name, overview)))
            written += count
            if name in _EVENTS:
                _write_models(artifacts, name, rows)
    return written


def _write_models(artifacts: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Put what marks a trained model as whole into the store, so that a rollback has something to choose from."""
    for row in rows:
        if row["kind"] == "train":
            folder = artifacts / name / "models" / row["key"]
            folder.mkdir(parents=True)
            spec = json.dumps({"name": name, "description": "A model that nobody trained."})
            (folder / "manifest.json").write_text(json.dumps({"spec": spec}))


def set_airflow_up(folder: Path) -> None:
    """Point this process to an Airflow of its own in a folder; to be called before Airflow is imported."""
    own = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW__MLOPS__ARTIFACTS_URI": f"file://{folder}/artifacts",
    }
    os.environ.update(own)


def write_dags(models: int) -> int:
    """Write the rows of every model's DAGs, and of others; return how many DAGs there are."""
    from airflow import settings
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from sqlalchemy import insert

    initdb()
    dags, tags = [], []
    coming = datetime.now(UTC) + timedelta(hours=1)
    for number, name in enumerate(names_of(models)):
        owner = f"team-{number % 40:02d}"
        for kind in KINDS:
            dag_id = f"{name}_{kind}"
            dags.append(_dag(dag_id, owner, coming if kind in ("retrain", "monitor") else None))
            tags += [
                {"dag_id": dag_id, "name": tag} for tag in ("mlops", kind, f"area-{number % 25}", f"tier-{number % 3}")
            ]
        other = f"etl_{number:04d}"
        dags.append(_dag(other, owner, None))
        tags += [{"dag_id": other, "name": "etl"}, {"dag_id": other, "name": f"area-{number % 25}"}]
    with settings.Session() as session:
        session.merge(DagBundleModel(name="dags"))
        session.flush()
        session.execute(insert(DagModel), dags)
        session.execute(insert(DagTag), tags)
        session.commit()
    return len(dags)


def _dag(dag_id: str, owner: str, coming: datetime | None) -> dict[str, object]:
    return {
        "dag_id": dag_id,
        "bundle_name": "dags",
        "fileloc": f"/dags/{dag_id}.py",
        "owners": owner,
        "is_paused": False,
        "is_stale": False,
        "next_dagrun_create_after": coming,
        "max_active_tasks": 16,
        "max_consecutive_failed_dag_runs": 0,
        "has_task_concurrency_limits": False,
    }
