"""One column of a model: which values it takes, and the array that training saw.

Arrays have the types that Arrow gives to pandas: a whole number that is missing somewhere is a double, a boolean that
is missing somewhere an object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

_NOTHING = type(None)
_MAX_DOUBLE = 1.7976931348623157e308
# Of a value in a sentence; a client sees where it is, and nobody's log fills up.
_SHOWN = 60

_WANTED = {
    "number": "a number",
    "whole": "a whole number",
    "text": "a text",
    "boolean": "true or false",
    "time": "a time as text, ISO 8601",
    "date": "a date as text, YYYY-MM-DD",
    "any": "a text, a number, true, false or null",
}
_ALLOWED: dict[str, frozenset[type]] = {
    "number": frozenset({float, int, _NOTHING}),
    "whole": frozenset({int, float, _NOTHING}),
    "text": frozenset({str, _NOTHING}),
    "boolean": frozenset({bool, _NOTHING}),
    "time": frozenset({str, _NOTHING}),
    "date": frozenset({str, _NOTHING}),
    "any": frozenset({str, int, float, bool, _NOTHING}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its kind in words, and Arrow's type of it."""

    name: str
    kind: str
    type: pa.DataType
    limits: tuple[float, float]
    make: Callable[[list[Any]], Any] = field(repr=False, compare=False)

    def check(self, values: Sequence[Any]) -> tuple[list[Any], bool]:
        """Return the values as the model's array takes them, and whether some are missing.

        Raises
        ------
        RequestRefused
            A value is of another kind, or beyond what the column's type holds; the sentence names row and column.
        """
        found = set(map(type, values))
        if not found <= _ALLOWED[self.kind]:
            place = next(i for i, value in enumerate(values) if type(value) not in _ALLOWED[self.kind])
            raise self._refusal(values, place)
        read = _READERS.get(self.kind)
        checked = list(values) if read is None else self._read(values, read)
        return checked, _NOTHING in found

    def _read(self, values: Sequence[Any], read: Callable[[Any, tuple[float, float]], Any]) -> list[Any]:
        checked = []
        for place, value in enumerate(values):
            try:
                checked.append(None if value is None else read(value, self.limits))
            except (ValueError, OverflowError):
                raise self._refusal(values, place) from None
        return checked

    def _refusal(self, values: Sequence[Any], place: int) -> RequestRefused:
        limits = f" between {self.limits[0]:g} and {self.limits[1]:g}" if self.kind == "whole" else ""
        return RequestRefused(
            f"row {place}, column {self.name!r}: found {_shown(values[place])}, the model takes {_WANTED[self.kind]}"
            f"{limits} or null.",
            kind="wrong_type",
        )

    def to_dict(self) -> dict[str, str]:
        """Turn into a JSON object."""
        return {"name": self.name, "kind": self.kind, "type": str(self.type)}


# Reading


def _number(value: float, _limits: tuple[float, float]) -> float:
    # A double holds it, or it would be infinite.
    if not -_MAX_DOUBLE <= value <= _MAX_DOUBLE:
        raise OverflowError
    return value


def _whole(value: float, limits: tuple[float, float]) -> int:
    # A client that keeps numbers as doubles sends 5.0.
    if type(value) is float and not value.is_integer():
        raise ValueError
    if not limits[0] <= value <= limits[1]:
        raise OverflowError
    return int(value)


def _time(value: str, _limits: tuple[float, float]) -> datetime:
    read = datetime.fromisoformat(value)
    # Year 1 or 9999 with an offset has no time in UTC.
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _date(value: str, _limits: tuple[float, float]) -> date:
    return date.fromisoformat(value)


_READERS: dict[str, Callable[[Any, tuple[float, float]], Any]] = {
    "number": _number,
    "whole": _whole,
    "time": _time,
    "date": _date,
}


def read_time(value: Any, *, name: str, row: int) -> datetime:
    """Read the event time of a row.

    Raises
    ------
    RequestRefused
        It is no ISO 8601 text.
    """
    try:
        return _time(value, (0, 0))
    except (ValueError, OverflowError, TypeError):
        raise RequestRefused(
            f"row {row}, column {name!r}: found {_shown(value)}, and this column is the row's time; send it as text, "
            "ISO 8601.",
            kind="wrong_type",
        ) from None


def _shown(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "true" if value is True else "false", _NOTHING: "null"}
    if type(value) in kinds:
        return kinds[type(value)]
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "a number of more than 60 digits"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


# Types


def column_of(name: str, kind: pa.DataType) -> Column:
    """Say what a column of an Arrow type takes."""
    import pyarrow.types as arrow

    value = kind.value_type if arrow.is_dictionary(kind) else kind
    for word, is_one in (
        ("boolean", arrow.is_boolean), ("whole", arrow.is_integer), ("number", arrow.is_floating),
        ("time", arrow.is_timestamp), ("date", arrow.is_date), ("text", _is_text),
    ):  # fmt: skip
        if is_one(value):
            return Column(name, word, kind, _limits(value, word), _maker(kind, word))
    return Column(name, "any", kind, (-math.inf, math.inf), _objects)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as arrow

    return arrow.is_string(kind) or arrow.is_large_string(kind) or arrow.is_string_view(kind)


def _limits(kind: pa.DataType, word: str) -> tuple[float, float]:
    if word != "whole":
        return -math.inf, math.inf
    import numpy as np

    info = np.iinfo(kind.to_pandas_dtype())
    return int(info.min), int(info.max)


def _maker(kind: pa.DataType, word: str) -> Callable[[list[Any]], Any]:
    import numpy as np
    import pyarrow.types as arrow

    if arrow.is_dictionary(kind):
        return _categories
    if word == "number":
        width = kind.to_pandas_dtype()
        return lambda values: np.array(values, dtype=np.float64).astype(width, copy=False)
    if word == "whole":
        width = kind.to_pandas_dtype()
        return lambda values: np.array(values, dtype=np.float64 if None in values else width)
    if word == "boolean":
        return lambda values: np.array(values, dtype=object if None in values else bool)
    if word == "time":
        return lambda values: _times(values, kind)
    return _objects


def _objects(values: list[Any]) -> Any:
    import numpy as np

    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _categories(values: list[Any]) -> Any:
    import pandas as pd

    return pd.Categorical(values)


def _times(values: list[Any], kind: pa.DataType) -> Any:
    import pyarrow as pa

    zoneless = values if kind.tz else [None if value is None else value.replace(tzinfo=None) for value in values]
    return pa.array(zoneless, type=kind).to_pandas()
