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
    return re.sub(r"([\\|<>\[\]*_`])", r"\\\1", " ".join(text.split()))


def number(value: float | None) -> str:
    """Write a number with four digits that count."""
    return "" if value is None else f"{value:.4g}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
