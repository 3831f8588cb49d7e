from __future__ import annotations

import pytest

from airflow_mlops.demo.faults import FAULTS, KILOMETRES_A_MILE, UnitChange, mend
from airflow_mlops.demo.flights import read_flights
from tests.conftest import utc

START, END = utc("2013-01-01T05:00:00"), utc("2013-01-04T05:00:00")
FAULT_FROM = utc("2013-01-03T05:00:00")


@pytest.fixture
def planted(tmp_path, monkeypatch):
    file = tmp_path / "faults.json"
    monkeypatch.setenv(FAULTS, str(file))
    UnitChange("distance", KILOMETRES_A_MILE, FAULT_FROM.isoformat(), END.isoformat()).plant(file)
    return file


def test_a_unit_change_hits_its_window_alone_and_keeps_the_type(planted, monkeypatch):
    broken = read_flights(START, END)
    monkeypatch.delenv(FAULTS)
    true = read_flights(START, END)

    assert broken.schema == true.schema
    before, after = true["scheduled"].to_numpy() < _bound(true), true["scheduled"].to_numpy() >= _bound(true)
    miles, arrived = true["distance"].to_numpy(), broken["distance"].to_numpy()
    assert (arrived[before] == miles[before]).all()
    assert arrived[after] == pytest.approx(miles[after] * KILOMETRES_A_MILE, abs=0.5)
    assert broken.drop_columns("distance").equals(true.drop_columns("distance"))


def test_a_mended_source_gives_its_rows_as_they_are(planted, monkeypatch):
    mend(planted)
    mended = read_flights(START, END)
    monkeypatch.delenv(FAULTS)

    assert mended.equals(read_flights(START, END))


def _bound(rows):
    import numpy as np

    return np.datetime64(FAULT_FROM.replace(tzinfo=None), rows["scheduled"].type.unit)
