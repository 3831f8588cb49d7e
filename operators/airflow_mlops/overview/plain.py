"""Read facts of a payload whatever it holds: an event is on record already, so a strange one must not stop the fold."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# A sentence longer than that is cut; a name, such as that of a version, is not as long.
_SENTENCE, _NAME = 300, 120


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object of JSON, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list of JSON, an empty one for anything else."""
    return value if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """Return a finite number with six digits, which is more than a page shows; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(f"{value:.6g}") if is_number and abs(value) < 1e100 and isfinite(value) else None


def sentence(value: Any) -> str | None:
    """Return a text, cut where it is long; None for anything else."""
    return _cut(value, _SENTENCE)


def name(value: Any) -> str | None:
    """Return a name; a number is one too."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e18:
        return str(value)
    return _cut(value, _NAME)


def moment(value: Any) -> str | None:
    """Return a time with a zone as ISO text in UTC, so that texts sort as times do; None for anything else."""
    try:
        parsed = datetime.fromisoformat(value)
        return None if parsed.tzinfo is None else parsed.astimezone(UTC).isoformat()
    except (OverflowError, TypeError, ValueError):
        return None


def first_sentence(value: Any) -> str | None:
    """Return the first text of a list."""
    return next((sentence(each) for each in items(value) if isinstance(each, str) and each), None)


def _cut(value: Any, most: int) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value if len(value) <= most else f"{value[: most - 1]}…"
