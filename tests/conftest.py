"""Shared by all tests: an Airflow home of their own, set before anything imports Airflow, and real flights."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

# Always new: a worker of pytest-xdist inherits the environment of the process that started it, and would share its
# database; and nobody's own Airflow is to be migrated by a test.
_HOME = Path(tempfile.mkdtemp(prefix="mlops-tests-"))
os.environ.update(
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(Path(__file__).parents[1] / "dags"),
    AIRFLOW__CORE__UNIT_TEST_MODE="True",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME / 'airflow.db'}",
    MLFLOW_DISABLE_TELEMETRY="true",
    DO_NOT_TRACK="true",
    MPLBACKEND="Agg",
    # Where two test processes share two cores, threads that wait by spinning take them from those they wait for.
    OMP_WAIT_POLICY="PASSIVE",
)

ROOT = Path(__file__).parents[1]


def utc(text: str) -> datetime:
    """Read an ISO time as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Migrate the metadata database once a session."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def january():
    """Flights of the first ten days of January 2013, as an Arrow table of about 8,800 rows."""
    from airflow_mlops.demo.flights import read_flights

    return read_flights(utc("2013-01-01T05:00:00"), utc("2013-01-11T05:00:00"))


@pytest.fixture(scope="session")
def july():
    """Flights of the first five days of July 2013: another season."""
    from airflow_mlops.demo.flights import read_flights

    return read_flights(utc("2013-07-01T04:00:00"), utc("2013-07-06T04:00:00"))


@pytest.fixture
def store(tmp_path):
    """An empty artifact store on local disk."""
    from airflow_mlops.artifacts import ArtifactStore

    return ArtifactStore.local(tmp_path / "artifacts")


@pytest.fixture(scope="session")
def fresh_mlflow_db(tmp_path_factory):
    """An initialised database of MLflow: making one takes seconds, copying it nothing."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments(max_results=1)
    return path


@pytest.fixture
def flights_spec():
    """The shipped spec of the flights, for a few days of data and no server: labels are known at once."""
    from airflow_mlops.spec import load_spec

    return at_once(load_spec(ROOT / "dags" / "specs" / "flights.yaml"))


def at_once(spec: ModelSpec) -> ModelSpec:
    """Return a spec whose labels are known at once, and which no server serves."""
    from airflow_mlops.spec import ModelSpec

    plain = spec.model_dump(mode="json", by_alias=True)
    plain["data"]["label_delay"], plain["deploy"]["server"] = "0d", None
    changed = ModelSpec.model_validate(plain)
    changed._base_dir = spec.base_dir
    return changed
