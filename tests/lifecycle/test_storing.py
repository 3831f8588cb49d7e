"""A stream becomes a whole snapshot or none, and the same one whatever batches it came in."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import EmptyWindow, SourceUnreadable
from airflow_mlops.lifecycle import spool, storing
from airflow_mlops.lifecycle.storing import store_rows
from airflow_mlops.stages.ingest import Wanted
from tests.conftest import utc

START, END = utc("2013-01-01"), utc("2013-01-11T05:00")


@pytest.fixture
def store(tmp_path):
    return ArtifactStore.local(tmp_path / "artifacts")


@pytest.fixture
def megabyte(monkeypatch):
    """Make the limit of sorting so low that a few flights are above it."""
    monkeypatch.setattr(storing, "_MB", 1000)


def wanted(start=START, end=END):
    return Wanted(time="scheduled", key=("flight",), columns=("temp",), start=start, end=end)


def stored(store, table, *, batch_rows=1000, sort_mb=1, **window):
    rows = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=batch_rows))
    return store_rows(
        store, store.uri("flights", "snapshots"), rows, wanted(**window), section="s", version="7", sort_mb=sort_mb
    )


def rows_of(store, manifest):
    return store.read_table(
        store.uri("flights", "snapshots", manifest["id"], "data.parquet"), digest=manifest["digest"]
    )


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file())


def test_few_rows_are_sorted_and_many_keep_the_order_of_the_source(store, january, megabyte):
    backwards = january.sort_by([("scheduled", "descending"), ("flight", "descending")])

    few = rows_of(store, stored(store, backwards, sort_mb=10_000))
    many = rows_of(store, stored(store, backwards))

    assert few.column("scheduled").to_pylist() == sorted(january.column("scheduled").to_pylist())
    assert many.column("flight").to_pylist() == backwards.column("flight").to_pylist()


def test_a_streamed_snapshot_has_the_manifest_of_a_sorted_one(store, january, megabyte):
    few, many = stored(store, january, sort_mb=10_000), stored(store, january)

    differ = {"id", "digest"}
    assert {name: few[name] for name in few if name not in differ} == {
        name: many[name] for name in many if name not in differ
    }
    assert store.manifest(store.uri("flights", "snapshots", many["id"])) == many


@given(
    hours=st.lists(st.integers(-5, 30) | st.none(), min_size=1, max_size=60).filter(
        lambda hours: any(hour is not None and 0 <= hour < 24 for hour in hours)
    ),
    batch_rows=st.integers(1, 20),
)
@settings(max_examples=40, deadline=None)
def test_a_streamed_and_a_sorted_snapshot_hold_the_same_rows(tmp_path_factory, hours, batch_rows):
    store = ArtifactStore.local(tmp_path_factory.mktemp("store"))
    times = [None if hour is None else START.timestamp() + 3600 * hour for hour in hours]
    # Enough dated rows that those without a time are few.
    times += [START.timestamp()] * 6000
    table = pa.table(
        {
            "scheduled": pa.array([None if t is None else int(t) for t in times], pa.timestamp("s", "UTC")),
            "flight": pa.array(range(len(times))),
            "temp": pa.array([str(t) for t in times]).dictionary_encode(),
        }
    )

    pieces = {}
    for limit in (0, 1000):
        manifest = stored(store, table, batch_rows=batch_rows * 100, sort_mb=limit, end=utc("2013-01-02"))
        pieces[limit] = rows_of(store, manifest), manifest["report"]

    assert pieces[0][0].schema == pieces[1000][0].schema
    assert pieces[0][0].sort_by("flight").equals(pieces[1000][0].sort_by("flight"))
    assert pieces[0][1] == pieces[1000][1]


def test_the_bytes_do_not_depend_on_the_batches(store, january, megabyte, monkeypatch):
    monkeypatch.setattr(spool, "GROUP_ROWS", 1500)

    found = [stored(store, january, batch_rows=rows) for rows in (7, 1000, 100_000)]

    assert len({manifest["digest"] for manifest in found}) == 1
    file = pq.ParquetFile(store.path(store.uri("flights", "snapshots", found[0]["id"], "data.parquet")))
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert set(groups[:-1]) == {1500}
    assert sum(groups) == january.num_rows


def test_the_same_rows_are_not_written_twice(store, january, megabyte, tmp_path):
    first = stored(store, january)
    path = store.path(store.uri("flights", "snapshots", first["id"], "data.parquet"))
    before = os.stat(path).st_ino

    assert stored(store, january) == first
    assert os.stat(path).st_ino == before
    assert names(tmp_path) == ["data.parquet", "manifest.json"]


@pytest.mark.parametrize("error", [EmptyWindow, SourceUnreadable], ids=["no row", "a fault in the last batch"])
def test_what_is_refused_leaves_nothing(error, store, january, megabyte, tmp_path):
    def broken():
        yield from january.to_batches(max_chunksize=1000)
        raise SourceUnreadable("t.csv repeats its header on line 20000.")

    rows = pa.RecordBatchReader.from_batches(january.schema, broken())
    window = wanted(utc("2020-01-01"), utc("2020-02-01")) if error is EmptyWindow else wanted()
    source = january.to_reader() if error is EmptyWindow else rows
    with pytest.raises(error):
        store_rows(store, store.uri("flights", "snapshots"), source, window, section="s", sort_mb=1)

    assert names(tmp_path) == []


def test_many_undated_rows_are_refused_also_where_they_are_streamed(store, january, megabyte, tmp_path):
    index = january.column_names.index("scheduled")
    undated = january.set_column(index, "scheduled", pa.nulls(january.num_rows, january.schema.field(index).type))

    with pytest.raises(SourceUnreadable, match=r"rows have no 'scheduled', more than 1%"):
        stored(store, pa.concat_tables([january, undated]))
    assert names(tmp_path) == []


def test_an_object_store_gets_the_whole_file_at_once(january, megabyte):
    from fsspec.implementations.memory import MemoryFileSystem

    # All such file systems of a process are one.
    store = ArtifactStore(MemoryFileSystem(), "/bucket_of_one_file", "memory")
    manifest = stored(store, january)

    assert rows_of(store, manifest).num_rows == january.num_rows
    names = sorted(path.rpartition("/")[2] for path in store.fs.find("/bucket_of_one_file"))
    assert names == ["data.parquet", "manifest.json"]


# Killed

INGEST = textwrap.dedent(
    """
    import os, signal, sys
    import pyarrow as pa, pyarrow.parquet as pq
    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.lifecycle import storing
    from airflow_mlops.stages.ingest import Wanted
    from datetime import UTC, datetime

    where, rows, moment = sys.argv[1:]
    storing._MB = 1000
    table = pq.read_table(rows)

    def batches():
        for number, batch in enumerate(table.to_batches(max_chunksize=1000)):
            if moment == "in the middle" and number == 6:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "before the move":
        storing._Snapshot.store = die
    if moment == "before the manifest":
        ArtifactStore.complete = die
    store = ArtifactStore.local(where)
    start, end = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 2, 1, tzinfo=UTC)
    wanted = Wanted("scheduled", ("flight",), ("temp",), start, end)
    stream = pa.RecordBatchReader.from_batches(table.schema, batches())
    storing.store_rows(store, store.uri("flights", "snapshots"), stream, wanted, section="s", sort_mb=1)
    """
)


@pytest.mark.parametrize("moment", ["in the middle", "before the move", "before the manifest"])
def test_a_process_killed_by_sigkill_leaves_no_snapshot_and_the_next_try_succeeds(
    moment, store, january, tmp_path, megabyte
):
    pq.write_table(january, tmp_path / "rows.parquet")
    place = [str(tmp_path / "artifacts"), str(tmp_path / "rows.parquet"), moment]
    killed = subprocess.run([sys.executable, "-c", INGEST, *place], env={**os.environ, "PYTHONPATH": "operators"})

    assert killed.returncode == -signal.SIGKILL
    left = names(tmp_path)
    assert "manifest.json" not in left
    assert len(left) == 1  # what was written so far

    again = stored(store, january)
    assert names(tmp_path) == ["data.parquet", "manifest.json"]
    assert rows_of(store, again).num_rows == january.num_rows


def test_the_file_of_a_living_writer_is_left_alone(store, january, tmp_path, megabyte):
    folder = tmp_path / "artifacts" / "flights" / "snapshots" / spool.FOLDER
    folder.mkdir(parents=True)
    (folder / "dead.parquet").write_bytes(b"half of a file")
    with (folder / "living.parquet").open("wb") as living:
        fcntl.flock(living, fcntl.LOCK_EX)

        stored(store, january)

        assert [path.name for path in folder.iterdir()] == ["living.parquet"]
