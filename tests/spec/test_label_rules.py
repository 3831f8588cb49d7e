"""Rules over labels that have a source of their own, and over columns whose values a person accepts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from airflow_mlops.errors import SpecError
from airflow_mlops.spec import load_spec
from tests.conftest import ROOT

FLIGHTS = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())
LABELS = {
    "source": {"kind": "file", "uri": "labels.csv", "format": "csv"},
    "key": ["flight"],
    "arrived": "arrived",
    "time": "landed",
    "tolerance": "1d",
}


@pytest.fixture
def load(tmp_path):
    (tmp_path / "flights.suite.yaml").write_text((ROOT / "dags" / "specs" / "flights.suite.yaml").read_text())

    def _load(section: str, **keys: Any):
        path = tmp_path / "flights.yaml"
        path.write_text(yaml.safe_dump({**FLIGHTS, section: {**FLIGHTS.get(section, {}), **keys}}))
        return load_spec(path)

    return _load


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"time": None}, r"labels\.tolerance: says how far .* but data\.labels\.time names no column"),
        ({"tolerance": None}, r"labels\.tolerance: is missing: by data\.labels\.time \('landed'\) alone"),
        ({"key": ["flight", "scheduled"]}, r"labels\.time: is not needed: data\.labels\.key holds 'scheduled'"),
        ({"key": ["flight", "arrived"]}, r"labels\.arrived: 'arrived' is in data\.labels\.key: no row knows"),
        ({"key": ["late"]}, r"labels\.key: holds the target 'late'"),
    ],
)
def test_labels_that_cannot_find_their_row_are_refused(load, changed, expected):
    with pytest.raises(SpecError, match=expected):
        load("data", labels={name: value for name, value in (LABELS | changed).items() if value is not None})


def test_labels_by_entity_and_time_load(load):
    assert load("data", labels=LABELS).data.labels.tolerance == timedelta(days=1)


def test_a_column_that_is_accepted_must_be_one_of_the_specs(load):
    with pytest.raises(SpecError, match=r"validate\.accept\[0\]: 'orgin' is no column .*did you mean 'origin'"):
        load("validate", accept=["orgin"])


@pytest.mark.parametrize(("reopen", "days"), [(None, 2 + 4 * 7), ("10d", 12), ("0d", 2)])
def test_a_window_waits_for_its_labels_from_when_they_are_due(load, reopen, days):
    keys = {} if reopen is None else {"reopen": reopen}
    assert load("monitor", **keys).label_wait == timedelta(days=days)
