"""Names of rows, and the labels that were known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.loop.labels import join_labels, row_id
from airflow_mlops.spec.sections import DataSpec, LabelsSpec

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
        (date(2013, 3, 1), '"2013-03-01T00:00:00+00:00"'),
        ("2013-03-01", '"2013-03-01T00:00:00+00:00"'),
        ("2013-03-01-A", '"2013-03-01-A"'),
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


DATA = DataSpec.model_validate(
    {
        "source": {"kind": "file", "uri": "rows.csv", "format": "csv"},
        "time": "at",
        "key": ["id"],
        "target": "y",
        "label_delay": "2d",
    }
)
START, END = datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 8, tzinfo=UTC)
LATER = datetime(2013, 4, 1, tzinfo=UTC)


def rows_of(*days, y=1):
    times = pd.to_datetime([f"2013-03-{day:02}" for day in days], utc=True)
    return pd.DataFrame({"id": [f"r{day}" for day in days], "at": times, "y": y})


def prediction(row, *, time=None, received=None, version="1", output=0.5):
    return {
        "id": row_id({"id": row}, ["id"], "at"),
        "time": time or f"2013-03-{int(row[1:]):02}T00:00:00Z",
        "received_at": received or f"2013-03-{int(row[1:]):02}T00:00:00Z",
        "version": version,
        "epoch": int(version),
        "features": {"x": 1},
        "output": output,
    }


def joined(predictions, rows, *labels, now=LATER, data=DATA):
    return join_labels(pd.DataFrame(predictions), rows, labels, data=data, start=START, end=END, now=now)


def test_predictions_of_the_window_meet_their_labels():
    found = joined([prediction("r1"), prediction("r7"), prediction("r8")], rows_of(1, 7, 8, y=[0, 1, 1]))
    assert found.frame[["version", "epoch", "output", "y"]].values.tolist() == [["1", 1, 0.5, 0], ["1", 1, 0.5, 1]]
    assert (found.rows, found.labelled, found.maturity) == (2, 2, 1.0)


def test_a_label_that_is_not_due_yet_is_not_seen():
    found = joined([prediction("r1"), prediction("r7")], rows_of(1, 7), now=datetime(2013, 3, 8, tzinfo=UTC))
    assert (found.rows, found.labelled, found.maturity) == (2, 1, 0.5)


def test_a_prediction_whose_row_never_came_counts_as_not_labelled():
    assert joined([prediction("r1"), prediction("r2")], rows_of(1)).maturity == 0.5


def test_no_predictions_are_no_maturity():
    assert joined(pd.DataFrame(columns=list(prediction("r1"))), rows_of(1)).maturity == 0.0


def test_of_several_answers_the_last_before_the_label_was_due_counts():
    answers = [
        prediction("r1", received="2013-03-01T00:00:00Z", output=0.1),
        prediction("r1", received="2013-03-02T00:00:00Z", output=0.2),
        prediction("r1", received="2013-03-05T00:00:00Z", output=0.3, version="2"),
    ]
    found = joined(answers, rows_of(1))
    assert found.frame["output"].tolist() == [0.2]
    assert found.rows == 1


def test_of_answers_that_all_came_after_the_label_the_first_counts():
    answers = [
        prediction("r1", received="2026-01-01T00:00:00Z", output=0.1),
        prediction("r1", received="2026-01-02T00:00:00.5Z", output=0.2, version="2"),
    ]
    assert joined(answers, rows_of(1)).frame["output"].tolist() == [0.1]


def test_a_prediction_without_a_time_takes_that_of_its_row():
    found = joined([prediction("r1") | {"time": None}, prediction("r9") | {"time": None}], rows_of(1, 9))
    assert found.frame["time"].tolist() == [pd.Timestamp("2013-03-01", tz="UTC")]


def test_scored_rows_join_without_a_time_of_receipt():
    scored = pd.DataFrame([prediction("r1"), prediction("r2")]).drop(columns=["received_at", "features"])
    assert joined(scored, rows_of(1, 2)).labelled == 2


def test_labels_of_their_own_source_count_as_they_were_known():
    data = DATA.model_copy(update={"labels": LabelsSpec(source=DATA.source, key=["id"], arrived="arrived")})
    labels = pd.DataFrame(
        {
            "id": ["r1", "r1", "r2"],
            "y": [0, 1, 1],
            "arrived": ["2013-03-03", "2013-03-09", "2013-05-01"],
        }
    )
    rows = rows_of(1, 2).drop(columns="y")
    found = joined([prediction("r1"), prediction("r2")], rows, labels, data=data)
    assert found.frame["y"].tolist() == [1]
    early = joined([prediction("r1")], rows, labels, data=data, now=datetime(2013, 3, 8, tzinfo=UTC))
    assert early.frame["y"].tolist() == [0]


def test_without_a_key_no_label_is_joined():
    with pytest.raises(SignalsUnusable, match=r"data\.key names no column"):
        joined([prediction("r1")], rows_of(1), data=DATA.model_copy(update={"key": []}))
