"""Quality by week as text: one column a week, block characters for the loss, and below it the version that answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_WIDTH = 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One week: its loss, the version that answered, and whether its data was blocked.

    ``loss`` is None where nothing was measured.
    """

    loss: float | None
    version: str | None
    is_blocked: bool = False


def chart(bars: Sequence[Bar], *, title: str, height: int = 5) -> list[str]:
    """Draw the weeks.

    Parameters
    ----------
    bars : sequence of Bar
        In order of time.
    title : str
        What the heights are.
    height : int, default=5
        Lines of the columns.

    Returns
    -------
    list of str
        Lines of equal meaning in any terminal: title, columns with the scale at their left, versions, and a line that
        explains the marks which occur. Columns grow from a floor a little below the lowest loss, so that weeks differ
        visibly; the scale says where it is. Empty where no week has a loss.
    """
    losses = [bar.loss for bar in bars if bar.loss is not None]
    if not losses:
        return []
    top, lowest = max(losses), min(losses)
    floor = max(0.0, lowest - 0.25 * ((top - lowest) or top))
    columns = [_column(bar, floor, top, height) for bar in bars]
    scale = {0: f"{top:.2f}", height - 1: f"{floor:.2f}"}
    lines = [
        f"{scale.get(line, ''):>6} │" + "".join(column[line].ljust(_WIDTH) for column in columns)
        for line in range(height)
    ]
    return [f"{'':>8}{title}", *lines, f"{'version':>7} " + _versions(bars), *_explained(bars)]


def _column(bar: Bar, floor: float, top: float, height: int) -> list[str]:
    """Return a column from top to bottom; a week without a loss is a cross, or a dot."""
    if bar.loss is None:
        return [" "] * (height - 1) + ["✗" if bar.is_blocked else "·"]
    eighths = max(1, round((bar.loss - floor) / ((top - floor) or 1.0) * height * 8))
    return [_EIGHTHS[min(8, max(0, eighths - 8 * (height - 1 - line)))] for line in range(height)]


def _versions(bars: Sequence[Bar]) -> str:
    """Name a version where it begins, and draw on while it stays."""
    text, before = "", None
    for bar in bars:
        text += (bar.version or "?").ljust(_WIDTH, "─") if bar.version != before else "─" * _WIDTH
        before = bar.version
    return text


def _explained(bars: Sequence[Bar]) -> list[str]:
    missing = [bar for bar in bars if bar.loss is None]
    marks = [
        *(["✗ data blocked"] if any(bar.is_blocked for bar in missing) else []),
        *(["· nothing measured"] if any(not bar.is_blocked for bar in missing) else []),
    ]
    return [f"{'':>8}{', '.join(marks)}"] if marks else []
