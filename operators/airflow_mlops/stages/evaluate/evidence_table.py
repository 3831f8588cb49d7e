"""The gate's checks as a table, and as a picture of each interval against its limit."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from airflow_mlops.loop.gate import Check

MARKS = {"pass": "✓ pass", "fail": "✗ fail", "not enough labels": "? not enough labels"}
_COLOURS = {"pass": "#1a7f37", "fail": "#cf222e", "not enough labels": "#9a6700"}
# More rows than this cannot be read.
MOST_DRAWN = 30


def checks_table(checks: Sequence[Check]) -> str:
    """Write all checks as an HTML table, by group: verdict, what was found, value with interval, limit, rows."""
    if not checks:
        return ""
    body = []
    for group, members in groupby(checks, key=lambda check: check.group):
        body.append(f'<tr class="group"><th colspan="6">{escape(group)}</th></tr>')
        body += [_row(check) for check in members]
    head = "".join(f"<th>{name}</th>" for name in ("check", "verdict", "value", "limit", "rows", "what was found"))
    return f'<table class="checks"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _row(check: Check) -> str:
    value = _number(check.value)
    if check.low is not None or check.high is not None:
        value += f" ({_number(check.low)} to {_number(check.high)})"
    verdict = check.verdict.replace(" ", "-")
    risk = f" · risk: {check.risk}" if check.risk else ""
    cells = [
        f"<td>{escape(check.name)}</td>",
        f'<td class="mark {verdict}-mark">{MARKS[check.verdict]}{escape(risk)}</td>',
        *(f"<td>{escape(text)}</td>" for text in (value, _number(check.limit), _number(check.rows))),
        f'<td class="sentence">{escape(check.sentence)}</td>',
    ]
    return "<tr>" + "".join(cells) + "</tr>"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value + 0.0:.4g}"  # without the minus of a zero


def drawable(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that have a limit and a value to hold against it."""
    return [check for check in checks if check.limit is not None and check.value is not None][:MOST_DRAWN]


def draw_checks(axes: Axes, checks: Sequence[Check]) -> None:
    """Draw each value, with its interval, against its limit: a forest plot.

    Checks are in units of their own, so each row is measured in its own: the limit is at zero, and a value lies as many
    steps from it as it is wide, or far from it. Which side is good is told by the colour.
    """
    shown = drawable(checks)[::-1]
    axes.axvline(0, color="#59636e", linewidth=1, linestyle="--")
    for place, check in enumerate(shown):
        value, low, high = _in_own_steps(check)
        axes.plot([low, high], [place, place], color=_COLOURS[check.verdict], linewidth=2, solid_capstyle="butt")
        axes.plot([value], [place], marker="s", markersize=5, color=_COLOURS[check.verdict])
        axes.annotate(
            f"{_number(check.value)}, limit {_number(check.limit)}",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color="#59636e",
        )
    axes.set_yticks(range(len(shown)), [check.name for check in shown])
    axes.set_xlim(-1.15, 1.15)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xticks([0], ["limit"])
    axes.set_xlabel("below its limit        above its limit")


def _in_own_steps(check: Check) -> tuple[float, float, float]:
    """Return value and interval as distances from the limit, in parts of the farthest of them."""
    limit = check.limit or 0.0
    value = check.value or 0.0
    ends = [value if end is None else end for end in (value, check.low, check.high)]
    away = [end - limit for end in ends]
    step = max(max(abs(each) for each in away), 1e-12)
    return away[0] / step, away[1] / step, away[2] / step
