from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import compute

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
    UnitChange("distance", KILOMETRES_A_MILE, since=DAY[0]).plant(file)
    return file


def test_a_unit_change_hits_its_column_alone_and_keeps_the_type(true, planted):
    broken = read_flights(*DAY)

    assert broken.schema == true.schema
    miles, arrived = true["distance"].to_numpy(), broken["distance"].to_numpy()
    assert arrived == pytest.approx(miles * KILOMETRES_A_MILE, abs=0.5)
    assert broken.drop_columns("distance").equals(true.drop_columns("distance"))


def test_rows_of_earlier_times_arrive_as_they_are(true, planted):
    noon = utc("2013-01-03T17:00:00")
    UnitChange("distance", KILOMETRES_A_MILE, since=noon).plant(planted)

    broken = read_flights(*DAY)

    is_early = compute.less(true["scheduled"], pa.scalar(noon, true["scheduled"].type))
    assert broken.filter(is_early).equals(true.filter(is_early))
    after, miles = (table.filter(compute.invert(is_early))["distance"].to_numpy() for table in (broken, true))
    assert after == pytest.approx(miles * KILOMETRES_A_MILE, abs=0.5)


def test_a_mended_source_gives_its_rows_as_they_are(true, planted):
    mend(planted)

    assert read_flights(*DAY).equals(true)
