"""The name of a row: what its labels, its predictions and its later arrivals have in common."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

# A text that begins like a time may be one: what a client writes as text is a date or a time in the rows.
_DATED = re.compile(r"\d{4}-\d\d-\d\d([T ]\d|$)")


def row_id(values: Mapping[str, Any], key: Sequence[str], time: str) -> str:
    """Name a row by its key columns, the same whether they came from JSON, Arrow or pandas.

    Parameters
    ----------
    values : mapping
        At least the key columns.
    key : sequence of str
        Columns that identify a row, in order. None gives ``[]``: such rows cannot be told apart.
    time : str
        The column with the event time. Its texts, and those of other columns that look like it, are read as times;
        without a zone they are UTC.

    Returns
    -------
    str
        JSON list with one text a column: dates and times as ISO 8601 in UTC, numbers without a trailing ``.0``, null
        for unknown.

    Raises
    ------
    KeyError
        A key column is not among the values.
    """
    return _as_id([_text(values[name], is_time=name == time) for name in key])


def row_ids(rows: pd.DataFrame, key: Sequence[str], time: str) -> list[str]:
    """Name each row of a frame as `row_id` does."""
    columns = [[_text(value, is_time=name == time) for value in rows[name]] for name in key]
    return [_as_id(texts) for texts in zip(*columns, strict=True)] if columns else ["[]"] * len(rows)


def _as_id(texts: Sequence[str | None]) -> str:
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any, *, is_time: bool) -> str | None:
    if getattr(getattr(value, "dtype", None), "kind", None) == "M":
        # A numpy time in nanoseconds turns into a bare number; its text is ISO.
        value, is_time = (None if str(value) == "NaT" else str(value)), True
    elif hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    # NaN, NaT and pandas.NA by their texts: the last cannot even be compared.
    if value is None or (not isinstance(value, str) and str(value) in ("nan", "NaN", "NaT", "<NA>")):
        return None
    if isinstance(value, str):
        return _time_text(value) if is_time or _DATED.match(value) else value
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, date):
        return _iso(datetime(value.year, value.month, value.day))
    return _plain(value)


def _time_text(value: str) -> str:
    try:
        return _iso(datetime.fromisoformat(value.strip()))
    except ValueError:
        return value


def _iso(moment: datetime) -> str:
    # Not `isoformat` of the value itself: that of pandas adds nanoseconds where there are any.
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    plain = datetime(*zoned.timetuple()[:6], zoned.microsecond, tzinfo=UTC)
    return plain.isoformat()


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value)
