"""Files as they come: what is read, and what is refused with a sentence."""

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from airflow_mlops.errors import EmptyWindow, SourceUnavailable, SourceUnreadable, SpecError
from airflow_mlops.hooks.source import SourceHook
from airflow_mlops.spec.data_sections import FileSource
from tests.conftest import utc

START, END = utc("2013-01-01"), utc("2013-01-05")


def source(uri, format="csv", **options):
    return SourceHook(FileSource(kind="file", uri=str(uri), format=format, options=options))


def read(uri, format="csv", **options):
    return source(uri, format, **options).read(START, END, "scheduled")


@pytest.fixture(scope="module")
def flights(january):
    """Two hundred flights with times as UTC text, as an export writes them."""
    rows = january.slice(0, 200)
    return rows.set_column(0, "scheduled", rows["scheduled"].cast(pa.timestamp("s", "UTC")))


@pytest.fixture(scope="module")
def csv_bytes(flights):
    sink = io.BytesIO()
    csv.write_csv(flights, sink, csv.WriteOptions(quoting_style="none"))
    return sink.getvalue()


def parquet_bytes(table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def half(payload):
    return payload[: len(payload) // 2]


FAULTS = {
    "Latin-1": (lambda text: text.replace(b"EWR", b"Z\xfcrich", 1), r"not utf-8: byte 0xfc on line \d+"),
    "semicolons": (lambda text: text.replace(b",", b";"), r"1 column when cut at ',' but 19 when cut at ';'"),
    "an unbalanced quote": (
        lambda text: text.replace(b"EWR", b'"EWR', 1),
        r'quote \("\) on line \d+ that is never closed',
    ),
    "two lost quotes": (
        lambda _: b'scheduled,note,x\n2013-01-01,"a,1\n2013-01-01,b,2\n2013-01-01,c,3\n2013-01-01,d",4\n',
        r'quote \("\) on line 2 that swallows 2 whole rows',
    ),
    "cut in mid-row": (lambda text: text[: text.rindex(b",")], r"has 18 values on line 201 .* ends in mid-row"),
    "the header again": (lambda text: text + text, r"repeats its header on line 202"),
    "a web page": (lambda _: b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>", r"is a web page, not CSV"),
    "zero bytes": (lambda _: b"", r"is empty \(0 bytes\)"),
    "gzip without its ending": (gzip.compress, r"is gzip, not CSV"),
    "a spreadsheet": (lambda _: b"PK\x03\x04rest", r"is a ZIP archive \(or a spreadsheet\), not CSV"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), r"is UTF-16 text, not CSV"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_csv_is_refused_by_name_and_by_what_is_wrong(fault, csv_bytes, tmp_path):
    change, sentence = FAULTS[fault]
    file = tmp_path / "flights.csv"
    file.write_bytes(change(csv_bytes))

    with pytest.raises(SourceUnreadable, match=rf"flights\.csv.*({sentence})"):
        read(file)


def test_a_byte_order_mark_is_no_fault(csv_bytes, flights, tmp_path):
    file = tmp_path / "flights.csv"
    file.write_bytes(b"\xef\xbb\xbf" + csv_bytes)

    assert read(file).column_names == flights.column_names


def test_a_number_with_a_decimal_comma_stays_text(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('scheduled,temp\n2013-01-01T00:00:00Z,"39,5"\n2013-01-02T00:00:00Z,"40,1"\n')

    assert read(file).schema.field("temp").type == pa.string()
    assert read(file, decimal_point=",").column("temp").to_pylist() == [39.5, 40.1]


def test_other_delimiters_and_encodings_are_read_when_the_spec_says_so(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes("scheduled;city\n2013-01-01;Zürich\n".encode("latin-1"))

    assert read(file, delimiter=";", encoding="latin-1").column("city").to_pylist() == ["Zürich"]


def test_an_unknown_option_of_the_csv_reader_is_named(tmp_path, csv_bytes):
    (tmp_path / "t.csv").write_bytes(csv_bytes)

    with pytest.raises(SpecError, match="options has 'sep'; known are delimiter, encoding"):
        read(tmp_path / "t.csv", sep=";")


def test_a_quoted_value_may_hold_delimiter_quote_and_line_break(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('scheduled,note\n2013-01-01,"a, ""b""\nc"\n2013-01-02,d\n')

    assert read(file).column("note").to_pylist() == ['a, "b"\nc', "d"]


@pytest.mark.parametrize("payload", [b"", b"PAR1 and no more", None], ids=["zero bytes", "no Parquet", "truncated"])
def test_a_broken_parquet_file_is_refused(payload, flights, tmp_path):
    file = tmp_path / "flights.parquet"
    file.write_bytes(half(parquet_bytes(flights)) if payload is None else payload)

    with pytest.raises(SourceUnreadable, match=r"flights\.parquet is (empty|not whole Parquet)"):
        read(file, "parquet")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[{"a": 1}]', "one JSON array; one object a line"),
        ('{"a": 1}\n{"a": ', "not JSON lines"),
        ('{"a": 1}\n{"a": "x"}', "not JSON lines"),
        ("<html></html>", "a web page, not JSON lines"),
    ],
    ids=["an array", "cut", "a type that changes", "a web page"],
)
def test_a_broken_json_file_is_refused(text, sentence, tmp_path):
    (tmp_path / "t.json").write_text(text)

    with pytest.raises(SourceUnreadable, match=rf"t\.json is.*{sentence}"):
        read(tmp_path / "t.json", "json")


def test_parquet_csv_and_json_hold_the_same_rows(flights, csv_bytes, tmp_path):
    (tmp_path / "t.csv").write_bytes(csv_bytes)
    (tmp_path / "t.parquet").write_bytes(parquet_bytes(flights))
    flights.to_pandas().to_json(tmp_path / "t.json", orient="records", lines=True, date_format="iso")

    counts = {format: read(tmp_path / f"t.{format}", format).column("dest").to_pylist() for format in ("csv", "json")}

    assert counts["csv"] == counts["json"] == read(tmp_path / "t.parquet", "parquet").column("dest").to_pylist()


def test_parquet_is_cut_to_the_window_while_it_is_read(january, tmp_path):
    pq.write_table(january, tmp_path / "t.parquet", row_group_size=500)

    rows = SourceHook(FileSource(kind="file", uri=str(tmp_path), format="parquet")).read(
        utc("2013-01-02"), utc("2013-01-03"), "scheduled"
    )

    days = {moment.date().isoformat() for moment in rows["scheduled"].to_pylist()}
    assert days == {"2013-01-02"}


def test_a_parquet_source_without_a_row_in_the_window_says_what_it_has(january, tmp_path):
    pq.write_table(january, tmp_path / "t.parquet")

    with pytest.raises(
        EmptyWindow, match=rf"{january.num_rows} rows read; .* from 2013-01-01T10:15.* to 2013-01-11T04"
    ):
        SourceHook(FileSource(kind="file", uri=str(tmp_path), format="parquet")).read(
            utc("2020-01-01"), utc("2020-02-01"), "scheduled"
        )


def test_a_folder_is_all_of_its_files_but_not_a_writers_marks(flights, tmp_path):
    (tmp_path / "day=1").mkdir()
    pq.write_table(flights.slice(0, 50), tmp_path / "day=1" / "a.parquet")
    pq.write_table(flights.slice(50, 50), tmp_path / "b.parquet")
    (tmp_path / "_SUCCESS").touch()

    assert read(tmp_path, "parquet").num_rows == read(tmp_path / "**" / "*.parquet", "parquet").num_rows == 100


def test_files_that_disagree_about_a_column_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("scheduled,temp\n2013-01-01,39.5\n")
    (tmp_path / "b.csv").write_text('scheduled,temp\n2013-01-02,"40,1"\n')

    with pytest.raises(SourceUnreadable, match=r"b\.csv and .*a\.csv disagree about a column: .*temp"):
        read(tmp_path / "*.csv")


def test_no_file_is_a_sentence(tmp_path):
    with pytest.raises(SourceUnreadable, match=r"no file is at .*nowhere\.csv"):
        read(tmp_path / "nowhere.csv")


def test_a_version_changes_with_the_files_and_only_with_them(flights, tmp_path):
    pq.write_table(flights, tmp_path / "a.parquet")
    before = source(tmp_path, "parquet").version(START, END)
    again = source(tmp_path, "parquet").version(START, END)
    pq.write_table(flights, tmp_path / "b.parquet")

    assert before == again
    assert source(tmp_path, "parquet").version(START, END) != before


def test_a_relative_path_starts_at_the_spec(csv_bytes, tmp_path):
    (tmp_path / "flights.csv").write_bytes(csv_bytes)
    relative = FileSource(kind="file", uri="flights.csv", format="csv")

    assert SourceHook(relative, base_dir=tmp_path).read(START, END, "scheduled").num_rows == 200


# An object store by Airflow connection


@pytest.fixture(scope="module")
def bucket(flights):
    """A bucket on moto's S3 server with one Parquet and one CSV file, and its connection in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket="flights")
    client.put_object(Bucket="flights", Key="2013/a.parquet", Body=parquet_bytes(flights))
    client.put_object(Bucket="flights", Key="2013/_SUCCESS", Body=b"")
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def connection(monkeypatch):
    def make(endpoint, conn_id="aws_flights"):

        extra = {
            "region_name": "us-east-1",
            "endpoint_url": endpoint,
            "config_kwargs": {"retries": {"max_attempts": 0}},
        }
        facts = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(facts))

    return make


def on_s3(uri, conn_id="aws_flights"):
    return SourceHook(FileSource(kind="file", uri=uri, format="parquet", conn_id=conn_id))


@pytest.mark.parametrize("uri", ["s3://flights/2013/a.parquet", "s3://flights/2013", "s3://flights/2013/*.parquet"])
def test_s3_is_read_by_airflow_connection(uri, bucket, connection, flights):
    connection(bucket)
    hook = on_s3(uri)

    assert hook.read(START, END, "scheduled").num_rows == flights.num_rows
    assert hook.version(START, END) == on_s3(uri).version(START, END)


def test_an_object_that_is_not_there_is_a_sentence(bucket, connection):
    connection(bucket)

    with pytest.raises(SourceUnreadable, match="no file is at s3://flights/2014"):
        on_s3("s3://flights/2014").read(START, END, "scheduled")


def test_a_store_that_is_away_is_tried_again_later(connection):
    connection("http://127.0.0.1:9", "aws_away")

    with pytest.raises(SourceUnavailable, match="s3://away/2013 did not answer with connection 'aws_away'"):
        on_s3("s3://away/2013", "aws_away").read(START, END, "scheduled")
