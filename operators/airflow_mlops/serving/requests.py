"""From the bytes of a request to checked rows: MLflow's four forms, and the tensors of the open inference protocol."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving.signature import Rows, missing
from airflow_mlops.serving.tensors import DATATYPES, read_datatype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.serving.signature import Signature

# What the answer of the open inference protocol holds.
OUTPUT = "predictions"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
# Columns that a request may bring beyond those that are of use: a client that sends its whole table is no fault.
_MORE_COLUMNS = 1000

_decode = msgspec.json.Decoder().decode


def parse_invocation(body: bytes, signature: Signature, *, keep: Sequence[str], max_rows: int) -> Rows:
    """Read a request in one of MLflow's forms.

    Parameters
    ----------
    body : bytes
        JSON.
    signature : Signature
        What the model takes.
    keep : sequence of str
        Columns beyond the signature that name a row.
    max_rows : int
        Most rows to take.

    Raises
    ------
    RequestRefused
        It is not JSON, none of the forms, or its rows do not fit the signature.
    """
    asked = read_object(body)
    forms = [form for form in FORMS if form in asked]
    if len(forms) != 1:
        found = f"both {forms[0]} and {forms[1]}" if forms else _keys(asked)
        raise RequestRefused(f"the request must hold one of {', '.join(FORMS)}; it holds {found}.", kind="bad_form")
    if asked.get("params"):
        raise RequestRefused("the request holds params, and the model takes none; leave them out.", kind="bad_form")
    form = forms[0]
    table, count = _TABLES[form](asked[form], form, signature, keep, max_rows)
    return _checked(signature, table, count, keep)


def parse_infer(body: bytes, signature: Signature, *, keep: Sequence[str], max_rows: int) -> Rows:
    """Read an inference request of the open inference protocol: one tensor a column, of shape [n] or [n, 1].

    Parameters
    ----------
    body, signature, keep, max_rows
        As in `parse_invocation`.

    Raises
    ------
    RequestRefused
        It is not JSON, its tensors are no columns, or they do not fit the signature.
    """
    asked = read_object(body)
    name, inputs = asked.get("id"), asked.get("inputs")
    if name is not None and not (isinstance(name, str) and len(name) <= 200):
        raise RequestRefused("the request's id must be a text of at most 200 characters.", kind="bad_form")
    if not isinstance(inputs, list):
        raise RequestRefused("the request must hold inputs, a list of tensors, one a column.", kind="bad_form")
    _limit_columns(len(inputs), signature, keep)
    _expect_outputs(asked.get("outputs"))
    table: dict[str, Sequence[Any]] = {}
    for place, tensor in enumerate(inputs):
        column, values = _tensor(tensor, place, max_rows)
        if column in table:
            raise _twice(column)
        table[column] = values
    rows = _checked(signature, table, _one_length(table, max_rows), keep)
    rows.id = name
    return rows


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    RequestRefused
        It is something else.
    """
    try:
        found = _decode(body)
    except RecursionError:
        raise RequestRefused("the request's JSON is nested too deeply to be rows.", kind="bad_json") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise RequestRefused(f"the request is not JSON: {str(error)[:200]}.", kind="bad_json") from None
    if not isinstance(found, dict):
        raise RequestRefused(f"the request must be a JSON object with one of {', '.join(FORMS)}.", kind="bad_form")
    return found


def _checked(signature: Signature, table: dict[str, Sequence[Any]], count: int, keep: Sequence[str]) -> Rows:
    rows = signature.take(table, count)
    for name in keep:
        if name in table:
            rows.extra[name] = _plain(name, table[name])
    return rows


def _plain(name: str, values: Sequence[Any]) -> list[Any]:
    for row, value in enumerate(values):
        if isinstance(value, dict | list):
            raise RequestRefused(
                f"row {row}, column {name!r}: this column names the row, and must be a text or a number.",
                kind="wrong_type",
            )
    return list(values)


# MLflow's forms: each gives the columns, and the number of rows


