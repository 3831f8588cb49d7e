"""Rows from Delta Lake and Iceberg tables."""

from __future__ import annotations

import json
from datetime import timedelta

import pyarrow as pa
import pytest

from airflow_mlops.errors import ArtifactMissing, MissingExtra, SourceUnavailable, SourceUnreadable
from airflow_mlops.hooks.source import SourceHook
from airflow_mlops.hooks.source.lakes import lake_credentials
from airflow_mlops.spec.data_sections import DeltaSource, IcebergSource
from tests.conftest import utc
from tests.lakes import Delta, Iceberg, day

START, END = utc("2013-01-02"), utc("2013-01-03")


@pytest.fixture(params=[Delta, Iceberg], ids=["delta", "iceberg"])
def lake(request, tmp_path):
    """A table of three days, a file and a version each."""
    lake = request.param(tmp_path)
    for number in (1, 2, 3):
        lake.append(day(number))
    return lake


def test_the_version_of_the_source_is_that_of_the_table(lake):
    first = SourceHook(lake.source()).version(START, END)

    assert SourceHook(lake.source()).version(START, END) == first
    lake.append(day(4))
    assert SourceHook(lake.source()).version(START, END) != first


@pytest.mark.parametrize("time", ["ts", "wall", "day"])
def test_files_outside_the_window_are_not_opened(lake, time):
    files = lake.files()
    files[1].write_bytes(b"no Parquet")
    (files[3] if time != "day" else files[1]).write_bytes(b"no Parquet")

    rows = SourceHook(lake.source()).read(START, END, time)

    # A day at the window's end may lie in it: ingest cuts it off.
    assert {moment.day for moment in rows["day"].to_pylist()} == ({2, 3} if time == "day" else {2})
    assert rows.slice(0, 24).equals(day(2))


def test_partitions_outside_the_window_are_not_opened(tmp_path):
    lake = Delta(tmp_path)
    for number in (4, 2, 3, 1):
        lake.append(day(number), partition_by=["day"])
    for number in (1, 4):
        [file] = (lake.folder / f"day=2013-01-0{number}").iterdir()
        file.write_bytes(b"no Parquet")

    rows = SourceHook(lake.source()).read(START, END, "day")

    assert [moment.day for moment in rows["day"].to_pylist()] == [2] * 24 + [3] * 24


def test_rows_without_a_time_come_along_to_be_counted(lake):
    lake.append(day(2).slice(0, 1).set_column(0, "ts", pa.array([None], pa.timestamp("us", "UTC"))))

    rows = SourceHook(lake.source()).read(START, END, "ts")

    assert (rows.num_rows, rows["ts"].null_count) == (25, 1)


def test_a_time_that_is_text_is_left_to_ingest(lake):
    assert SourceHook(lake.source()).read(START, END, "text").num_rows == 72


def test_a_column_that_came_later_is_null_before(lake):
    lake.append(day(4, z=[1.5] * 24))

    rows = SourceHook(lake.source()).read(utc("2013-01-03"), utc("2013-01-05"), "ts")

    assert rows["z"].to_pylist() == [None] * 24 + [1.5] * 24


def test_an_older_version_is_read_as_it_was(lake):
    old = SourceHook(lake.source()).lake["version"]
    lake.append(day(4, z=[1.5] * 24))

    hook = SourceHook(lake.source(version=old))

    assert hook.lake["version"] == old
    rows = hook.read(utc("2013-01-01"), utc("2013-02-01"), "ts")
    assert (rows.num_rows, rows.column_names) == (72, day(1).column_names)


def test_files_come_in_order_of_time_whatever_order_they_were_written_in(lake):
    lake.append(day(9))
    lake.append(day(5))

    rows = SourceHook(lake.source()).read(utc("2013-01-01"), utc("2013-02-01"), "ts")

    assert rows["ts"].to_pylist() == sorted(rows["ts"].to_pylist())


