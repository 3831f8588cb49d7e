"""Rows of a snapshot that stayed in a lake."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pytest

from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing, EmptyWindow, MissingColumns, SourceUnreadable
from airflow_mlops.hooks.source import SourceHook
from airflow_mlops.lifecycle.lakes import refer_to_rows
from airflow_mlops.refs import SnapshotRef
from airflow_mlops.snapshots import is_stored, open_rows, read_frame, read_rows
from airflow_mlops.stages.ingest import Wanted
from tests.conftest import utc
from tests.lakes import Delta, Iceberg, day

START, END = utc("2013-01-02"), utc("2013-01-04")


@pytest.fixture(params=[Delta, Iceberg], ids=["delta", "iceberg"])
def lake(request, tmp_path):
    """A table of three days, a file and a version each."""
    lake = request.param(tmp_path)
    for number in (1, 2, 3):
        lake.append(day(number))
    return lake


@pytest.fixture
def refer(lake, store):
    """Make a snapshot of the window of the table as it is now."""

    def _refer(time="ts", start=START, end=END, columns=("x", "y")):
        hook = SourceHook(lake.source())
        wanted = Wanted(time=time, key=(), columns=columns, start=start, end=end)
        version = hook.version(start, end)
        manifest = refer_to_rows(store, store.uri("snapshots"), hook.lake, wanted, section="s", version=version)
        facts = {name: manifest[name] for name in ("id", "digest", "rows", "start", "end", "source_version", "lake")}
        return SnapshotRef(uri=store.uri("snapshots", manifest["id"]), columns=len(manifest["schema"]), **facts)

    return _refer


def test_a_snapshot_of_a_lake_names_its_version_and_holds_no_rows(refer, store, lake):
    ref = refer()

    assert (ref.rows, ref.start, ref.end) == (48, "2013-01-02T00:00:00+00:00", "2013-01-03T23:00:00+00:00")
    assert ref.lake["version"] == SourceHook(lake.source()).lake["version"]
    assert [path.rpartition("/")[2] for path in store.fs.find(store.path(ref.uri))] == ["manifest.json"]
    assert store.manifest(ref.uri)["schema"][0] == {"name": "ts", "type": "timestamp[us, tz=UTC]"}


def test_the_same_version_and_window_are_the_same_snapshot_and_others_are_not(refer, lake):
    first = refer()

    assert refer().id == first.id
    assert refer(end=utc("2013-01-03")).id != first.id
    lake.append(day(9))
    assert refer().id != first.id


@pytest.mark.parametrize("time", ["ts", "wall", "day"])
def test_its_rows_are_those_of_the_window_with_times_in_utc(time, refer, store):
    ref = refer(time)

    rows = read_rows(store, ref)
    assert rows.num_rows == ref.rows == open_rows(store, ref).rows
    assert rows.schema.field(time).type == pa.timestamp("us", "UTC")
    assert rows["x"].to_pylist() == [*range(24), *range(24)]
    assert read_frame(store, ref, ["x"]).x.sum() == 2 * sum(range(24))


def test_rows_are_read_some_columns_and_some_time_at_once(refer, store):
    rows = open_rows(store, refer())

    part = rows.table(["x"], time="ts", start=utc("2013-01-03T12:00:00"), end=utc("2014-01-01"))
    assert part.column_names == ["x"]
    assert part["x"].to_pylist() == list(range(12, 24))
    assert sum(batch.num_rows for batch in rows.batches(["y", "x"])) == 48
    assert rows.table(time="ts", start=utc("2014-01-01")).num_rows == 0


def test_files_outside_the_window_are_neither_counted_nor_opened(lake, refer, store):
    lake.files()[1].unlink()

    ref = refer()

    assert is_stored(store, ref)
    assert read_rows(store, ref).num_rows == 48


def test_later_changes_of_the_table_do_not_change_a_snapshot(lake, refer, store):
    ref = refer()
    before = read_rows(store, ref)

    lake.append(day(2, z=[1.5] * 24))
    lake.compact()

    assert read_rows(store, ref).equals(before)
    assert refer().rows == 72
    assert "z" in read_rows(store, refer()).column_names


def test_a_version_that_was_cleaned_away_is_missing_and_says_what_to_do(lake, refer, store):
    ref = refer()
    lake.compact()
    kept = refer()

    lake.forget()

    assert is_stored(store, kept)
    assert not is_stored(store, ref)
    with pytest.raises(ArtifactMissing, match=r"cannot be read any more: .*ingest\.copy: true; to go on, ingest again"):
        open_rows(store, ref)


def test_a_table_made_anew_in_its_place_is_not_taken_for_it(refer, store):
    ref = refer()
    other = replace(ref, lake={**ref.lake, "identity": "another"})

    with pytest.raises(ArtifactMissing, match="is another table than the one that was read"):
        read_rows(store, other)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"columns": ("nowhere",)}, MissingColumns, "has no column 'nowhere'"),
        ({"time": "text"}, SourceUnreadable, r"'text' is string in the table, .* or set ingest\.copy: true"),
        ({"start": utc("2014-01-01"), "end": utc("2014-01-02")}, EmptyWindow, "no row between 2014-01-01"),
    ],
    ids=["a column", "a text", "nothing"],
)
def test_what_cannot_be_a_snapshot_is_refused(arguments, error, sentence, refer):
    with pytest.raises(error, match=sentence):
        refer(**arguments)


def test_credentials_are_asked_for_by_connection_and_kept_nowhere(refer, store):
    ref = refer()
    asked = []

    def credentials(kind, conn_id):
        asked.append((kind, conn_id))
        return {"secret_token": "hunter2"}

    behind = replace(ref, lake={**ref.lake, "conn_id": "storage"})
    rows = open_rows(replace(store, credentials=credentials), behind)

    assert asked == [(ref.lake["kind"], "storage")]
    assert "hunter2" not in repr(rows) + repr(replace(store, credentials=credentials)) + json.dumps(ref.to_dict())


def test_a_process_that_has_read_a_delta_table_ends_well(tmp_path):
    lake = Delta(tmp_path)
    lake.append(day(1))
    read = (
        "import sys; from airflow_mlops.snapshots.lakes import open_table;"
        "table = open_table({'kind': 'delta', 'uri': sys.argv[1]});"
        "print(sum(batch.num_rows for batch in table.scan(None, None)))"
    )

    done = subprocess.run([sys.executable, "-c", read, str(lake.folder)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.strip()) == (0, "24"), done.stderr


# Rows in files


@pytest.fixture
def files(store):
    """Two parts: the second has another column, and a type that is wider."""
    tables = [
        pa.table({"ts": day(1)["ts"], "x": pa.array(range(24)), "gap": pa.nulls(24)}),
        pa.table({"ts": day(2)["ts"], "x": pa.array([0.5] * 24), "gap": ["a"] * 24, "late": [1] * 24}),
    ]
    parts = []
    for number, table in enumerate(tables):
        uri = store.uri(f"{number}.parquet")
        parts.append({"uri": uri, "digest": store.write_table(uri, table), "rows": 24, "start": "", "end": ""})
    return SnapshotRef(id="s", uri=store.uri("s"), digest="d", rows=48, columns=4, start="", end="", parts=parts)


def test_parts_that_differ_are_read_as_one(files, store):
    rows = open_rows(store, files)

    table = rows.table()
    assert table.schema == rows.schema
    assert [str(kind) for kind in table.schema.types] == ["timestamp[us, tz=UTC]", "double", "string", "int64"]
    assert table["x"].to_pylist() == [*map(float, range(24)), *[0.5] * 24]
    assert table["late"].null_count == table["gap"].null_count == 24
    assert [batch.schema.names for batch in rows.batches(["late", "x"])] == [["late", "x"]] * 2


def test_a_column_is_read_by_itself_as_it_is_in_all_parts(files, store):
    rows = open_rows(store, files)
    table = rows.table()

    with rows.columns() as values:
        for name in table.column_names:
            read = pa.chunked_array([some.cast(table.schema.field(name).type) for some in values(name)])
            assert read.equals(table[name]), name


def test_texts_stay_a_dictionary_where_the_file_has_one(store):
    few, many = [f"place {number % 7}" for number in range(5000)], [f"ticket {number}" for number in range(5000)]
    uri = store.uri("texts.parquet")
    digest = store.write_table(uri, pa.table({"few": few, "many": many, "number": range(5000)}))
    ref = SnapshotRef(id="s", uri=store.uri("s"), digest="d", rows=5000, columns=3, start="", end="")
    ref = replace(ref, parts=[{"uri": uri, "digest": digest, "rows": 5000}])

    with open_rows(store, ref).columns() as values:
        kinds = {name: {pa.types.is_dictionary(some.type) for some in values(name)} for name in ("few", "many")}

    assert kinds == {"few": {True}, "many": {False}}


def test_a_stretch_of_parts_is_read_from_its_groups_of_rows(files, store):
    rows = open_rows(store, files)

    part = rows.table(["x"], time="ts", start=utc("2013-01-01T22:00:00"), end=utc("2013-01-02T01:00:00"))
    assert part["x"].to_pylist() == [22.0, 23.0, 0.5]
    assert rows.table(time="ts", end=utc("2012-01-01")).num_rows == 0
    assert sum(batch.num_rows for batch in rows.batches([])) == 48


def test_groups_of_rows_outside_are_not_read(store):
    import pyarrow.parquet as pq

    uri = store.uri("groups.parquet")
    store.fs.makedirs(store.root, exist_ok=True)
    pq.write_table(pa.concat_tables([day(1), day(2)]), store.path(uri), row_group_size=24, compression="none")
    first = pq.ParquetFile(store.path(uri)).metadata.row_group(0)
    payload = bytearray(store.fs.cat_file(store.path(uri)))
    payload[4 : 4 + first.total_byte_size] = b"x" * first.total_byte_size
    ref = SnapshotRef(id="s", uri=store.uri("s"), digest="d", rows=48, columns=6, start="", end="")
    ref = replace(ref, parts=[{"uri": uri, "digest": store.write_bytes(uri, bytes(payload)), "rows": 48}])

    assert open_rows(store, ref).table(time="ts", start=utc("2013-01-02")).num_rows == 24


def test_reading_rows_does_not_import_pandas(files, store):
    read = (
        "import json, sys; from airflow_mlops.artifacts import ArtifactStore;"
        "from airflow_mlops.refs import SnapshotRef;"
        "from airflow_mlops.snapshots import open_rows;"
        "rows = open_rows(ArtifactStore.local(sys.argv[1]), SnapshotRef.from_dict(json.loads(sys.argv[2])));"
        "print(sum(batch.num_rows for batch in rows.batches()), 'pandas' in sys.modules)"
    )
    arguments = [sys.executable, "-c", read, store.root, json.dumps(files.to_dict())]

    done = subprocess.run(arguments, capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "48 False", done.stderr


def test_a_column_that_one_part_lacks_is_null_there_and_one_that_all_lack_is_missing(files, store):
    assert read_rows(store, files, ["late"])["late"].to_pylist() == [None] * 24 + [1] * 24
    with pytest.raises(ArtifactCorrupt, match="snapshot s has no column 'never'"):
        read_rows(store, files, ["x", "never"])
