"""Datatypes of the open inference protocol, held against the values that came under them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTHS = (8, 16, 32, 64)
_LIMITS = {
    **{f"UINT{width}": (0, 2**width - 1) for width in _WIDTHS},
    **{f"INT{width}": (-(2 ** (width - 1)), 2 ** (width - 1) - 1) for width in _WIDTHS},
}
_FLOATS = ("FP16", "FP32", "FP64")
# Of a value in a sentence.
_SHOWN = 60
DATATYPES = ("BOOL", *_LIMITS, *_FLOATS, "BYTES")


def read_datatype(name: str, datatype: str, values: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a tensor; null is taken under every datatype, for something may be missing.

    Parameters
    ----------
    name : str
        Of the tensor, for the sentence.
    datatype : str
        One of `DATATYPES`.
    values : sequence
        As JSON has them.

    Raises
    ------
    RequestRefused
        A value is of another kind, or beyond the datatype's width; the sentence names its row.
    """
    kinds = set(map(type, values)) - {type(None)}
    if datatype == "BYTES":
        return _expect(name, datatype, values, kinds, {str}, "text")
    if datatype == "BOOL":
        return _booleans(name, values, kinds)
    if datatype in _FLOATS:
        return _expect(name, datatype, values, kinds, {int, float}, "numbers")
    _expect(name, datatype, values, kinds, {int, float}, "whole numbers")
    least, most = _LIMITS[datatype]
    for row, value in enumerate(values):
        # A client that keeps numbers as doubles sends 5.0.
        if value is not None and not (least <= value <= most and value == int(value)):
            raise _refusal(name, datatype, row, value, f"whole numbers between {least} and {most}")
    return values


def _booleans(name: str, values: Sequence[Any], kinds: set[type]) -> Sequence[Any]:
    if kinds <= {bool}:
        return values
    for row, value in enumerate(values):
        if value is not None and not (isinstance(value, int) and value in (0, 1)):
            raise _refusal(name, "BOOL", row, value, "true, false, 1 and 0")
    return [None if value is None else bool(value) for value in values]


def _expect(
    name: str, datatype: str, values: Sequence[Any], kinds: set[type], wanted: set[type], words: str
) -> Sequence[Any]:
    if kinds <= wanted:
        return values
    row = next(row for row, value in enumerate(values) if value is not None and type(value) not in wanted)
    raise _refusal(name, datatype, row, values[row], words)


def _refusal(name: str, datatype: str, row: int, value: Any, words: str) -> RequestRefused:
    if isinstance(value, dict | list):
        shown = "a list" if isinstance(value, list) else "an object"
    elif isinstance(value, int) and abs(value) >= 10**_SHOWN:
        shown = f"a number of more than {_SHOWN} digits"
    else:
        shown = json.dumps(value[:_SHOWN] if isinstance(value, str) else value, ensure_ascii=False)
    return RequestRefused(
        f"row {row}, input {name[:60]!r}: found {shown}, and its datatype {datatype} holds {words}.", kind="wrong_type"
    )
