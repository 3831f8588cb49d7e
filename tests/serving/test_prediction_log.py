"""The prediction log: what an answer waits for is there after any crash, once, and as it was given."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import ArtifactCorrupt, PredictionLogMisuse, PredictionLogUnwritable
from airflow_mlops.serving.metrics import Metrics
from airflow_mlops.serving.prediction_log import PredictionLog, Record, compaction, read_predictions
from airflow_mlops.serving.prediction_log import log as log_module
from airflow_mlops.serving.prediction_log.compaction import compact
from airflow_mlops.serving.prediction_log.table import skipped_lines
from airflow_mlops.serving.recording import LogRecorder
from tests.conftest import ROOT

NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)
ALWAYS = {"start": datetime(1, 1, 2, tzinfo=UTC), "end": datetime(9999, 12, 30, tzinfo=UTC)}
PATIENCE_S = 30.0


def flight(number, *, minutes=0, output=0.25, **changes):
    fields = {
        "id": f'["UA","{number}"]', "time": NOON + timedelta(minutes=minutes), "received_at": NOON, "model": "flights",
        "version": "7", "epoch": 3, "features": {"carrier": "UA", "distance": 719.0}, "output": output,
    }  # fmt: skip
    return Record(**{**fields, **changes})


def everything(store, **where):
    return read_predictions(store, "flights", **{**ALWAYS, **where})


def numbers(table):
    return [json.loads(text)[1] for text in table["id"].to_pylist()]


def segments(store):
    return sorted(Path(store.root).glob("*/predictions/segments/*.jsonl"))


def parquet_files(store):
    return sorted(Path(store.root).glob("*/predictions/*.parquet"))


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert holds()


@contextmanager
def writing(store, **options):
    """A log whose threads do not run, so that nothing happens but what the test does."""
    log = PredictionLog(store, **options)
    yield log
    log.close()


@pytest.fixture
def log(store):
    with writing(store) as opened:
        yield opened


@pytest.fixture
def left_behind(store):
    """The only segment of a process that is gone, with three records."""
    log = PredictionLog(store)
    log.append("flights", [flight(1), flight(2), flight(3)])
    release(log)
    return segments(store)[0]


def release(log):
    """Give the locks back as the end of a process does: without compaction."""
    for segment in log._open.values():
        segment.close()


# What is written


def test_a_record_reads_back_as_it_was_given(store, log):
    received_at = datetime(2013, 3, 1, 11, 59, 0, 123456, tzinfo=UTC)
    log.append("flights", [flight(1, output=[0.75, 0.25], received_at=received_at)])

    assert everything(store).to_pylist() == [
        {
            "id": '["UA","1"]', "time": NOON, "received_at": received_at, "model": "flights", "version": "7",
            "epoch": 3, "output": [0.75, 0.25], "label": None, "features": '{"carrier":"UA","distance":719.0}',
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "columns"),
    [
        (0.5, ([0.5], None)),
        (3, ([3.0], None)),
        (True, ([1.0], None)),
        (None, ([None], None)),
        ([0.5, None], ([0.5, None], None)),
        ("late", (None, "late")),
        ("0.5", (None, "0.5")),
        (["late", "early"], (None, '["late","early"]')),
        (["0.5"], (None, '["0.5"]')),
        ([[0.25, 0.75]], (None, "[[0.25,0.75]]")),
        ({"late": 0.5}, (None, '{"late":0.5}')),
        (10**18 * 1.0, ([1e18], None)),
    ],
)
def test_a_number_a_label_and_probabilities_can_be_told_apart(store, log, output, columns):
    log.append("flights", [flight(1, output=output)])

    from_segment = everything(store).to_pylist()[0]
    log.close()
    row = everything(store).to_pylist()[0]

    assert (row["output"], row["label"]) == columns
    assert from_segment == row
    assert log.status()["skipped_lines"] == 0


def test_values_of_numpy_are_written_as_json_has_them(store, log):
    import numpy as np

    features = {"hour": np.int64(7), "late": np.bool_(True), "wind": np.float32(0.5)}
    log.append("flights", [flight(1, features=features, output=np.array([0.5, 0.5]))])

    row = everything(store).to_pylist()[0]

    assert json.loads(row["features"]) == {"hour": 7, "late": True, "wind": 0.5}
    assert row["output"] == [0.5, 0.5]


def test_times_of_every_zone_come_back_as_the_same_moment_in_utc(store, log):
    new_york = datetime(2013, 3, 1, 7, tzinfo=timezone(timedelta(hours=-5)))
    log.append("flights", [flight(1, time=new_york, received_at=datetime(2013, 3, 1, 12, 0, 0, 1))])

    row = everything(store).to_pylist()[0]

    assert row["time"] == NOON
    assert row["received_at"] == NOON + timedelta(microseconds=1)


def test_versions_with_different_columns_share_a_log(store, log):
    log.append("flights", [flight(1), flight(2, version="8", features={"wind_gust": 20.0, "crew": None})])

    assert [json.loads(text) for text in everything(store)["features"].to_pylist()] == [
        {"carrier": "UA", "distance": 719.0},
        {"wind_gust": 20.0, "crew": None},
    ]


JSON_VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text()


def as_json_has_it(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


@settings(max_examples=60, deadline=None)
@given(
    identity=st.text(),
    label=st.text(),
    features=st.dictionaries(st.text(), JSON_VALUES, max_size=5),
    output=st.lists(st.floats(), max_size=4),
    moment=st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.just(UTC)),
)
def test_any_text_and_number_survives_line_and_parquet(identity, label, features, output, moment):
    with tempfile.TemporaryDirectory() as folder:
        store = ArtifactStore.local(folder)
        with writing(store) as log:
            given = flight(1, id=identity, features=features, output=output, time=moment)
            log.append("flights", [given, flight(2, output=label, time=moment, received_at=NOON + timedelta(1))])
            open_rows = everything(store).to_pylist()
        rows = everything(store).to_pylist()

    assert rows == open_rows
    assert (rows[0]["id"], rows[0]["time"], rows[1]["label"]) == (identity, moment, label)
    assert json.loads(rows[0]["features"]) == {name: as_json_has_it(value) for name, value in features.items()}
    assert rows[0]["output"] == [as_json_has_it(value) for value in output]


def test_half_of_a_surrogate_pair_costs_no_record(store, log):
    log.append("flights", [flight(1, features={"note": "\ud800"}), flight(2, output="\udfff", id="\ud83d")])

    rows = everything(store).to_pylist()

    assert json.loads(rows[0]["features"]) == {"note": "\ud800"}
    assert (rows[1]["id"], rows[1]["label"]) == ("\\ud83d", "\\udfff")


def test_an_open_segment_is_plain_json_lines(store, log):
    log.append("flights", [flight(1), flight(2)])

    lines = [json.loads(line) for line in segments(store)[0].read_text().splitlines()]

    assert [line["id"] for line in lines] == ['["UA","1"]', '["UA","2"]']
    assert lines[0]["time"] == "2013-03-01T12:00:00.000000+00:00"


# What is read


def test_an_empty_log_is_an_empty_table_with_the_columns(store):
    table = everything(store)

    assert table.num_rows == 0
    assert table.column_names == [
        "id", "time", "received_at", "model", "version", "epoch", "output", "label", "features",
    ]  # fmt: skip


def test_rows_come_by_event_time_then_by_arrival_from_files_and_segments_alike(store):
    late = NOON + timedelta(seconds=1)
    with writing(store) as earlier:
        earlier.append("flights", [flight(3, minutes=3), flight(2, minutes=1, received_at=late)])
    with writing(store) as open_log:
        open_log.append("flights", [flight(4, minutes=4), flight(1, minutes=1)])

        assert numbers(everything(store)) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("is_compacted", [True, False])
def test_the_window_takes_its_start_and_leaves_its_end(store, is_compacted):
    log = PredictionLog(store)
    log.append("flights", [flight(minute, minutes=minute) for minute in range(5)])
    if is_compacted:
        log.close()

    table = everything(store, start=NOON + timedelta(minutes=1), end=NOON + timedelta(minutes=3))

    assert numbers(table) == ["1", "2"]


def test_a_file_outside_the_window_is_not_opened(store):
    with writing(store, roll_rows=1) as log:
        log.append("flights", [flight(1)])
        log.append("flights", [flight(2, minutes=60)])
    parquet_files(store)[0].write_bytes(b"not Parquet")

    assert numbers(everything(store, start=NOON + timedelta(minutes=1))) == ["2"]
    with pytest.raises(ArtifactCorrupt, match="is not a file of the prediction log"):
        everything(store)


def test_one_row_of_the_far_future_has_no_window_read_the_other_rows_of_its_file(store, monkeypatch):
    monkeypatch.setattr(compaction, "_ROW_GROUP_ROWS", 1)
    with writing(store) as log:
        log.append("flights", [flight(1), flight(2, minutes=60), flight(3, time=ALWAYS["end"] - timedelta(1))])
    file = parquet_files(store)[0]
    payload = bytearray(file.read_bytes())
    payload[4:100] = bytes(96)
    file.write_bytes(payload)

    assert numbers(everything(store, start=NOON + timedelta(minutes=1))) == ["2", "3"]
    assert numbers(everything(store, start=NOON + timedelta(days=1), end=NOON + timedelta(days=8))) == []
    with pytest.raises(ArtifactCorrupt, match="is not a file of the prediction log"):
        everything(store)


def test_each_model_has_its_own_log(store, log):
    log.append("flights", [flight(1)])
    log.append("bikes", [flight(2, model="bikes")])

    assert numbers(everything(store)) == ["1"]


def test_reading_needs_no_library_of_the_server():
    code = "import sys, airflow_mlops.serving.prediction_log; print({'msgspec', 'fastapi'} & set(sys.modules))"
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "operators")}

    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


# Crashes


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.serving.prediction_log import PredictionLog, Record

noon = datetime(2013, 3, 1, 12, tzinfo=UTC)
log = PredictionLog(ArtifactStore.local(sys.argv[1]), roll_rows=40, fsync_s=60).start()
for number in range(100):
    log.append("flights", [Record(f'["UA","{number}"]', noon, noon, "flights", "7", 3, {}, 0.5)])
    os.write(1, b"%d\\n" % number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_prediction_that_was_answered(store):
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "operators")}

    done = subprocess.run([sys.executable, "-c", KILLED, store.root], env=environ, stdout=subprocess.PIPE, check=False)

    answered = done.stdout.decode().split()
    assert done.returncode == -9
    assert len(answered) == 100
    assert sorted(numbers(everything(store)), key=int) == answered


@pytest.mark.parametrize("cut", [1, 2, 30, 180])
def test_a_torn_last_line_is_left_out_and_counted(store, left_behind, cut):
    whole = left_behind.read_bytes()
    left_behind.write_bytes(whole[:-cut])
    # Only the newline is missing: the record itself is whole.
    kept = ["1", "2", "3"] if cut == 1 else ["1", "2"]

    table = everything(store)

    assert numbers(table) == kept
    assert skipped_lines(table) == 3 - len(kept)


@pytest.mark.parametrize(
    "garbage",
    [b"\x00" * 4096, b"\xff\xfe", b"{}", b'{"id":1}', b'null,"crc":"00000000"}', b'{"id":"x","crc":"00000000"}'],
)
def test_garbage_in_the_middle_is_left_out_and_counted(store, left_behind, garbage):
    first, rest = left_behind.read_bytes().split(b"\n", 1)
    left_behind.write_bytes(first + b"\n" + garbage + b"\n" + rest)

    table = everything(store)

    assert numbers(table) == ["1", "2", "3"]
    assert skipped_lines(table) == 1


def test_a_changed_line_is_left_out(store, left_behind):
    left_behind.write_bytes(
        left_behind.read_bytes().replace(b'["UA","2"]'.replace(b'"', b'\\"'), b'[\\"UA\\",\\"9\\"]')
    )

    assert numbers(everything(store)) == ["1", "3"]


def test_what_was_torn_is_still_counted_after_compaction(store, left_behind):
    left_behind.write_bytes(left_behind.read_bytes()[:-30])
    with writing(store) as log:
        log.start()
        wait_until(lambda: not segments(store))

    assert skipped_lines(everything(store)) == 1
    assert log.status()["skipped_lines"] == 1


def test_a_kill_between_parquet_and_delete_doubles_nothing(store, left_behind):
    segment = left_behind.read_bytes()
    compact(store, "flights", left_behind)
    left_behind.write_bytes(segment)

    assert numbers(everything(store)) == ["1", "2", "3"]
    with writing(store) as log:
        log.start()
        wait_until(lambda: not segments(store))
    assert numbers(everything(store)) == ["1", "2", "3"]
    assert len(parquet_files(store)) == 1


def test_a_kill_while_parquet_is_written_leaves_the_segment(store, left_behind):
    half = Path(store.root, "flights", "predictions", "20130301T120000000000Z-20130301T120000000000Z-ab.parquet.1.tmp")
    half.write_bytes(b"PAR1")

    assert numbers(everything(store)) == ["1", "2", "3"]


def test_the_next_server_compacts_what_a_dead_one_left(store, left_behind):
    with writing(store) as log:
        log.start()
        wait_until(lambda: not segments(store))

        assert numbers(everything(store)) == ["1", "2", "3"]
        assert len(parquet_files(store)) == 1


def test_the_segment_of_a_living_server_is_not_touched(store, left_behind):
    with writing(store) as first, writing(store) as second:
        first.append("flights", [flight(4)])
        second.start()
        wait_until(lambda: not left_behind.exists())
        first.append("flights", [flight(5)])

        assert len(segments(store)) == 1
        assert sorted(numbers(everything(store))) == ["1", "2", "3", "4", "5"]


def test_an_empty_segment_of_a_dead_server_just_goes(store, left_behind):
    left_behind.write_bytes(b"")
    with writing(store) as log:
        log.start()
        wait_until(lambda: not segments(store))

    assert parquet_files(store) == []


# Many at once


def test_threads_lose_and_double_nothing_while_segments_are_compacted_and_read(store):
    answered, seen_ahead = set(), []

    def client(thread):
        for number in range(60):
            name = f"{thread}-{number}"
            log.append("flights", [flight(name)])
            answered.add(name)

    with writing(store, roll_rows=20, fsync_s=0.01) as log:
        log.start()
        threads = [threading.Thread(target=client, args=(each,)) for each in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            before = set(answered)
            seen = numbers(everything(store))
            assert len(seen) == len(set(seen))
            seen_ahead.append(before - set(seen))

    assert not any(seen_ahead)
    assert sorted(numbers(everything(store))) == sorted(answered)
    assert segments(store) == []


def test_a_segment_is_compacted_when_it_is_old(store):
    done = {"written": 1, "lost": 0, "segments": 0, "segment_bytes": 0}
    with writing(store, roll_s=0.05, fsync_s=0.01) as log:
        log.start()
        log.append("flights", [flight(1)])
        wait_until(lambda: log.status()["models"]["flights"] == done)

        assert len(parquet_files(store)) == 1


# Where nothing can be written


@contextmanager
def disk_that_takes(size):
    """Files may not grow beyond ``size`` bytes: the write that reaches it is cut, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_request_that_does_not_fit_on_the_disk_is_refused_whole_and_the_next_goes_on(store, log):
    log.append("flights", [flight(1)])
    one = segments(store)[0].stat().st_size

    with (
        disk_that_takes(int(one * 2.5)),
        pytest.raises(PredictionLogUnwritable, match=r"2 predictions of flights are not in the prediction log.*large"),
    ):
        log.append("flights", [flight(2), flight(3)])
    log.append("flights", [flight(4)])

    table = everything(store)
    assert numbers(table) == ["1", "4"]
    assert skipped_lines(table) == 0
    assert log.status()["models"]["flights"]["lost"] == 2
    assert "large" in log.status()["last_error"]


