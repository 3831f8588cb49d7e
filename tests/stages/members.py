"""Small real models for committees: each task's shipped spec, trained on three windows of January 2013."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.demo.arrivals import read_arrivals
from airflow_mlops.demo.bands import read_bands
from airflow_mlops.demo.flights import read_flights
from airflow_mlops.spec import load_spec
from airflow_mlops.stages.committee import assemble_committee
from airflow_mlops.stages.features import build_features
from airflow_mlops.stages.train import train
from tests.conftest import ROOT

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.spec import ModelSpec

TASKS = {
    "binary": ("flights", read_flights),
    "multiclass": ("delay_band", read_bands),
    "regression": ("arrival_delay", read_arrivals),
}
WEIGHTS = {"3": 0.5, "5": 0.3, "8": 0.2}
CORRECTIONS = {"binary": 0.2, "multiclass": [0.3, -0.1, -0.3, 0.1], "regression": -4.5}
NEW_YEAR = datetime(2013, 1, 1, 5, tzinfo=UTC)


def spec_of(task: str, **section: Any) -> ModelSpec:
    """Return the task's spec with few trees; the flights' with a column of many values, which is target-encoded."""
    spec = load_spec(ROOT / "dags" / "specs" / f"{TASKS[task][0]}.yaml")
    params = {**spec.train.params, "max_iter": 12, "min_samples_leaf": 30}
    chosen = spec.train.model_copy(update={"params": params, **section})
    columns = [*spec.features.columns, *(["flight"] if task == "binary" else [])]
    features = spec.features.model_copy(update={"columns": columns})
    return spec.model_copy(update={"train": chosen, "features": features})


@functools.cache
def days(task: str, first: int, last: int) -> pd.DataFrame:
    """Read the task's labelled rows of some days of January, the last one left out."""
    spec, read = spec_of(task), TASKS[task][1]
    rows = read(NEW_YEAR + timedelta(days=first - 1), NEW_YEAR + timedelta(days=last - 1)).to_pandas()
    return rows.dropna(subset=[spec.data.target]).reset_index(drop=True)


def fit(task: str, rows: pd.DataFrame, **section: Any) -> Any:
    """Train as the stages do."""
    spec = spec_of(task, **section)
    matrix = build_features(rows, spec=spec)
    features = matrix.frame.assign(**{spec.data.target: rows[spec.data.target]})
    return train(features, transformer=matrix.transformer, spec=spec, categorical=matrix.categorical).model


@functools.cache
def members(task: str) -> dict[str, Any]:
    """Train versions on three windows, by the names in `WEIGHTS`."""
    windows = {"3": (1, 4), "5": (3, 6), "8": (5, 8)}
    return {version: fit(task, days(task, *window)) for version, window in windows.items()}


def asked(task: str) -> pd.DataFrame:
    """Return raw rows of two later days, with values that no member has seen."""
    return days(task, 8, 10)[spec_of(task).features.columns]


@functools.cache
def committee_of(task: str) -> Any:
    """Assemble the three with the task's correction."""
    return assemble_committee(members(task), task=task, weights=WEIGHTS, correction=CORRECTIONS[task])
