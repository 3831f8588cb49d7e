"""Numbers, shares and moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_mlops.stages.profile.column import ColumnProfile

_START = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000


def number(value: float | None) -> str:
    """Write a whole number in full, another one with four digits that count."""
    if value is None:
        return ""
    is_long = 1e4 <= abs(value) < 1e15
    return f"{value:,.0f}" if is_long or (abs(value) < 1e4 and value == int(value)) else f"{value:,.4g}"


def share(part: float, whole: float) -> str:
    """Write a share in percent; nothing where it is none."""
    if not part or not whole:
        return ""
    percent = 100 * part / whole
    return "< 0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def value_of(column: ColumnProfile, value: float | None) -> str:
    """Write a value of a column: a number, or the moment that it stands for."""
    if value is None or column.kind != "time":
        return number(value)
    try:
        moment = _START + timedelta(microseconds=value)
    except OverflowError:
        return number(value)
    is_day = value % _DAY_US == 0
    return f"{moment:%Y-%m-%d}" if is_day else f"{moment:%Y-%m-%d %H:%M}"


def distinct(column: ColumnProfile) -> str:
    """Write how many different values there are, with its error where it is an estimate."""
    if column.distinct is None:
        return ""
    error = column.distinct_error
    return number(column.distinct) if not error else f"{column.distinct:,.0f} ± {100 * error:.1f} %"


def some(values: tuple[str, ...], most: int) -> str:
    """Name some values, and say how many more there are."""
    named = ", ".join(value if len(value) <= 40 else value[:39] + "…" for value in values[:most])
    return named + (f" and {len(values) - most} more" if len(values) > most else "")