def test_a_folder_that_cannot_be_made_is_said(store, log):
    Path(store.root).mkdir(parents=True)
    Path(store.root, "flights").write_text("a file where the model's folder goes")

    with pytest.raises(PredictionLogUnwritable, match="1 predictions of flights are not in the prediction log"):
        log.append("flights", [flight(1)])


def test_a_segment_that_somebody_deleted_is_said_and_the_log_goes_on(store, log):
    log.append("flights", [flight(1)])
    segments(store)[0].unlink()
    log.close()
    log.append("flights", [flight(2)])

    assert "a segment of flights was deleted by somebody else" in log.status()["last_error"]
    assert numbers(everything(store)) == ["2"]


# Stores that are not on a local disk


class Bucket(MemoryFileSystem):
    """An object store that can be away."""

    store, pseudo_dirs, is_away = {}, [""], False
    cachable = False

    def pipe_file(self, path, value, **options):
        if self.is_away:
            raise ConnectionError("the bucket did not answer")
        super().pipe_file(path, value, **options)


@pytest.fixture
def bucket():
    fs = Bucket()
    fs.store.clear()
    return ArtifactStore(fs, "/artifacts", "memory")


def test_segments_of_a_bucket_lie_in_a_folder_of_the_machine(bucket, tmp_path):
    with writing(bucket, folder=tmp_path) as log:
        log.append("flights", [flight(1)])

        assert numbers(everything(bucket)) == []
        assert numbers(everything(bucket, folder=tmp_path)) == ["1"]

    assert numbers(everything(bucket)) == ["1"]
    assert numbers(everything(bucket, folder=tmp_path)) == ["1"]


