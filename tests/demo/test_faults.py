from __future__ import annotations

import pytest

from airflow_mlops.demo.faults import FAULTS, KILOMETRES_A_MILE, UnitChange, mend
from airflow_mlops.demo.flights import read_flights
from tests.conftest import utc

DAY = utc("2013-01-03T05:00:00"), utc("2013-01-04T05:00:00")


@pytest.fixture(scope="module")
def true():
    return read_flights(*DAY)


@pytest.fixture
def planted(tmp_path, monkeypatch):
    file = tmp_path / "faults.json"
    monkeypatch.setenv(FAULTS, str(file))
    UnitChange("distance", KILOMETRES_A_MILE).plant(file)
    return file


def test_a_unit_change_hits_its_column_alone_and_keeps_the_type(true, planted):
    broken = read_flights(*DAY)

    assert broken.schema == true.schema
    miles, arrived = true["distance"].to_numpy(), broken["distance"].to_numpy()
    assert arrived == pytest.approx(miles * KILOMETRES_A_MILE, abs=0.5)
    assert broken.drop_columns("distance").equals(true.drop_columns("distance"))


def test_a_mended_source_gives_its_rows_as_they_are(true, planted):
    mend(planted)

    assert read_flights(*DAY).equals(true)
