"""The models that are measured: the flights under names of their own, so that each run starts afresh."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.spec import ModelSpec, load_spec

if TYPE_CHECKING:
    from airflow_mlops.demo.traffic import ServerClient

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "dags" / "specs"

# The first champion, a look at a good week, and the look at a worse one that asks for a training.
CHAMPION = datetime(2013, 3, 1, 5, tzinfo=UTC)
GOOD_WEEK = datetime(2013, 4, 12, 5, tzinfo=UTC)
BAD_WEEK = datetime(2013, 4, 19, 5, tzinfo=UTC)
# The labels of the last two days are not due yet; the two looks judge the two weeks before.
ASKED_FROM = GOOD_WEEK - timedelta(days=9)


def measured_spec(name: str) -> ModelSpec:
    """Return the shipped spec with a policy that asks for a training at the first window that is worse."""
    spec = load_spec(SPECS / "flights.yaml")
    plain = spec.model_dump(mode="json", by_alias=True)
    plain["name"] = name
    plain["retrain"]["policy"] |= {"threshold": 0.001, "allowance": 0}
    # A busy machine is to give a bad figure, not none.
    plain["deploy"]["max_latency_ms"] = 10_000
    changed = ModelSpec.model_validate(plain)
    changed._base_dir = spec.base_dir
    return changed


def write_dags(folder: Path, names: list[str]) -> Path:
    """Make a DAGs folder as a user would have it: one spec a model, and the file that makes DAGs of them."""
    (folder / "specs").mkdir(parents=True)
    shutil.copy(ROOT / "dags" / "mlops.py", folder)
    shutil.copy(SPECS / "flights.suite.yaml", folder / "specs")
    for name in names:
        plain = measured_spec(name).model_dump(mode="json", by_alias=True)
        (folder / "specs" / f"{name}.yaml").write_text(yaml.safe_dump(plain))
    return folder


def ask_two_weeks(server: ServerClient, name: str) -> None:
    """Ask the server about the flights of both windows, as the airline would have."""
    spec = measured_spec(name)
    columns = list(dict.fromkeys([*spec.data.key, spec.data.time, *spec.features.columns]))
    server.ask(name, read_flights(ASKED_FROM, BAD_WEEK), columns=columns)