def _split(value: Any, form: str, signature: Signature, keep: Sequence[str], max_rows: int) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise RequestRefused(f"{form} must be an object with columns and data, each a list.", kind="bad_form")
    columns, data = value.get("columns"), value["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise RequestRefused(f"{form} must be an object with columns, a list of names.", kind="bad_form")
    _limit_columns(len(columns), signature, keep)
    _refuse_doubles(columns)
    _limit(len(data), max_rows)
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            found = f"{len(row)} values" if isinstance(row, list) else "no list"
            raise _ragged(place, found, f"there are {len(columns)} columns")
    return dict(zip(columns, zip(*data, strict=True), strict=True)), len(data)


def _records(value: Any, form: str, signature: Signature, keep: Sequence[str], max_rows: int) -> Any:
    if not isinstance(value, list):
        raise RequestRefused(f"{form} must be a list of rows.", kind="bad_form")
    _limit(len(value), max_rows)
    for place, row in enumerate(value):
        if not isinstance(row, dict):
            raise _ragged(place, "no object", f"each row of {form} is one, with a value for each column")
        _limit_columns(len(row), signature, keep)
    # Beyond what the model takes only columns that name every row are of use.
    wanted = [*signature.names, *(name for name in keep if all(name in row for row in value))]
    try:
        return {name: [row[name] for row in value] for name in wanted}, len(value)
    except KeyError:
        place, row = next((p, r) for p, r in enumerate(value) if any(name not in r for name in signature.names))
        refusal = missing(signature, row)
        raise RequestRefused(f"row {place}: {refusal}", kind=refusal.kind) from None


def _instances(value: Any, form: str, signature: Signature, keep: Sequence[str], max_rows: int) -> Any:
    """Rows as objects, or as lists in the order of the signature."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return _split({"columns": signature.names, "data": value}, form, signature, keep, max_rows)
    return _records(value, form, signature, keep, max_rows)


def _inputs(value: Any, form: str, signature: Signature, keep: Sequence[str], max_rows: int) -> Any:
    """Columns as lists; also, as MLflow has it, what `_instances` takes."""
    if not isinstance(value, dict):
        return _instances(value, form, signature, keep, max_rows)
    _limit_columns(len(value), signature, keep)
    for name, values in value.items():
        if not isinstance(values, list):
            raise RequestRefused(f"{form}: column {name[:60]!r} must be a list, one value a row.", kind="bad_form")
    return value, _one_length(value, max_rows)


_TABLES = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}


# Tensors


def _tensor(tensor: Any, place: int, max_rows: int) -> tuple[str, Sequence[Any]]:
    fields = tensor if isinstance(tensor, dict) else {}
    name, shape, data = fields.get("name"), fields.get("shape"), fields.get("data")
    if not isinstance(name, str) or not isinstance(shape, list) or not isinstance(data, list):
        raise RequestRefused(
            f"input {place} must be an object with name, shape, datatype and data as JSON; binary tensors are not "
            "taken.",
            kind="bad_form",
        )
    datatype = fields.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise RequestRefused(f"input {name[:60]!r} must have a datatype of {', '.join(DATATYPES)}.", kind="bad_form")
    if not all(type(size) is int and size >= 0 for size in shape) or shape[1:] not in ([], [1]) or not shape:
        raise RequestRefused(f"input {name[:60]!r} must have the shape [rows] or [rows, 1].", kind="bad_form")
    _limit(max(shape[0], len(data)), max_rows)
    values = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in data]
    if len(values) != math.prod(shape):
        raise RequestRefused(
            f"input {name[:60]!r} says {math.prod(shape)} rows by its shape, and holds {len(values)}.", kind="ragged"
        )
    return name, read_datatype(name, datatype, values)


def _expect_outputs(outputs: Any) -> None:
    """Refuse what is asked for and would not be in the answer."""
    if outputs is None:
        return
    if not isinstance(outputs, list) or not all(isinstance(each, dict) for each in outputs):
        raise RequestRefused("the request's outputs must be a list of objects with a name.", kind="bad_form")
    for each in outputs:
        if each.get("name") != OUTPUT:
            raise RequestRefused(
                f"the request asks for output {str(each.get('name'))[:60]!r}, and the model has one, {OUTPUT!r}.",
                kind="bad_form",
            )


def _one_length(table: dict[str, Sequence[Any]], max_rows: int) -> int:
    lengths = {len(values) for values in table.values()}
    if len(lengths) > 1:
        raise RequestRefused(
            f"the columns must be of one length, and they have {min(lengths)} to {max(lengths)} values.", kind="ragged"
        )
    count = lengths.pop() if lengths else 0
    _limit(count, max_rows)
    return count


# Refusals that several forms share


def _limit(count: int, max_rows: int) -> None:
    if count > max_rows:
        raise RequestRefused(
            f"the request has {count} rows, and the server takes {max_rows} at once; send it in parts.",
            status=413,
            kind="too_many_rows",
        )
    if count == 0:
        raise RequestRefused("the request has no row.", kind="no_rows")


def _limit_columns(count: int, signature: Signature, keep: Sequence[str]) -> None:
    most = len(signature.columns) + len(keep) + _MORE_COLUMNS
    if count > most:
        raise RequestRefused(
            f"the request has {count} columns, and the server takes {most} of this model, which needs "
            f"{len(signature.columns)}.",
            kind="too_many_columns",
        )


def _refuse_doubles(columns: Sequence[str]) -> None:
    if len(seen := set(columns)) == len(columns):
        return
    for name in columns:
        if name not in seen:
            raise _twice(name)
        seen.remove(name)


def _ragged(place: int, found: str, wanted: str) -> RequestRefused:
    return RequestRefused(f"row {place}: found {found}, and {wanted}.", kind="ragged")


def _twice(name: str) -> RequestRefused:
    return RequestRefused(f"column {name[:60]!r} is there twice; send it once.", kind="duplicate_column")


def _keys(asked: dict[str, Any]) -> str:
    shown = ", ".join(repr(key[:40]) for key in list(asked)[:5])
    return f"only {shown}" if shown else "nothing"
