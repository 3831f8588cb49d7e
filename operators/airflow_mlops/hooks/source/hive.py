"""What folders named ``column=value`` say of the rows in them."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

Value = int | str | None

# Whole numbers of 64 bits; longer ones are names.
_NUMBER = re.compile(r"-?[0-9]{1,18}")
# What a writer names a folder where the column is null.
_NULL = "__HIVE_DEFAULT_PARTITION__"
# Names of folders that hold the day of the rows; any other column is left alone, as it may be about another time.
_DAYS = ("date", "day", "dt", "ds")
# A folder's day may be that of any zone.
_ZONES = timedelta(days=1)


def folders_of(paths: Sequence[str]) -> list[dict[str, Value]]:
    """Read the columns and values off the folders of each file; numbers where all values of a column are.

    Parameters
    ----------
    paths : sequence of str
        Of files.
    """
    texts = [_texts(path) for path in paths]
    is_number = {name: True for row in texts for name in row}
    for row in texts:
        for name, text in row.items():
            is_number[name] &= text is None or _NUMBER.fullmatch(text) is not None
    return [
        {name: int(text) if text is not None and is_number[name] else text for name, text in row.items()}
        for row in texts
    ]


def is_in_window(folders: Mapping[str, Value], *, time: str, start: datetime, end: datetime) -> bool:
    """Tell whether rows of a file may lie in the window, as far as its folders say.

    Parameters
    ----------
    folders : mapping
        Columns and values.
    time : str
        Column of the window.
    start, end : datetime
        Bounds with a zone.
    """
    span = _span(folders, time)
    if span is None:
        return True
    return span[0] - _ZONES < end and start < span[1] + _ZONES


def with_folders(table: pa.Table, folders: Mapping[str, Value]) -> pa.Table:
    """Add to the rows of a file what its folders say; a column that the file has itself is left alone."""
    import pyarrow as pa

    for name, value in folders.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value), table.num_rows))
    return table


def _texts(path: str) -> dict[str, str | None]:
    pairs = [part.split("=", 1) for part in posixpath.dirname(path).split("/") if "=" in part]
    return {unquote(name): None if value == _NULL else unquote(value) for name, value in pairs}


def _span(folders: Mapping[str, Value], time: str) -> tuple[datetime, datetime] | None:
    """Return the first moment of the folder's rows, and the first after them."""
    try:
        for name in (time, *_DAYS):
            if isinstance(folders.get(name), str):
                first = _midnight(date.fromisoformat(str(folders[name])[:10]))
                return first, first + timedelta(days=1)
        year, month, day = (folders.get(name) for name in ("year", "month", "day"))
        if not isinstance(year, int):
            return None
        if not isinstance(month, int):
            return _midnight(date(year, 1, 1)), _midnight(date(year + 1, 1, 1))
        if isinstance(day, int):
            first = _midnight(date(year, month, day))
            return first, first + timedelta(days=1)
        return _midnight(date(year, month, 1)), _midnight(date(year + month // 12, month % 12 + 1, 1))
    except ValueError:  # no day: the folder means something else
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
