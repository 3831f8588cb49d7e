"""Files of many blocks: the same rows, types and faults as small ones, in memory that does not grow."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.errors import EmptyWindow, SourceUnreadable, TypesChanged
from airflow_mlops.hooks.source import SourceHook, files
from airflow_mlops.hooks.source.csv_file import CsvFile
from airflow_mlops.hooks.source.text_blocks import BLOCK_BYTES, TextFile, blocks
from airflow_mlops.lifecycle.storing import store_rows
from airflow_mlops.spec.data_sections import FileSource
from airflow_mlops.stages.ingest import Wanted
from tests.conftest import utc

START, END = utc("2013-01-01"), utc("2013-02-01")
HEADER = b"scheduled,dest,delay,note\n"
ROW = b'2013-01-01T10:15:00Z,EWR,12,"on time, nearly"\n'
# Rows of two blocks and a half.
MANY = BLOCK_BYTES * 5 // 2 // len(ROW)


@pytest.fixture(autouse=True)
def no_file_is_small(monkeypatch):
    """Types are found from the first rows, as in files of gigabytes."""
    monkeypatch.setattr(files, "_SMALL_BYTES", 0)


@pytest.fixture
def write(tmp_path):
    def _write(payload, name="t.csv"):
        (tmp_path / name).write_bytes(payload)
        format = "json" if ".json" in name else "csv"
        return SourceHook(FileSource(kind="file", uri=str(tmp_path / name), format=format))

    return _write


def late(row, after=b""):
    """Many good rows, then one that is not, then some more."""
    return HEADER + ROW * MANY + row + ROW * 10 + after


LINE = MANY + 2
FAULTS = {
    "Latin-1": (late(ROW.replace(b"EWR", b"Z\xfcrich")), rf"not utf-8: byte 0xfc on line {LINE}"),
    "half a character": (HEADER + ROW * MANY + b"2013-01-01T10:15:00Z,Z\xc3", rf"byte 0xc3 on line {LINE}"),
    "an unbalanced quote": (late(ROW.replace(b"EWR", b'"EWR')), rf'quote \("\) on line {LINE} that is never closed'),
    "a quote on the last line": (
        late(b"", b'2013-01-01,"EWR,12,x\n'),
        rf'quote \("\) on line {LINE + 10} that is never',
    ),
    "swallowed rows": (
        late(b'2013-01-01T10:15:00Z,"EWR,12,x\n2013-01-01T10:15:00Z,A,1,x\n2013-01-01T10:15:00Z,B",2,x\n'),
        rf'quote \("\) on line {LINE} that swallows 1 whole rows',
    ),
    "cut in mid-row": (late(b"", b"2013-01-01T10:15:00Z,EWR"), rf"has 2 values on line {LINE + 10} .* ends in mid-row"),
    "the header again": (late(HEADER), rf"repeats its header on line {LINE}:"),
    "zero bytes": (late(b"\x00\x00\n"), "holds zero bytes"),
    "a ragged row": (
        late(b"2013-01-01T10:15:00Z,EWR,12,a,b\n"),
        rf"has 5 values on line {LINE} where the header has 4",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_far_from_the_start_is_found_with_its_line(fault, write):
    payload, sentence = FAULTS[fault]

    with pytest.raises(SourceUnreadable, match=rf"t\.csv.*{sentence}"):
        write(payload).read(START, END, "scheduled")


def test_good_rows_come_in_order_over_all_blocks(write):
    rows = b"".join(b"2013-01-01T10:15:00Z,EWR,%d,x\n" % number for number in range(300_000))

    table = write(b"\xef\xbb\xbf" + HEADER + rows).read(START, END, "scheduled")

    assert table.column("delay").to_pylist() == list(range(300_000))
    assert table.schema.types == [pa.timestamp("s", "UTC"), pa.string(), pa.int64(), pa.string()]


def test_packed_csv_is_read_and_packed_csv_that_is_cut_is_not(write):
    packed = gzip.compress(late(b""), compresslevel=1)

    assert write(packed, "t.csv.gz").read(START, END, "scheduled").num_rows == MANY + 10
    with pytest.raises(SourceUnreadable, match=r"t\.csv\.gz is not whole gzip"):
        write(packed[: len(packed) // 2], "t.csv.gz").read(START, END, "scheduled")


@pytest.mark.parametrize(
    ("value", "kind"), [(b"12.5", pa.float64()), (b"late", pa.string()), (b"NA", pa.int64())], ids=str
)
def test_a_value_of_another_type_far_from_the_start_gives_the_type_of_all_values(value, kind, write):
    hook = write(late(b"2013-01-01T10:15:00Z,EWR,%s,x\n" % value))

    table = hook.read(START, END, "scheduled")

    assert table.schema.field("delay").type == kind
    assert table.num_rows == MANY + 11


def test_who_reads_a_stream_without_the_hooks_help_is_told_that_types_changed(write):
    stream = write(late(b"2013-01-01T10:15:00Z,EWR,late,x\n")).stream(START, END, "scheduled")

    with pytest.raises(TypesChanged, match=r"t\.csv has a value of another type than the rows before it: .*'late'"):
        stream.read_all()


def test_types_hold_for_all_files(write, tmp_path):
    write(HEADER + ROW, "a.csv")
    write(HEADER + ROW.replace(b"12", b"12.5"), "b.csv")

    table = SourceHook(FileSource(kind="file", uri=str(tmp_path), format="csv")).read(START, END, "scheduled")

    assert table.column("delay").to_pylist() == [12.0, 12.5]


def test_a_quoted_value_may_lie_over_the_border_of_blocks():
    value = b"a line\n" * 20
    payload = HEADER + (b'2013-01-01,EWR,1,"' + value + b'"\n') * 2000
    file = CsvFile(TextFile("t.csv", lambda: io.BytesIO(payload)), {})

    tables = [file.parse(block) for block in file.blocks(10_000)]

    assert len(tables) > 10
    assert pa.concat_tables(tables, promote_options="permissive").column("note").to_pylist() == [value.decode()] * 2000


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"a,b\r1,2\r3,4\r", "ends its lines with CR alone, as old Macs did"),
        (b"\xef\xbb\xbf", r"is empty \(3 bytes\)"),
        (b"\n\na,b", "has no header"),
    ],
    ids=["lines of old Macs", "a byte-order mark only", "blank lines only"],
)
def test_text_without_rows_that_can_be_told_apart_is_refused(payload, sentence, write):
    with pytest.raises(SourceUnreadable, match=rf"t\.csv {sentence}"):
        write(payload).read(START, END, "a")


def test_rows_between_two_quoted_values_are_not_taken_for_swallowed_ones(write):
    rows = b'2013-01-01,"a\nb",1,x\n2013-01-01,A,2,y\n2013-01-01,B,3,y\n2013-01-01,"c",4,x\n'

    assert write(HEADER + rows).read(START, END, "scheduled").column("dest").to_pylist() == ["a\nb", "A", "B", "c"]


def test_a_block_ends_where_a_row_ends():
    file = TextFile("t.csv", lambda: io.BytesIO(late(b"")))

    found = list(blocks(file, kind="CSV", quote='"', size=100_000))

    assert b"".join(block.text for block in found) == late(b"")
    assert all(block.text.endswith(b"\n") for block in found if block.text)
    assert [block.is_last for block in found] == [False] * (len(found) - 1) + [True]


def test_json_lines_of_many_blocks_have_one_type_a_column(write):
    line = json.dumps({"scheduled": "2013-01-01T10:15:00Z", "delay": 12, "note": "x" * 100}).encode() + b"\n"
    many = line * (BLOCK_BYTES * 3 // 2 // len(line))

    table = write(many + line.replace(b"12", b"12.5") + b'{"delay": 1, "new": true}\n', "t.json").read(START, END, "t")

    assert table.schema.field("delay").type == pa.float64()
    assert pc.sum(table.column("new")).as_py() == 1
    with pytest.raises(SourceUnreadable, match=r"t\.json is not JSON lines: .*chang"):
        write(many + line.replace(b"12", b'"late"'), "t.json").read(START, END, "t")


# Parquet


@pytest.fixture
def by_day(january, tmp_path):
    """Ten days, a folder each; the file of the last is broken."""
    day = pc.strftime(january["scheduled"], "%Y-%m-%d")
    for value in pc.unique(day).to_pylist():
        folder = tmp_path / f"day={value}"
        folder.mkdir()
        pq.write_table(january.filter(pc.equal(day, value)), folder / "a.parquet")
    (tmp_path / "day=2013-01-10" / "a.parquet").write_bytes(b"PAR1, and no more")
    return FileSource(kind="file", uri=str(tmp_path), format="parquet", partitioning="hive")


def test_folders_outside_the_window_are_not_opened(by_day, january):
    hook = SourceHook(by_day)

    rows = hook.read(utc("2013-01-02"), utc("2013-01-04"), "scheduled")

    assert set(rows.column("day").to_pylist()) == {"2013-01-02", "2013-01-03"}
    with pytest.raises(SourceUnreadable, match=r"day=2013-01-10/a\.parquet is not whole Parquet"):
        hook.read(utc("2013-01-02"), utc("2013-01-10"), "scheduled")


def test_a_window_without_a_folder_is_empty(by_day):
    with pytest.raises(EmptyWindow, match="no row between 2014-01-01"):
        SourceHook(by_day).read(utc("2014-01-01"), utc("2014-01-02"), "scheduled")


def test_folders_of_year_and_month_are_numbers(january, tmp_path):
    for month in ("01", "12"):
        folder = tmp_path / "year=2013" / f"month={month}"
        folder.mkdir(parents=True)
        pq.write_table(january.slice(0, 10), folder / "a.parquet")
    source = FileSource(kind="file", uri=str(tmp_path), format="parquet", partitioning="hive")

    rows = SourceHook(source).read(START, END, "scheduled")

    assert rows.select(["year", "month"]).slice(0, 1).to_pylist() == [{"year": 2013, "month": 1}]
    assert rows.num_rows == 10


def test_parquet_files_that_disagree_about_a_column_are_named(january, tmp_path):
    pq.write_table(january, tmp_path / "a.parquet")
    text = january.set_column(january.column_names.index("temp"), "temp", january["temp"].cast(pa.string()))
    pq.write_table(text, tmp_path / "b.parquet")

    with pytest.raises(SourceUnreadable, match=r"b\.parquet and .*a\.parquet disagree about a column: .*temp"):
        SourceHook(FileSource(kind="file", uri=str(tmp_path), format="parquet")).read(START, END, "scheduled")


def test_threads_change_neither_order_nor_bytes(tmp_path):
    count = 400_000
    rows = pa.table(
        {
            "scheduled": pa.array([1_356_998_400 + number for number in range(count)], pa.timestamp("s", "UTC")),
            "delay": pa.array(range(count)),
            "dest": pa.array([f"airport {number % 97}" for number in range(count)]),
        }
    )
    csv.write_csv(rows, tmp_path / "t.csv")
    pq.write_table(rows, tmp_path / "t.parquet", row_group_size=30_000)
    store = ArtifactStore.local(tmp_path / "store")
    wanted = Wanted(time="scheduled", key=(), columns=(), start=START, end=END)

    def stored(format):
        hook = SourceHook(FileSource(kind="file", uri=str(tmp_path / f"t.{format}"), format=format))
        place = store.uri("flights", "snapshots")
        return hook.feed(
            START, END, "scheduled", lambda rows: store_rows(store, place, rows, wanted, section="s", sort_mb=1)
        )

    assert len({stored(format)["id"] for format in ("csv", "parquet") * 3}) == 1
