"""Many files as one table: what they may differ in, what their folders say, and who writes them meanwhile."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_mlops.errors import SourceUnavailable, SourceUnreadable
from airflow_mlops.hooks.source import SourceHook, files
from airflow_mlops.spec.data_sections import FileSource
from tests.conftest import utc

START, END = utc("2013-01-01"), utc("2013-02-01")
DAY, TIME = pa.array([date(2013, 1, 2)]), pa.array([datetime(2013, 1, 2, 8)], pa.timestamp("us"))
AS_ONE = {
    "days beside times": ({"x": DAY}, {"x": TIME}, [datetime(2013, 1, 2), datetime(2013, 1, 2, 8)]),
    "categories beside text": ({"x": pa.array(["a"]).dictionary_encode()}, {"x": ["b"]}, ["a", "b"]),
    "nothing beside text": ({"x": pa.nulls(1)}, {"x": ["b"]}, [None, "b"]),
    "a column that came later": ({"y": [1]}, {"x": [2], "y": [1]}, [None, 2]),
}


def two_files(folder, one, other):
    for name, columns in (("a", one), ("b", other)):
        pq.write_table(pa.table({"scheduled": TIME, **columns}), folder / f"{name}.parquet")
    return SourceHook(FileSource(kind="file", uri=str(folder), format="parquet"))


@pytest.mark.parametrize("case", AS_ONE)
def test_what_two_writers_call_otherwise_is_one_column(case, tmp_path):
    one, other, values = AS_ONE[case]

    assert two_files(tmp_path, one, other).read(START, END, "scheduled").column("x").to_pylist() == values


@pytest.mark.parametrize(
    ("one", "other"),
    [([2**60 + 1], [0.5]), (pa.array([2**64 - 1], pa.uint64()), [-1]), ([Decimal("1.25")], [1])],
    ids=["an integer no float holds", "beyond 64 bits", "digits of decimals"],
)
def test_a_value_that_the_type_of_all_files_does_not_hold_is_refused_by_name(one, other, tmp_path):
    with pytest.raises(SourceUnreadable, match=r"\.parquet has 'x' as .*other files make it"):
        two_files(tmp_path, {"x": one}, {"x": other}).read(START, END, "scheduled")


def test_a_column_twice_is_no_broken_parquet(tmp_path):
    pq.write_table(pa.table([TIME, TIME], names=["scheduled", "scheduled"]), tmp_path / "a.parquet")

    with pytest.raises(SourceUnreadable, match="has a column more than once"):
        SourceHook(FileSource(kind="file", uri=str(tmp_path), format="parquet")).read(START, END, "scheduled")


@pytest.mark.parametrize("format", ["csv", "json"])
def test_folders_of_text_files_hold_columns_too(format, tmp_path):
    text = {"csv": "scheduled,x\n2013-01-02T08:00:00,1\n", "json": '{"scheduled": "2013-01-02T08:00:00", "x": 1}\n'}
    for folder in ("my%20zone=-1", "my%20zone=__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"a.{format}").write_text(text[format])
    source = FileSource(kind="file", uri=str(tmp_path), format=format, partitioning="hive")

    assert SourceHook(source).read(START, END, "scheduled").column("my zone").to_pylist() == [-1, None]


@pytest.mark.parametrize("written", [b"2013-01-02T08:00:00,7\n", b"2013-01-02T0"], ids=["a row", "half a row"])
def test_a_file_that_grows_while_it_is_read_is_read_again_later(written, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SMALL_BYTES", 0)
    file = tmp_path / "t.csv"
    file.write_bytes(b"scheduled,x\n" + b"2013-01-02T08:00:00,7\n" * 300_000)
    rows = SourceHook(FileSource(kind="file", uri=str(file), format="csv")).stream(START, END, "scheduled")
    rows.read_next_batch()
    with file.open("ab") as opened:
        opened.write(written)

    with pytest.raises(SourceUnavailable, match=r"was changed while it was read: it had 6600012 bytes before and has"):
        rows.read_all()
