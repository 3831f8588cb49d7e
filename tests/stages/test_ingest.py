"""A window is cut exactly, and the order of rows depends on the rows only."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pytest

from airflow_mlops.artifacts import encode_table
from airflow_mlops.errors import EmptyWindow, MissingColumns, SourceUnreadable
from airflow_mlops.stages.ingest import ingest
from tests.conftest import utc


def cut(table, *, start="2013-01-01", end="2013-02-01", time="scheduled", key=(), columns=()):
    return ingest(table, time=time, key=key, columns=columns, start=utc(start), end=utc(end))


def times(*values):
    return pa.table({"scheduled": values, "x": list(range(len(values)))})


def test_the_start_is_in_the_window_and_the_end_is_not():
    table, report = cut(
        times(utc("2012-12-31T23:59:59"), utc("2013-01-01"), utc("2013-01-31T23:59:59"), utc("2013-02-01"))
    )

    assert table["x"].to_pylist() == [1, 2]
    assert (report.rows_read, report.rows, report.outside) == (4, 2, 2)
    assert (report.first, report.last) == ("2013-01-01T00:00:00+00:00", "2013-01-31T23:59:59+00:00")


def test_the_same_rows_in_another_order_give_the_same_bytes(january):
    shuffled = january.take(pa.array([*range(1, january.num_rows, 2), *range(0, january.num_rows, 2)]))
    in_chunks = pa.concat_tables([shuffled.slice(0, 1000), shuffled.slice(1000)])

    payloads = {encode_table(cut(table, key=["flight"])[0]) for table in (january, shuffled, in_chunks)}

    assert len(payloads) == 1


def test_the_way_of_storing_text_does_not_matter(january):
    index = january.column_names.index("carrier")
    stored = [january["carrier"].dictionary_encode(), january["carrier"].cast(pa.large_string())]

    payloads = {encode_table(cut(january.set_column(index, "carrier", column))[0]) for column in stored}

    assert payloads == {encode_table(cut(january)[0])}


@pytest.mark.parametrize(
    "value",
    [
        datetime(2013, 1, 5),
        utc("2013-01-05"),
        date(2013, 1, 5),
        "2013-01-05",
        "2013-01-05T00:00:00Z",
        "2013-01-04 19:00:00-05:00",
    ],
    ids=str,
)
def test_a_time_without_a_zone_is_utc(value):
    table, _ = cut(times(value))

    assert table["scheduled"].to_pylist() == [utc("2013-01-05")]


def test_a_time_that_cannot_be_read_is_shown():
    with pytest.raises(
        SourceUnreadable, match=r"1 of 2 values of 'scheduled' are no ISO 8601 times, such as '31\.01\.2013'"
    ):
        cut(times("2013-01-05", "31.01.2013"))


def test_a_number_is_no_time():
    with pytest.raises(SourceUnreadable, match="'scheduled' is int64, not a time"):
        cut(times(1357344000))


def test_a_few_rows_without_a_time_are_left_out_and_counted():
    table, report = cut(times(*[utc("2013-01-05")] * 199, None))

    assert (table.num_rows, report.undated) == (199, 1)


def test_many_rows_without_a_time_are_refused():
    with pytest.raises(SourceUnreadable, match="1 of 3 rows have no 'scheduled', more than 1%"):
        cut(times(utc("2013-01-05"), utc("2013-01-05"), None))


def test_missing_columns_are_named_with_those_that_are_there():
    with pytest.raises(MissingColumns, match="the source has no column 'flight', 'late'; it has 'scheduled', 'x'"):
        cut(times(utc("2013-01-05")), key=["flight"], columns=["late", "x"])


def test_an_empty_window_says_what_the_source_has():
    with pytest.raises(EmptyWindow, match=r"no row between 2014.* \(2 rows read; .* from 2013-01-05T.* to 2013-01-06T"):
        cut(times(utc("2013-01-05"), utc("2013-01-06")), start="2014-01-01", end="2014-02-01")
