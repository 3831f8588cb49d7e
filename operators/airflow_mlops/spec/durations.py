"""Lengths of time as people write them: ``30m``, ``12h``, ``59d``, ``2w``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
PATTERN = r"^(\d+)\s*([smhdw])$"


def parse_duration(value: Any) -> timedelta:
    """Read ``59d`` into a `timedelta`; a `timedelta` passes through.

    Raises
    ------
    ValueError
        The text is not a whole number followed by one of s, m, h, d, w.
    """
    if isinstance(value, timedelta):
        return value
    match = re.match(PATTERN, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write a whole number and s, m, h, d or w, such as 12h or 59d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def format_duration(value: timedelta) -> str:
    """Write a `timedelta` in the largest unit that holds it whole."""
    seconds = int(value.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0 and not (unit == "w" and seconds < 8 * size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["30m", "12h", "59d", "2w"]}),
]