def test_a_version_that_never_was_is_named(lake):
    with pytest.raises(ArtifactMissing, match=r"at (version|snapshot) 77 cannot be read any more: .* ingest again"):
        SourceHook(lake.source(version=77)).version(START, END)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (lambda folder: DeltaSource(kind="delta", uri=f"{folder}/no"), r"no Delta table is at .*/no; check uri"),
        (
            lambda folder: IcebergSource(kind="iceberg", table="a.b", catalog=Iceberg(folder).properties),
            r"the Iceberg table a\.b is not in its catalog .*check table, catalog and conn_id",
        ),
        (
            lambda folder: IcebergSource(kind="iceberg", table="a.b", catalog={"type": "unheard"}),
            r"the Iceberg table a\.b cannot be read: 'unheard' is not a valid CatalogType.* properties of its catalog",
        ),
    ],
    ids=["delta", "iceberg", "catalog"],
)
def test_a_table_that_is_not_there_is_named(source, sentence, tmp_path):
    with pytest.raises(SourceUnreadable, match=sentence):
        SourceHook(source(tmp_path)).version(START, END)


def test_a_delta_table_with_mapped_columns_is_refused_rather_than_read_empty(tmp_path):
    lake = Delta(tmp_path)
    lake.append(day(1).drop_columns(["wall"]))
    log = lake.folder / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in action:
            action["metaData"]["configuration"]["delta.columnMapping.mode"] = "name"
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], 1):
                mapping = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}
                field["metadata"] = mapping
            action["metaData"]["schemaString"] = json.dumps(schema)
    log.write_text("\n".join(map(json.dumps, actions)))

    with pytest.raises(SourceUnreadable, match=r"at version 0 uses what deltalake cannot read here: column mapping"):
        SourceHook(lake.source()).stream(START, END, "ts")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            DeltaSource(kind="delta", uri="/lake/flights"),
            r"the Delta table /lake/flights needs deltalake, .*install airflow-provider-mlops\[delta\]",
        ),
        (
            IcebergSource(kind="iceberg", table="a.b"),
            r"the Iceberg table a\.b needs pyiceberg, .*install airflow-provider-mlops\[iceberg\]",
        ),
    ],
    ids=["delta", "iceberg"],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(source, sentence, monkeypatch):
    monkeypatch.setattr("airflow_mlops.extras.find_spec", lambda name: None)

    with pytest.raises(MissingExtra, match=sentence):
        SourceHook(source).version(START, END)


def test_a_catalog_that_is_away_is_tried_again_and_its_password_is_not_told(monkeypatch):
    facts = {"type": "sql", "uri": "postgresql+psycopg2://reader:hunter2@127.0.0.1:9/lake"}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "generic", "extra": facts}))

    with pytest.raises(SourceUnavailable, match=r"the Iceberg table a\.b did not answer: ") as caught:
        SourceHook(IcebergSource(kind="iceberg", table="a.b", conn_id="lake")).version(START, END)

    assert "hunter2" not in str(caught.value)


def test_a_connection_opens_the_storage(monkeypatch):
    facts = {"conn_type": "aws", "login": "id", "password": "hunter2", "extra": {"endpoint_url": "http://there:9000"}}
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps({**facts, "extra": {**facts["extra"], "region_name": "eu"}}))

    delta, iceberg = lake_credentials("delta", "store"), lake_credentials("iceberg", "store")

    assert (delta["AWS_SECRET_ACCESS_KEY"], delta["AWS_ALLOW_HTTP"]) == ("hunter2", "true")
    assert (iceberg["client.access-key-id"], iceberg["s3.endpoint"]) == ("id", "http://there:9000")


def test_no_credential_is_in_what_names_a_table(lake):
    named = SourceHook(lake.source()).lake

    assert set(named) <= {"kind", "uri", "table", "version", "conn_id", "catalog", "identity"}
    assert named["conn_id"] is None


def test_a_table_with_no_rows_in_the_window_gives_none_and_its_columns(lake):
    rows = SourceHook(lake.source()).read(END + timedelta(days=40), END + timedelta(days=41), "ts")

    assert (rows.num_rows, rows.column_names) == (0, day(1).column_names)
