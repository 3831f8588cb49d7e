"""Windows read a part at a time: what is read again, what is shared, and what late rows change."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.artifacts import ArtifactStore, digest_bytes
from airflow_mlops.errors import EmptyWindow, MissingColumns, SourceUnavailable, SourceUnreadable
from airflow_mlops.lifecycle.copying import Copy
from airflow_mlops.lifecycle.parts import Shelf
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.refs import ModelRef, SnapshotRef
from airflow_mlops.snapshots import open_rows, read_rows
from airflow_mlops.spec.data_sections import CallableSource, FileSource
from airflow_mlops.stages.model_file import model_uri
from tests.conftest import utc


class Flights:
    """A table that grows, and remembers what was asked of it."""

    def __init__(self, table):
        self.table = table
        self.reads = []
        self.is_away = False

    def between(self, start, end):
        if self.is_away:
            raise SourceUnavailable("the database did not answer.")
        self.reads.append((f"{start:%dT%H}", f"{end:%dT%H}"))
        # More than was asked for, and in an order of its own: what a source may give.
        wider = between(self.table, start - timedelta(hours=5), end + timedelta(hours=5))
        return wider.sort_by([("carrier", "descending")])

    def add(self, rows):
        self.table = pa.concat_tables([self.table, rows])


FLIGHTS: Flights


def read(start: datetime, end: datetime) -> pa.Table:
    """Answer as the source of the spec."""
    return FLIGHTS.between(start, end)


def between(table, start, end):
    times = table["scheduled"]
    kind = times.type
    low, high = (pa.scalar(bound.replace(tzinfo=None), pa.timestamp("us")).cast(kind) for bound in (start, end))
    return table.filter(pc.and_(pc.greater_equal(times, low), pc.less(times, high)))


@pytest.fixture
def flights(january):
    global FLIGHTS
    FLIGHTS = Flights(january)
    return FLIGHTS


@pytest.fixture
def spec(flights_spec, flights):
    return with_parts(flights_spec, CallableSource(kind="callable", path=f"{__name__}.read"))


def with_parts(spec, source, *, part="1d", late="0d", **ingest):
    ingest = spec.ingest.model_validate({"window": "59d", "part": part, "late": late, **ingest})
    return spec.model_copy(update={"ingest": ingest, "data": spec.data.model_copy(update={"source": source})})


@pytest.fixture
def run(tmp_path):
    def _run(spec, now, window="3d", **arguments):
        arguments = {"now": now, "window": window, "artifacts_uri": str(tmp_path / "artifacts"), **arguments}
        operator = IngestOperator(task_id="ingest", spec=spec, **arguments)
        return SnapshotRef.from_dict(operator.execute({"run_id": f"manual__{now}"}))

    return _run


@pytest.fixture
def artifacts(tmp_path):
    return ArtifactStore.local(tmp_path / "artifacts")


def late(spec, length):
    return spec.model_copy(update={"ingest": spec.ingest.model_copy(update={"late": timedelta(days=length)})})


def test_a_snapshot_in_parts_holds_the_rows_of_the_window_and_no_others(run, spec, flights, artifacts):
    ref = run(spec, "2013-01-06T07:30:00", window="3d")

    expected = between(flights.table, utc("2013-01-03T07:30:00"), utc("2013-01-06T07:30:00"))
    rows = read_rows(artifacts, ref)
    assert ref.rows == rows.num_rows == expected.num_rows == open_rows(artifacts, ref).table().num_rows
    assert set(rows["flight"].to_pylist()) == set(expected["flight"].to_pylist())
    assert [part["start"][8:13] for part in ref.parts] == ["03T07", "04T00", "05T00", "06T00"]
    assert not artifacts.exists(ref.table_uri)
    assert rows["scheduled"].to_pylist() == sorted(rows["scheduled"].to_pylist())


def test_a_first_run_reads_the_source_once_and_the_next_only_what_is_new(run, spec, flights):
    first = run(spec, "2013-01-06T00:00:00")
    second = run(spec, "2013-01-07T00:00:00")

    assert flights.reads == [("03T00", "06T00"), ("06T00", "07T00")]
    assert [part["id"] for part in second.parts[:2]] == [part["id"] for part in first.parts[1:]]
    assert (len(first.parts), len(second.parts), first.id == second.id) == (3, 3, False)


def test_the_incomplete_last_part_is_read_each_time_and_the_cut_first_one_comes_from_the_store(run, spec, flights):
    run(spec, "2013-01-06T05:00:00")
    run(spec, "2013-01-06T06:00:00", window="2d")

    assert flights.reads == [("03T05", "06T05"), ("06T00", "06T06")]


@pytest.fixture
def held_back(flights):
    """Two hours of the fifth that come late: not in the source yet."""
    start, end = utc("2013-01-05T10:00:00"), utc("2013-01-05T12:00:00")
    rows = between(flights.table, start, end)
    before = between(flights.table, utc("2013-01-01T00:00:00"), start)
    flights.table = pa.concat_tables([before, between(flights.table, end, utc("2013-01-11T00:00:00"))])
    return rows


def test_late_rows_make_a_new_part_and_older_snapshots_keep_theirs(run, spec, flights, held_back, artifacts):
    first = run(late(spec, 2), "2013-01-06T00:00:00")
    before = read_rows(artifacts, first)
    flights.add(held_back)
    second = run(late(spec, 2), "2013-01-06T12:00:00", window="60h")

    assert second.parts[0] == first.parts[1]
    assert second.parts[1]["rows"] == first.parts[2]["rows"] + held_back.num_rows
    assert read_rows(artifacts, first).equals(before)


def test_the_log_says_how_many_late_rows_came_and_of_when(run, spec, flights, held_back, capsys):
    run(late(spec, 2), "2013-01-06T00:00:00")
    flights.add(held_back)
    capsys.readouterr()
    run(late(spec, 2), "2013-01-07T00:00:00")

    said = capsys.readouterr().out
    assert f" {held_back.num_rows} late rows of 2013-01-05T00:00:00+00:00 to 2013-01-06T00:00:00+00:00" in said
    assert "watermark: 2013-01-07T00:00:00+00:00" in said


def test_rows_that_come_later_than_they_may_are_not_seen(run, spec, flights, held_back):
    first = run(spec, "2013-01-06T00:00:00")
    flights.add(held_back)

    assert run(spec, "2013-01-07T00:00:00").parts[:2] == first.parts[1:]


def test_parts_are_read_again_until_a_run_has_seen_them_late_enough(run, spec, flights):
    for day in (5, 6, 8, 9):
        run(late(spec, 2), f"2013-01-{day:02}T00:00:00", window="5d")

    # The 5th ended on the 6th at midnight: the run of the 6th was too early for its late rows, that of the 8th was not.
    assert flights.reads == [("31T00", "05T00"), ("03T00", "06T00"), ("04T00", "08T00"), ("06T00", "09T00")]


def test_a_day_without_rows_is_remembered_once_a_later_one_has_some(run, spec, flights):
    flights.table = pa.concat_tables(
        [
            between(flights.table, utc("2013-01-03T00:00:00"), utc("2013-01-04T00:00:00")),
            between(flights.table, utc("2013-01-05T00:00:00"), utc("2013-01-07T00:00:00")),
        ]
    )
    run(spec, "2013-01-05T00:00:00", window="2d")
    run(spec, "2013-01-06T00:00:00", window="3d")
    ref = run(spec, "2013-01-07T00:00:00", window="4d")

    # The 4th was empty at first: its rows might just not have landed.
    assert flights.reads == [("03T00", "05T00"), ("04T00", "06T00"), ("06T00", "07T00")]
    assert len(ref.parts) == 3


def test_a_window_without_any_row_is_refused(run, spec):
    with pytest.raises(EmptyWindow, match="no row between 2014-01-03"):
        run(spec, "2014-01-06T00:00:00")


def test_a_run_that_fails_half_way_keeps_its_parts_and_the_retry_reads_the_rest(run, spec, flights, artifacts):
    run(spec, "2013-01-04T00:00:00", window="1d")
    flights.is_away = True
    with pytest.raises(SourceUnavailable):
        run(spec, "2013-01-06T00:00:00")
    flights.is_away = False
    ref = run(spec, "2013-01-06T00:00:00")

    assert flights.reads == [("03T00", "04T00"), ("04T00", "06T00")]
    assert ref.rows == between(flights.table, utc("2013-01-03T00:00:00"), utc("2013-01-06T00:00:00")).num_rows


def test_a_run_that_ends_while_it_stores_keeps_the_parts_that_are_whole(run, spec, flights, monkeypatch):
    put, stored = Shelf.put, []

    def full_disk(self, span, piece, wanted, **limits):
        if len(stored) == 2:
            raise OSError("no space left on device")
        stored.append(put(self, span, piece, wanted, **limits))
        return stored[-1]

    monkeypatch.setattr(Shelf, "put", full_disk)
    with pytest.raises(OSError, match="no space left"):
        run(spec, "2013-01-06T00:00:00")
    monkeypatch.undo()
    ref = run(spec, "2013-01-06T00:00:00")

    assert flights.reads == [("03T00", "06T00"), ("05T00", "06T00")]
    assert [part["id"] for part in ref.parts[:2]] == [part["id"] for part in stored]


def test_a_part_whose_manifest_was_not_written_does_not_count(run, spec, flights, artifacts):
    first = run(spec, "2013-01-06T00:00:00")
    artifacts.delete(f"{first.parts[1]['uri']}.json")
    artifacts.write_bytes(first.parts[1]["uri"], b"half")
    again = run(spec, "2013-01-06T00:00:00")

    assert (again.id, flights.reads[1]) == (first.id, ("04T00", "05T00"))
    assert read_rows(artifacts, again).num_rows == first.rows


def test_runs_in_any_order_end_in_the_same_parts(run, spec, flights, tmp_path):
    in_order = [run(spec, f"2013-01-{day:02}T00:00:00") for day in (5, 6, 7)]
    other = {"artifacts_uri": str(tmp_path / "other")}
    backwards = [run(spec, f"2013-01-{day:02}T00:00:00", **other) for day in (7, 6, 5)]

    assert [ref.id for ref in in_order] == [ref.id for ref in reversed(backwards)]
    names = [sorted(path.name for path in (tmp_path / at).rglob("parts/*")) for at in ("artifacts", "other")]
    assert names[0] == names[1]


def test_rows_beyond_memory_are_told_apart_on_disk(run, spec, artifacts, monkeypatch):
    in_memory = run(spec, "2013-01-06T07:00:00")
    monkeypatch.setattr("airflow_mlops.lifecycle.parts.ingest._MB", 1 << 8)
    on_disk = run(late(spec, 9), "2013-01-06T07:00:00")

    order = [("scheduled", "ascending"), ("carrier", "ascending"), ("flight", "ascending"), ("dest", "ascending")]
    assert on_disk.id != in_memory.id
    assert [part["rows"] for part in on_disk.parts] == [part["rows"] for part in in_memory.parts]
    assert read_rows(artifacts, on_disk).sort_by(order).equals(read_rows(artifacts, in_memory).sort_by(order))
    assert not list(Path(artifacts.root, "flights/snapshots/writing").iterdir())


def test_a_column_the_spec_names_anew_is_looked_for_in_parts_that_are_stored(run, spec, flights):
    run(spec, "2013-01-06T00:00:00")
    features = spec.features.model_copy(update={"columns": [*spec.features.columns, "gate"]})

    with pytest.raises(MissingColumns, match="'gate'"):
        run(spec.model_copy(update={"features": features}), "2013-01-06T00:00:00")


def test_a_day_without_a_value_and_one_with_decimals_are_one_column(run, spec, flights, artifacts):
    table, place = flights.table, flights.table.column_names.index("distance")
    flights.table = table.set_column(place, "distance", pa.nulls(len(table), pa.null()))
    run(spec, "2013-01-04T00:00:00", window="1d")
    flights.table = table
    run(spec, "2013-01-05T00:00:00", window="2d")
    flights.table = table.set_column(place, "distance", pc.cast(table["distance"], pa.float64()))
    ref = run(spec, "2013-01-06T00:00:00")

    opened = open_rows(artifacts, ref)
    assert str(opened.schema.field("distance").type) == "double"
    assert opened.table(["distance"])["distance"].null_count == ref.parts[0]["rows"]
    assert sum(batch.num_rows for batch in opened.batches(["distance"])) == ref.rows


def test_a_column_of_two_types_is_named_with_the_parts_that_differ(run, spec, flights):
    run(spec, "2013-01-06T00:00:00")
    table = flights.table
    words = pc.cast(table["distance"], pa.string())
    flights.table = table.set_column(table.column_names.index("distance"), "distance", words)

    with pytest.raises(
        SourceUnreadable,
        match=r"'distance' is int64 in the part from 2013-01-05.* and string in the part from 2013-01-06",
    ):
        run(spec, "2013-01-07T00:00:00")


def test_files_that_did_not_change_are_not_read(run, flights_spec, january, tmp_path):
    file = tmp_path / "flights.parquet"
    pq.write_table(january, file)
    spec = with_parts(flights_spec, FileSource(kind="file", uri=str(file), format="parquet"), late="9d")
    first = run(spec, "2013-01-06T00:00:00")
    mark = file.stat()
    file.write_bytes(b"x" * mark.st_size)
    os.utime(file, ns=(mark.st_atime_ns, mark.st_mtime_ns))

    assert run(spec, "2013-01-06T00:00:00").id == first.id
    assert run(spec, "2013-01-06T00:00:00", window="2d").parts == first.parts[1:]


def test_a_copy_to_another_store_takes_the_parts_along(run, spec, artifacts, tmp_path):
    ref = run(spec, "2013-01-06T00:00:00")
    features = {"snapshots": [ref.to_dict()]}
    model = ModelRef("m", artifacts.uri("flights", "models", "m"), digest_bytes(b"x"), "skops", "Ridge", 3, features)
    artifacts.write_bytes(model_uri(model), b"x")
    artifacts.complete(model.uri, {"ref": model.to_dict()})
    artifacts.complete(artifacts.uri("flights", "reports"), {})
    copy = Copy(artifacts, ArtifactStore.local(tmp_path / "other"))
    copy.version("flights", model, SimpleNamespace(uri=artifacts.uri("flights", "reports")))

    copied = SnapshotRef.from_dict(copy.rebased(ref.to_dict()))
    assert read_rows(copy.destination, copied).equals(read_rows(artifacts, ref))
    assert copy.destination.manifest(copied.uri)["parts"] == copied.parts


# A run a partition


def test_a_partition_brings_its_own_part_and_those_that_late_rows_may_have_changed(run, spec, flights):
    ref = run(late(spec, 1), "2013-01-06T03:00:00", whole_parts=True)

    assert flights.reads == [("04T00", "06T00")]
    assert [part["start"][8:10] for part in ref.parts] == ["04", "05"]


def test_a_partition_that_is_run_again_is_read_again(run, spec, flights):
    first = run(spec, "2013-01-06T00:00:00", whole_parts=True)
    assert run(spec, "2013-01-06T00:00:00", whole_parts=True).id == first.id
    flights.table = flights.table.filter(pc.not_equal(flights.table["carrier"], "AA"))
    corrected = run(spec, "2013-01-06T00:00:00", whole_parts=True)

    assert len(flights.reads) == 3
    assert corrected.rows < first.rows
    assert run(spec, "2013-01-06T00:00:00", window="1d").parts == corrected.parts


def test_a_partition_without_rows_is_skipped(run, spec):
    with pytest.raises(AirflowSkipException, match=r"no row between 2014-01-05.* nothing is remembered"):
        run(spec, "2014-01-06T00:00:00", whole_parts=True)