def test_a_bucket_that_is_away_costs_nothing(bucket, tmp_path):
    bucket.fs.is_away = True
    with writing(bucket, folder=tmp_path, roll_rows=1) as log:
        log.start()
        log.append("flights", [flight(1)])
        wait_until(lambda: log.status()["last_error"])

        assert "a segment of flights is not compacted: the bucket did not answer" in log.status()["last_error"]
        assert numbers(everything(bucket, folder=tmp_path)) == ["1"]
        bucket.fs.is_away = False
        log.append("flights", [flight(2)])
        wait_until(lambda: len(everything(bucket)) == 2)


def test_a_bucket_that_is_away_for_long_is_said_and_holds_few_files_open_until_it_is_back(bucket, tmp_path):
    def held():
        return sum(file.path.startswith(str(tmp_path)) for file in psutil.Process().open_files())

    bucket.fs.is_away = True
    log = PredictionLog(bucket, folder=tmp_path, roll_rows=1)
    recorder = LogRecorder(log, Metrics())
    assert recorder.status() == "ok"
    for number in range(30):
        log.append("flights", [flight(number)])
    log.start()
    wait_until(lambda: held() <= 4)
    assert recorder.status().endswith(
        "not compacted: the bucket did not answer; no prediction is lost, 30 closed segments wait"
    )
    assert len(everything(bucket, folder=tmp_path)) == 30

    bucket.fs.is_away = False
    log.append("flights", [flight(30)])
    wait_until(lambda: recorder.status() == "ok" and log.status()["waiting"] == 0)
    recorder.close()

    assert sorted(map(int, numbers(everything(bucket)))) == list(range(31))
    assert segments_in(tmp_path) == []


