"""A profile made where the rows are says what one made of the rows says, within the stated errors."""

import sqlite3
import sys
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_mlops.errors import SpecError
from airflow_mlops.stages.profile import RANK_ERROR, profile_table
from airflow_mlops.stages.profile.pushdown import profile_by_sql

ROWS = 9_000
COLUMNS = {
    "amount": ("double", "number"),
    'odd "name"': ("double", "number"),
    "grade": ("bigint", "number"),
    "city": ("text", "text"),
    "ticket": ("text", "text"),
    "is_late": ("boolean", "boolean"),
    "at": ("timestamp", "time"),
    "nothing": ("double", "number"),
}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(23)
    start = datetime(2013, 1, 1, tzinfo=UTC)
    return pa.table(
        {
            "amount": pa.array(rng.standard_cauchy(ROWS), mask=rng.random(ROWS) < 0.05),
            'odd "name"': np.where(rng.random(ROWS) < 0.6, 0.0, rng.lognormal(size=ROWS)),
            "grade": rng.integers(1, 7, ROWS),
            "city": pa.array(rng.choice(["Bonn", "Köln", "O'Hare"], ROWS), mask=rng.random(ROWS) < 0.1),
            "ticket": [*(f"ticket {number}" for number in range(ROWS - 1000)), *["lost"] * 1000],
            "is_late": rng.random(ROWS) < 0.2,
            "at": pa.array(
                [start + timedelta(minutes=7 * number) for number in range(ROWS)], pa.timestamp("us", "UTC")
            ),
            "nothing": pa.nulls(ROWS, pa.float64()),
        }
    )


def agrees(found, table):
    whole = profile_table(table)
    assert (found.rows, list(found.columns)) == (whole.rows, list(COLUMNS))
    for name, column in whole.columns.items():
        other = found.columns[name]
        assert (other.nulls, other.nans, other.known) == (column.nulls, column.nans, column.known)
        assert other.distinct == pytest.approx(column.distinct, rel=4 * column.distinct_error)
        if column.mean is not None:
            assert other.mean == pytest.approx(column.mean, rel=1e-6)
            assert other.deviation == pytest.approx(column.deviation, rel=1e-4)
            assert other.is_whole == column.is_whole or column.kind == "time"
        if column.counts is not None and column.kind != "time":
            assert other.heads == column.heads
        if column.digest is not None:
            ordered = np.sort(table.column(name).drop_null().to_numpy().astype(float))
            shares = [0.001, 0.1, 0.5, 0.9, 0.999]
            ranks = np.searchsorted(ordered, other.quantiles(shares)) / len(ordered)
            assert np.abs(ranks - shares).max() <= RANK_ERROR + 1 / len(ordered) or name == 'odd "name"'
    assert found.columns["ticket"].heads[0] == ("lost", 1000, 0)
    halves = found.merge(whole)  # with one that was made of rows
    assert halves.columns["amount"].known == 2 * whole.columns["amount"].known
    assert halves.columns["ticket"].distinct is None


def test_duckdb_gives_the_profile_of_the_rows(table):
    with duckdb.connect() as connection:
        connection.register("snapshot", table)
        agrees(
            profile_by_sql(lambda sql: connection.execute(sql).fetchall(), "snapshot", COLUMNS, dialect="duckdb"), table
        )


def test_sqlite_gives_the_profile_of_the_rows(table):
    frame = table.set_column(6, "at", table["at"].cast(pa.timestamp("us")).cast(pa.string())).to_pandas()
    with sqlite3.connect(":memory:") as connection:
        frame.to_sql("snapshot", connection, index=False)
        query = '(SELECT * FROM snapshot WHERE "grade" >= 1) AS bookings'
        found = profile_by_sql(lambda sql: connection.execute(sql).fetchall(), query, COLUMNS, dialect="sqlite")
    agrees(found, table)


def test_what_is_not_finite_is_counted_in_the_database_too():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT x::DOUBLE AS x FROM (VALUES ('1'), ('nan'), ('inf'), (NULL), ('3')) AS v(x)"
        )
        found = profile_by_sql(
            lambda sql: connection.execute(sql).fetchall(), "t", {"x": ("double", "number")}, dialect="duckdb"
        ).columns["x"]
    assert (found.rows, found.nulls, found.nans, found.mean) == (5, 1, 2, 2.0)


def test_of_a_sensitive_column_only_nulls_are_asked(table):
    asked = []
    with duckdb.connect() as connection:
        connection.register("snapshot", table)

        def ask(sql):
            asked.append(sql)
            return connection.execute(sql).fetchall()

        found = profile_by_sql(ask, "snapshot", COLUMNS, dialect="duckdb", sensitive=["city"])
    assert found.columns["city"].nulls == table["city"].null_count
    assert all(sql.count('"city"') == sql.count('COUNT("city")') for sql in asked)


def test_an_unknown_database_is_refused_with_what_to_do():
    with pytest.raises(SpecError, match="'oracle' database cannot be profiled where they are"):
        profile_by_sql(lambda sql: [], "t", {}, dialect="oracle")


def test_spark_gives_the_profile_of_the_rows(table, tmp_path, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)  # the workers' Python is one that has this package
    sql = pytest.importorskip("pyspark.sql")
    from airflow_mlops.stages.profile.spark import profile_by_spark

    builder = sql.SparkSession.builder.master("local[1]").appName("profile")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "700m",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(tmp_path),
    }.items():
        builder = builder.config(name, value)
    for number in range(2):
        pq.write_table(table.slice(number * 4_000, 4_000 + number * 1_000), tmp_path / f"{number}.parquet")
    session = builder.getOrCreate()
    try:
        found = profile_by_spark(session.read.parquet(str(tmp_path)))
    finally:
        session.stop()
    whole = profile_table(table)
    assert list(found.columns) == list(whole.columns)
    for name, column in whole.columns.items():
        other = found.columns[name]
        assert (other.rows, other.nulls, other.nans) == (column.rows, column.nulls, column.nans)
        assert other.distinct == pytest.approx(column.distinct, rel=4 * column.distinct_error)
        assert other.mean == (None if column.mean is None else pytest.approx(column.mean, rel=1e-9))
        assert [text for text, *_ in other.heads[:1]] == [text for text, *_ in column.heads[:1]]
