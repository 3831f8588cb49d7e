"""Names of rows, and the labels that were known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.loop.labels import row_id

KEY = ["flight", "scheduled"]


@pytest.mark.parametrize(
    "moment",
    [
        "2013-03-01T10:15:00+00:00",
        "2013-03-01T10:15:00Z",
        "2013-03-01 10:15",
        "2013-03-01T05:15:00-05:00",
        datetime(2013, 3, 1, 10, 15),
        datetime(2013, 3, 1, 10, 15, tzinfo=UTC),
        pd.Timestamp("2013-03-01 05:15", tz="America/New_York"),
        np.datetime64("2013-03-01T10:15", "ns"),
        np.datetime64("2013-03-01T10:15", "ms"),
    ],
    ids=str,
)
def test_one_time_in_any_form_names_one_row(moment):
    assert row_id({"flight": "UA1", "scheduled": moment}, KEY, "scheduled") == '["UA1","2013-03-01T10:15:00+00:00"]'


def test_fractions_of_a_second_tell_rows_apart():
    name = row_id({"scheduled": "2013-03-01T10:15:00.250Z"}, ["scheduled"], "scheduled")
    assert name == '["2013-03-01T10:15:00.250000+00:00"]'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1545, '"1545"'),
        (1545.0, '"1545"'),
        (np.int16(1545), '"1545"'),
        (np.float64(1545), '"1545"'),
        (Decimal("1.10"), '"1.1"'),
        (1.1, '"1.1"'),
        (True, '"true"'),
        (np.bool_(True), '"true"'),
        ("007", '"007"'),
        ("Zürich", '"Zürich"'),
        (date(2013, 3, 1), '"2013-03-01"'),
        ("nan", '"nan"'),
        (None, "null"),
        (float("nan"), "null"),
        (pd.NA, "null"),
        (pd.NaT, "null"),
        (np.datetime64("NaT"), "null"),
    ],
    ids=repr,
)
def test_a_value_has_one_text_whatever_type_carried_it(value, text):
    assert row_id({"k": value}, ["k"], "t") == f"[{text}]"


def test_a_missing_key_column_is_said_and_not_guessed():
    with pytest.raises(KeyError, match="flight"):
        row_id({"scheduled": "2013-03-01"}, KEY, "scheduled")
