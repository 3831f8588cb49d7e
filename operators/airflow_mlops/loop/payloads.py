"""Facts of a payload as words; an event is on record already, so a strange one is told as far as it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from airflow_mlops.events import version_of

Sentence = Callable[[Mapping[str, Any]], "str | None"]


def facts(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of a payload; an empty one for anything else."""
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def texts(value: Any) -> list[str]:
    """Return the texts of a list; none for anything else."""
    return [each for each in value if isinstance(each, str) and each] if isinstance(value, list) else []


def text(payload: Mapping[str, Any], name: str) -> str | None:
    """Return a text of a payload; None for anything else."""
    found = payload.get(name)
    return found if isinstance(found, str) and found else None


def whole(payload: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number of a payload; None for anything else."""
    found = payload.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def number(payload: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number of a payload; None for anything else."""
    found = payload.get(name)
    if not isinstance(found, int | float) or isinstance(found, bool):
        return None
    return float(found) if isfinite(found) else None


def versioned(payload: Mapping[str, Any]) -> str:
    """Name the version a payload is about."""
    version = version_of(payload)
    return "A version" if version is None else f"v{version}"


def counted(payload: Mapping[str, Any], name: str, one: str) -> str | None:
    """Say how many: "8,117 rows"; None where it is not on record."""
    count = whole(payload, name)
    return None if count is None else f"{count:,} {one}{'' if count == 1 else 's'}"


def day_span(payload: Mapping[str, Any]) -> str:
    """Say from which day to which: " from 2013-08-28 to 2013-09-06"; nothing where that is not on record."""
    start, end = text(payload, "start"), text(payload, "end")
    if start is None or end is None:
        return ""
    return f" of {start[:10]}" if start[:10] == end[:10] else f" from {start[:10]} to {end[:10]}"
