"""Markdown tables and numbers, with everything escaped that a cell must not hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [_line(head), _line(["---"] * len(head)), *(_line([cell(each) for each in row]) for row in rows)]
    return "\n".join(lines)


def cell(value: Any) -> str:
    """Write a value on one line, without what Markdown would take for a table, a link, an image or a tag."""
    if value is None or value == "":
        return ""
    text = number(value) if isinstance(value, float) else str(value)
    plain = re.sub(r"([\\|<>\[\]*`])", r"\\\1", " ".join(text.split()))
    # Within a word an underscore is one, and nothing else.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", plain)


def number(value: float | None) -> str:
    """Write a number with four digits that count."""
    # Zero has no sign to people.
    return "" if value is None else f"{value or 0.0:.4g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