def segments_in(folder):
    return list(folder.glob("*/predictions/segments/*.jsonl"))


def test_one_segment_that_always_fails_keeps_no_other_back(store, monkeypatch):
    def spoiled(store, model, path):
        if path == bad:
            raise ValueError("this one never works")
        return compact(store, model, path)

    log = PredictionLog(store, roll_rows=1)
    for number in range(3):
        log.append("flights", [flight(number)])
    bad = segments(store)[0]
    monkeypatch.setattr(log_module, "compact", spoiled)
    log._compact_rolled()
    log._compact_rolled()

    assert segments(store) == [bad]
    assert (log.status()["waiting"], log.status()["trouble"]) == (
        1, "a segment of flights is not compacted: this one never works",
    )  # fmt: skip


def test_a_log_that_can_be_written_again_is_ok(store, log, monkeypatch):
    def full(*_):
        raise PredictionLogUnwritable(model="flights", rows=0, cause=OSError(28, "No space left on device"))

    recorder, version = LogRecorder(log, Metrics()), SimpleNamespace(model="flights", epoch=1)
    with monkeypatch.context() as patch:
        patch.setattr(log, "append", full)
        recorder.write(version, [], [])
        assert "No space left on device" in recorder.status()
    recorder.write(version, [], [])

    assert recorder.status() == "ok"


def test_a_bucket_needs_a_folder(bucket):
    with pytest.raises(PredictionLogMisuse, match="memory:///artifacts is not on a local disk"):
        PredictionLog(bucket)
