"""Sizes, times and numbers as people read them."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")


def bytes_of(size: int) -> str:
    """Write a size with the unit that leaves one to three digits before the point."""
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {_UNITS[unit]}"


def minute(text: str) -> str:
    """Write an ISO 8601 time to the minute."""
    return text[:16].replace("T", " ")
