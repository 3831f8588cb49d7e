"""Whatever comes as a request is rows that the model can take, or refused in one sentence that says where and why."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving.requests import parse_infer, parse_invocation
from airflow_mlops.serving.signature import Signature

SCHEMA = pa.schema(
    [
        ("carrier", pa.string()),
        ("distance", pa.int64()),
        ("temp", pa.float64()),
        ("hub", pa.bool_()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
SIGNATURE = Signature.of(SCHEMA)
ROW = {"carrier": "AA", "distance": 700, "temp": 39.9, "hub": True, "at": "2013-03-01T10:15:00Z"}
AT = datetime(2013, 3, 1, 10, 15, tzinfo=UTC)


def parse(asked, *, keep=(), max_rows=5):
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    return parse_invocation(body, SIGNATURE, keep=keep, max_rows=max_rows)


def infer(asked, *, max_rows=5):
    return parse_infer(json.dumps(asked).encode(), SIGNATURE, keep=(), max_rows=max_rows)


def tensor(name, datatype, *data, shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": list(data)}


TENSORS = [
    tensor("carrier", "BYTES", "AA"),
    tensor("distance", "INT64", 700),
    tensor("temp", "FP64", 39.9, shape=[1, 1]),
    tensor("hub", "BOOL", True),
    tensor("at", "BYTES", "2013-03-01T10:15:00Z"),
]


@pytest.mark.parametrize(
    "asked",
    [
        {"dataframe_split": {"columns": list(ROW), "index": [0], "data": [list(ROW.values())]}},
        {"dataframe_records": [ROW]},
        {"instances": [ROW]},
        {"instances": [list(ROW.values())]},
        {"inputs": {name: [value] for name, value in ROW.items()}},
        {"inputs": [ROW], "params": {}},
    ],
    ids=["split", "records", "instances", "instances in order", "inputs", "inputs as rows"],
)
def test_every_form_gives_the_same_rows(asked):
    rows = parse(asked)

    assert rows.count == 1
    assert rows.columns == [["AA"], [700], [39.9], [True], [AT]]


def test_tensors_give_the_same_rows():
    rows = infer({"id": "first", "inputs": TENSORS})

    assert (rows.columns, rows.id) == ([["AA"], [700], [39.9], [True], [AT]], "first")


def test_columns_beyond_the_signature_are_kept_where_they_name_a_row():
    rows = parse({"dataframe_records": [{**ROW, "flight": 12, "gate": "B4"}]}, keep=["flight", "scheduled"])

    assert rows.extra == {"flight": [12]}


def changed(**values):
    return {"dataframe_records": [ROW, {**ROW, **values}]}


WRONG = [
    (b"", r"the request is not JSON: Input data was truncated"),
    (b'{"instances": [NaN]}', r"the request is not JSON: JSON is malformed"),
    (b'{"instances": [{"temp": 1e999}]}', r"the request is not JSON: Number out of range"),
    (b"\xff\xfe", r"the request is not JSON"),
    (b'{"instances": ["\xed\xa0\x80"]}', r"the request is not JSON"),
    (b"[" * 5000, r"nested too deeply to be rows"),
    (b'{"instances": ' + b"9" * 5000 + b"}", r"instances must be a list of rows|the request is not JSON"),
    ([ROW], r"must be a JSON object with one of dataframe_split, dataframe_records, instances, inputs"),
    ({}, r"it holds nothing\."),
    ({"data": []}, r"it holds only 'data'\."),
    ({"instances": [], "inputs": []}, r"it holds both instances and inputs"),
    ({"inputs": [ROW], "params": {"a": 1}}, r"holds params, and the model takes none"),
    ({"instances": []}, r"the request has no row"),
    ({"inputs": {}}, r"the request has no row"),
    ({"instances": [ROW] * 6}, r"has 6 rows, and the server takes 5 at once; send it in parts"),
    ({"instances": 7}, r"instances must be a list of rows"),
    ({"instances": [ROW, 3]}, r"row 1: found no object"),
    ({"dataframe_split": []}, r"must be an object with columns and data"),
    ({"dataframe_split": {"columns": "ab", "data": [[1]]}}, r"columns, a list of names"),
    ({"dataframe_split": {"columns": [f"c{n}" for n in range(1006)], "data": []}}, r"has 1006 columns, and the"),
    ({"instances": [{f"c{n}": 1 for n in range(1006)}]}, r"has 1006 columns, and the server takes 1005 of this model"),
    ({"inputs": {f"c{n}": [1] for n in range(1006)}}, r"has 1006 columns, and the server takes 1005 of this model"),
    ({"dataframe_split": {"columns": ["b", "a", "c", "a"], "data": []}}, r"column 'a' is there twice"),
    ({"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}, r"column 'a' is there twice"),
    ({"dataframe_split": {"columns": list(ROW), "data": [[1]]}}, r"row 0: found 1 values, and there are 5 columns"),
    ({"dataframe_split": {"columns": list(ROW), "data": [7]}}, r"row 0: found no list"),
    ({"instances": [["AA"]]}, r"row 0: found 1 values, and there are 5 columns"),
    ({"inputs": {"carrier": "AA"}}, r"column 'carrier' must be a list"),
    ({"inputs": {"carrier": ["AA"], "temp": [1, 2]}}, r"of one length, and they have 1 to 2 values"),
    ({"instances": [ROW, {"carrier": "AA"}]}, r"row 1: the request lacks columns 'distance', 'temp', 'hub', 'at'"),
    ({"inputs": {"carrier": ["AA"]}}, r"lacks columns 'distance', 'temp', 'hub', 'at'; the model takes carrier, "),
    (changed(temp="39.9"), r"row 1, column 'temp': found '39\.9', the model takes a number or null"),
    (changed(temp=True), r"row 1, column 'temp': found true, the model takes a number"),
    (changed(temp=10**400), r"column 'temp': found a number of more than 60 digits, the model takes a number"),
    (changed(distance=1.5), r"row 1, column 'distance': found 1\.5, the model takes a whole number between"),
    (changed(distance=2**63), r"found 9223372036854775808, the model takes a whole number between"),
    (changed(carrier=7), r"row 1, column 'carrier': found 7, the model takes a text or null"),
    (changed(carrier={"a": 1}), r"column 'carrier': found an object, the model takes a text"),
    (changed(carrier=[1]), r"column 'carrier': found a list, the model takes a text"),
    (changed(hub=1), r"row 1, column 'hub': found 1, the model takes true or false"),
    (changed(at="soon"), r"row 1, column 'at': found 'soon', the model takes a time as text, ISO 8601"),
    (changed(at="9999-12-31T23:59:59-10:00"), r"column 'at': found '9999-12-31T23:59:59-10:00'"),
    (changed(at=1362132900000), r"column 'at': found 1362132900000, the model takes a time as text"),
    (changed(temp="x" * 1000), r"found 'x+\.\.\. \(1002 characters\)"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "sentence"), WRONG, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_refused_in_one_sentence(asked, sentence):
    with pytest.raises(RequestRefused, match=sentence) as refused:
        parse(asked)

    assert 400 <= refused.value.status < 500
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"inputs": {}}, "must hold inputs, a list of tensors"),
        ({"inputs": [], "id": 7}, "id must be a text of at most 200 characters"),
        ({"inputs": [3]}, "input 0 must be an object with name, shape, datatype and data"),
        ({"inputs": [tensor("temp", "DECIMAL", 1)]}, "input 'temp' must have a datatype of BOOL"),
        ({"inputs": [tensor("temp", "FP64", 1, shape=[1, 2])]}, r"must have the shape \[rows\] or \[rows, 1\]"),
        ({"inputs": [tensor("temp", "FP64", 1, shape=[True])]}, r"must have the shape \[rows\]"),
        ({"inputs": [tensor("temp", "FP64", 1, shape=[2])]}, "says 2 rows by its shape, and holds 1"),
        ({"inputs": [tensor("temp", "FP64", 1, shape=[10**9])]}, "has 1000000000 rows, and the server takes 5"),
        ({"inputs": [{}] * 1006}, "has 1006 columns, and the server takes 1005 of this model"),
        ({"inputs": TENSORS, "outputs": [{"name": "odds"}]}, "asks for output 'odds', and the model has one, 'predict"),
        ({"inputs": TENSORS, "outputs": ["predictions"]}, "outputs must be a list of objects with a name"),
        ({"inputs": [TENSORS[0], TENSORS[0]]}, "column 'carrier' is there twice"),
        ({"inputs": TENSORS[:2]}, "lacks columns 'temp', 'hub', 'at'"),
        ({"inputs": []}, "the request has no row"),
    ],
)
def test_tensors_that_are_no_columns_are_refused(asked, sentence):
    with pytest.raises(RequestRefused, match=sentence):
        infer(asked)


@pytest.mark.parametrize(
    ("datatype", "values", "sentence"),
    [
        ("BYTES", ["AA", 7], "row 1, input 'x': found 7, and its datatype BYTES holds text"),
        ("FP64", [1, None, "1"], "row 2, input 'x': found \"1\", and its datatype FP64 holds numbers"),
        ("FP32", [True], "found true, and its datatype FP32 holds numbers"),
        ("INT8", [127, 128], "row 1, .*: found 128, and its datatype INT8 holds whole numbers between -128 and 127"),
        ("UINT64", [-1], "found -1, and its datatype UINT64 holds whole numbers between 0 and 18446744073709551615"),
        ("INT64", [1.5], "found 1.5, and its datatype INT64 holds whole numbers"),
        ("INT32", ["1"], 'found "1", and its datatype INT32 holds whole numbers'),
        ("INT32", [10**400], "found a number of more than 60 digits, and its datatype INT32"),
        ("BOOL", [True, 2], "row 1, input 'x': found 2, and its datatype BOOL holds true, false, 1 and 0"),
        ("BOOL", [1.0], "found 1.0, and its datatype BOOL"),
        ("BOOL", [{"a": 1}], "found an object, and its datatype BOOL"),
        ("BYTES", [["a", "b"]], "found a list, and its datatype BYTES"),
    ],
)
def test_values_that_are_not_of_their_datatype_are_refused(datatype, values, sentence):
    with pytest.raises(RequestRefused, match=sentence) as refused:
        infer({"inputs": [tensor("x", datatype, *values)]})

    assert refused.value.status == 400


def test_numbers_under_bool_are_true_and_false_and_anything_may_be_missing():
    tensors = [
        tensor("carrier", "BYTES", "AA", None), tensor("distance", "UINT16", 5.0, None),
        tensor("temp", "INT8", -128, None), tensor("hub", "BOOL", 1, None), tensor("at", "BYTES", None, None),
    ]  # fmt: skip
    rows = infer({"inputs": tensors, "outputs": [{"name": "predictions"}]})

    assert rows.columns == [["AA", None], [5, None], [-128, None], [True, None], [None, None]]


def test_frames_have_the_types_that_training_saw():
    known = parse({"instances": [ROW]})
    frame = SIGNATURE.frame([known, known])

    assert frame.dtypes.astype(str).to_dict() == {
        "carrier": "object", "distance": "int64", "temp": "float64", "hub": "bool", "at": "datetime64[us, UTC]",
    }  # fmt: skip
    assert frame["at"].tolist() == [pd.Timestamp(AT)] * 2


def test_what_is_missing_is_what_pandas_makes_of_it():
    rows = parse({"instances": [dict.fromkeys(ROW)]})
    frame = SIGNATURE.frame([rows])

    assert rows.widened == (1, 3)
    assert frame["carrier"].tolist() == [None]
    assert frame["distance"].dtype == np.float64
    assert math.isnan(frame["temp"][0])
    assert frame["hub"].tolist() == [None]
    assert frame["at"].isna().all()


def test_a_whole_number_may_come_as_a_double():
    assert parse(changed(distance=5.0, temp=4)).columns[1:3] == [[700, 5], [39.9, 4]]


@pytest.mark.parametrize(
    ("kind", "given", "dtype", "made"),
    [
        (pa.int8(), 5, "int8", 5),
        (pa.float32(), 0.5, "float32", 0.5),
        (pa.large_string(), "a", "object", "a"),
        (pa.dictionary(pa.int32(), pa.string()), "a", "category", "a"),
        (pa.date32(), "2013-03-01", "object", date(2013, 3, 1)),
        (pa.timestamp("ms"), "2013-03-01T12:15:00+02:00", "datetime64[ms]", pd.Timestamp("2013-03-01T10:15:00")),
        (pa.null(), "a", "object", "a"),
    ],
    ids=str,
)
def test_rarer_types_are_met_too(kind, given, dtype, made):
    signature = Signature.of(pa.schema([("x", kind)]))
    rows = parse_invocation(json.dumps({"instances": [{"x": given}]}).encode(), signature, keep=(), max_rows=1)
    frame = signature.frame([rows])

    assert str(frame["x"].dtype) == dtype
    assert frame["x"].tolist() == [made]


def test_a_byte_holds_no_more_than_a_byte():
    signature = Signature.of(pa.schema([("x", pa.uint8())]))

    with pytest.raises(RequestRefused, match="found 256, the model takes a whole number between 0 and 255"):
        parse_invocation(b'{"instances": [[256]]}', signature, keep=(), max_rows=1)
