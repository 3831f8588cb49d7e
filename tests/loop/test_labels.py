"""Names of rows, and the labels that were known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.errors import LabelsUnusable, SignalsUnusable, TrainingSetUnusable
from airflow_mlops.loop.labels import join_labels, known_labels, row_id
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


BY_ROW = DATA.model_copy(update={"labels": LabelsSpec(source=DATA.source, key=["id"], arrived="arrived")})


def labels_of(*found):
    """Labels from (row, label, day of arrival)."""
    return pd.DataFrame(found, columns=["id", "y", "arrived"])


def test_a_label_that_comes_again_counts_as_it_came_last():
    rows, asked = rows_of(1).drop(columns="y"), [prediction("r1")]
    assert joined(asked, rows, labels_of(("r1", 0, "2013-03-03"), ("r1", 1, "2013-03-09")), data=BY_ROW).frame[
        "y"
    ].tolist() == [1]


def test_two_labels_that_arrived_together_and_differ_are_refused():
    rows, asked = rows_of(1, 2).drop(columns="y"), [prediction("r1")]
    twice = labels_of(("r1", 0, "2013-03-03"), ("r1", 1, "2013-03-03"), ("r2", 1, "2013-03-03"))
    with pytest.raises(
        LabelsUnusable, match=r"^1 row has labels that arrived together and differ, such as id = r1: 0 and 1"
    ):
        joined(asked, rows, twice, data=BY_ROW)


def test_a_contradiction_that_has_not_arrived_yet_is_none():
    rows, asked = rows_of(1).drop(columns="y"), [prediction("r1")]
    later = labels_of(("r1", 0, "2013-03-03"), ("r1", 1, "2013-05-01"), ("r1", 0, "2013-05-01"))
    assert joined(asked, rows, later, data=BY_ROW).frame["y"].tolist() == [0]


def test_the_same_label_twice_is_one():
    rows, asked = rows_of(1).drop(columns="y"), [prediction("r1")]
    assert joined(asked, rows, labels_of(("r1", 1, "2013-03-03"), ("r1", 1, "2013-03-03")), data=BY_ROW).labelled == 1


def test_a_label_mended_in_a_later_snapshot_counts_as_mended():
    rows, asked = rows_of(1).drop(columns="y"), [prediction("r1")]
    first, mended = labels_of(("r1", 0, "2013-03-03")), labels_of(("r1", 1, "2013-03-03"))
    assert joined(asked, rows, first, mended, data=BY_ROW).frame["y"].tolist() == [1]


def test_an_empty_label_beside_one_says_nothing_and_a_later_one_takes_it_back():
    rows, asked = rows_of(1, 2).drop(columns="y"), [prediction("r1"), prediction("r2")]
    together = labels_of(("r1", 1, "2013-03-03"), ("r1", None, "2013-03-03"))
    taken_back = labels_of(("r2", 1, "2013-03-03"), ("r2", None, "2013-03-04"))
    assert joined(asked, rows, together, taken_back, data=BY_ROW).frame["id"].tolist() == ['["r1"]']


@pytest.mark.parametrize("when", ["nobody", "later"])
def test_no_label_yet_is_no_maturity_and_no_error(when):
    rows, asked = rows_of(1).drop(columns="y"), [prediction("r1")]
    labels = labels_of() if when == "nobody" else labels_of(("r1", 1, "2013-05-01"))
    found = joined(asked, rows, labels, data=BY_ROW)
    assert (found.rows, found.labelled) == (1, 0)


def test_labels_that_were_there_before_their_rows_are_refused():
    rows, asked = rows_of(1, 2, 3).drop(columns="y"), [prediction("r1")]
    early = labels_of(("r1", 0, "2013-02-27"), ("r2", 1, "2013-03-03"), ("r3", 1, "2013-03-04"))
    with pytest.raises(LabelsUnusable, match=r"1 of 3 labels arrived before the time of their row, such as id = r1"):
        joined(asked, rows, early, data=BY_ROW)


def test_a_hundredth_of_labels_may_be_known_before_the_event():
    times = pd.date_range("2013-03-01", periods=100, freq="h", tz="UTC")
    rows = pd.DataFrame({"id": [f"r{number}" for number in range(100)], "at": times})
    labels = pd.DataFrame({"id": rows["id"], "y": 1, "arrived": times + pd.Timedelta("1h")})
    labels.loc[50, "arrived"] = times[50] - pd.Timedelta("1h")
    assert known_labels(rows, [labels], data=BY_ROW, now=LATER)["y"].notna().all()


def test_an_arrival_that_is_no_time_is_said():
    rows, asked = rows_of(1).drop(columns="y"), [prediction("r1")]
    with pytest.raises(LabelsUnusable, match=r"column 'arrived' of the labels is no time"):
        joined(asked, rows, labels_of(("r1", 1, "soon")), data=BY_ROW)


# Labels that name an entity and a time

MACHINES = DataSpec.model_validate(
    {
        "source": {"kind": "file", "uri": "rows.csv", "format": "csv"},
        "time": "at",
        "key": ["id"],
        "target": "y",
        "labels": {
            "source": {"kind": "file", "uri": "labels.csv", "format": "csv"},
            "key": ["machine"],
            "time": "failed_at",
            "tolerance": "2d",
            "arrived": "arrived",
        },
    }
)


def readings(*days, machine="m1"):
    times = pd.to_datetime([f"2013-03-{day:02}" for day in days], utc=True)
    return pd.DataFrame({"id": [f"r{day}" for day in days], "at": times, "machine": machine})


def failures(*found):
    """Labels from (machine, label, its own time, arrival)."""
    return pd.DataFrame(found, columns=["machine", "y", "failed_at", "arrived"])


def known_of(rows, *labels, now=LATER):
    known = known_labels(rows, labels, data=MACHINES, now=now)
    return {row: label for row, label in zip(known["id"], known["y"], strict=True) if pd.notna(label)}


@pytest.mark.parametrize(
    ("moment", "labelled"),
    [
        ("2013-03-02T12:00", {"r1": 1}),
        ("2013-03-03T00:00", {"r3": 1}),
        ("2013-03-05T00:00", {"r3": 1}),
        ("2013-03-05T00:00:01", {}),
        ("2013-02-28", {}),
    ],
)
def test_a_label_with_a_time_belongs_to_its_entitys_latest_row_before_it(moment, labelled):
    assert known_of(readings(1, 3), failures(("m1", 1, moment, "2013-03-20"))) == labelled


def test_a_label_with_a_time_does_not_join_another_entity():
    rows = pd.concat([readings(1), readings(2, machine="m2")])
    assert known_of(rows, failures(("m1", 1, "2013-03-02T12:00", "2013-03-20"))) == {"r1": 1}


def test_of_two_labels_of_one_row_the_one_that_arrived_last_counts_whatever_their_own_times():
    twice = failures(("m1", 0, "2013-03-02", "2013-03-20"), ("m1", 1, "2013-03-01T12:00", "2013-03-21"))
    assert known_of(readings(1), twice) == {"r1": 1}
    assert known_of(readings(1), twice, now=datetime(2013, 3, 20, 12, tzinfo=UTC)) == {"r1": 0}


def test_a_label_with_a_time_that_arrived_before_its_row_is_refused():
    with pytest.raises(LabelsUnusable, match=r"1 of 1 labels arrived before"):
        known_of(readings(2), failures(("m1", 1, "2013-03-02T12:00", "2013-03-01")))


def test_rows_of_one_entity_and_time_all_get_the_label_and_come_once_each():
    rows = pd.concat([readings(1), readings(1).assign(id="again")], ignore_index=True)
    found = failures(("m1", 1, "2013-03-02", "2013-03-20"), ("m1", 1, "2013-03-02", "2013-03-20"))
    assert known_of(rows, found) == {"r1": 1, "again": 1}


def test_predictions_meet_labels_that_name_an_entity_and_a_time():
    asked = [prediction("r1"), prediction("r3"), prediction("r7")]
    labels = failures(("m1", 1, "2013-03-02", "2013-03-20"), ("m1", 0, "2013-03-08T12:00", "2013-03-20"))
    found = joined(asked, readings(1, 3, 7, 8), labels, data=MACHINES)
    # The second label is of the 8th, which lies after the window, and so is not taken for one of the 7th.
    assert found.frame["id"].tolist() == ['["r1"]']
    assert found.maturity == pytest.approx(1 / 3)


def test_labels_of_entities_written_in_another_type_are_refused():
    with pytest.raises(TrainingSetUnusable, match=r"'machine' is object and int64"):
        known_of(readings(1), failures((1, 1, "2013-03-02", "2013-03-20")))
