"""Distributions as pictures in a page: drawn from profiles alone, in the page's own colours."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from airflow_mlops.stages.profile.bins import are_comparable, bins_of, heads_of
from airflow_mlops.stages.profile.words import share, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from airflow_mlops.stages.profile.column import ColumnProfile

STYLE = """
svg { width: 100%; height: auto; display: block; margin: .4rem 0 } svg text { font: 11px system-ui, sans-serif;
  fill: var(--dim) } .side0 { fill: var(--note); fill-opacity: .75 } .side1 { fill: var(--mark); fill-opacity: .55 }
.axis { stroke: var(--line) } .strip0 { stroke: var(--note) } .strip1 { stroke: var(--mark) }
.track { fill: var(--line); fill-opacity: .5 } .null { fill: var(--bad); fill-opacity: .7 }
svg text.value { fill: var(--ink) }
"""
_WIDTH, _HEIGHT = 480, 110
# Height of a bar of a category, with its text.
_BAR = 11
_STRIP = [0.05, 0.25, 0.5, 0.75, 0.95]


def picture(sides: Sequence[ColumnProfile]) -> str:
    """Draw one column of one profile, or of two over each other; nothing where there is no value to draw."""
    if not are_comparable(sides):
        return ""
    if sides[0].kind in ("number", "time"):
        return _histogram(sides)
    return _categories(sides) if sides[0].kind in ("text", "boolean") else ""


def null_bar(column: ColumnProfile) -> str:
    """Draw the share of rows without a value."""
    part = column.nulls / column.rows if column.rows else 0.0
    said = share(column.nulls, column.rows) or "none"
    return (
        f'<svg viewBox="0 0 {_WIDTH} 6" role="img" aria-label="{said} null">'
        f'<rect class="track" width="{_WIDTH}" height="6" rx="3"/>'
        f'<rect class="null" width="{part * _WIDTH:.1f}" height="6" rx="3"/></svg>'
    )


# Numbers and times


def _histogram(sides: Sequence[ColumnProfile]) -> str:
    import numpy as np

    found = bins_of(sides)
    edges, shares = found.edges, found.shares
    highest = max(float(each.max()) for each in shares) or 1.0
    width = _WIDTH / (len(edges) - 1)
    bars = []
    for place, each in enumerate(shares):
        for index in np.flatnonzero(each).tolist():
            height = max(float(each[index]) / highest * _HEIGHT, 1.0)
            bars.append(
                f'<rect class="side{place}" x="{index * width:.1f}" y="{_HEIGHT - height:.1f}" '
                f'width="{max(width - 1, 1):.1f}" height="{height:.1f}"/>'
            )
    strips = [_strip(side, edges, _HEIGHT + 7 + 9 * place, place) for place, side in enumerate(sides)]
    bottom = _HEIGHT + 9 * len(sides) + 16
    outside = [side.known * part for side, part in zip(sides, found.outside, strict=True)]
    return _svg([*bars, *strips, _axis(sides[0], edges, bottom)], bottom + 4, sides[0].name) + _outside(sides, outside)


def _strip(side: ColumnProfile, edges: np.ndarray, y: float, place: int) -> str:
    """Draw from the 5 % to the 95 % quantile, thick between the quartiles, with a mark at the median."""
    low, scale = float(edges[0]), _WIDTH / float(edges[-1] - edges[0])
    at = [min(max((value - low) * scale, 0.0), _WIDTH) for value in side.quantiles(_STRIP)]
    stroke = f'class="strip{place}" stroke-linecap="round"'
    return (
        f'<line {stroke} x1="{at[0]:.1f}" x2="{at[4]:.1f}" y1="{y}" y2="{y}"/>'
        f'<line {stroke} stroke-width="5" x1="{at[1]:.1f}" x2="{at[3]:.1f}" y1="{y}" y2="{y}"/>'
        f'<circle class="side{place}" cx="{at[2]:.1f}" cy="{y}" r="4.5" style="fill-opacity: 1"/>'
    )


def _axis(column: ColumnProfile, edges: np.ndarray, y: float) -> str:
    first, last = float(edges[0]), float(edges[-1])
    is_few = len(edges) > 1 and float(edges[1] - edges[0]) == 1.0
    ends = (first + 0.5, last - 0.5) if is_few else (first, last)
    middle = (ends[0] + ends[1]) / 2
    places = [(0, "start", ends[0]), (_WIDTH / 2, "middle", middle), (_WIDTH, "end", ends[1])]
    if ends[0] == ends[1]:
        places = places[1:2]
    labels = [
        f'<text x="{x:.0f}" y="{y}" text-anchor="{anchor}">{escape(value_of(column, value))}</text>'
        for x, anchor, value in places
    ]
    line = f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{_HEIGHT + 0.5}" y2="{_HEIGHT + 0.5}"/>'
    return line + "".join(labels)


def _outside(sides: Sequence[ColumnProfile], outside: Sequence[float]) -> str:
    """Say how much of the tails is not drawn."""
    said = [
        share(rows, side.known) for side, rows in zip(sides, outside, strict=True) if rows > 1e-6 * max(side.known, 1)
    ]
    if not said:
        return ""
    ends = min(side.minimum or 0 for side in sides), max(side.maximum or 0 for side in sides)
    least, most = (escape(value_of(sides[0], end)) for end in ends)
    return f'<p class="dim">{" and ".join(said)} lie outside the picture, between {least} and {most}</p>'


# Categories


def _categories(sides: Sequence[ColumnProfile]) -> str:
    """Draw the most frequent values of the last side, and all others as one."""
    found = heads_of(sides)
    shown, shares = found.values, found.shares
    if not shown:
        return ""
    has_others = max(each[-1] for each in shares) > 1e-9
    labels = [*shown, "all others"] if has_others else shown
    # All others may be nearly everything: the values that are named set the scale.
    highest = max(max(each[:-1]) for each in shares) or 1.0
    step = _BAR * len(sides) + 5
    drawn: list[str] = []
    for row, label in enumerate(labels):
        drawn.append(_label(label, row * step + step / 2 + 2, is_value=row < len(shown)))
        kinds = [f"side{place}" if row < len(shown) else "track" for place in range(len(sides))]
        drawn += [
            _bar(each[row], highest, row * step + 2 + _BAR * place, kind)
            for place, (each, kind) in enumerate(zip(shares, kinds, strict=True))
        ]
    return _svg(drawn, len(labels) * step + 2, sides[0].name)


def _label(text: str, y: float, *, is_value: bool) -> str:
    cut = text if len(text) <= 22 else text[:21] + "…"
    kind = ' class="value"' if is_value else ""
    return f'<text{kind} x="128" y="{y:.1f}" text-anchor="end">{escape(cut) or "(empty)"}</text>'


def _bar(part: float, highest: float, y: float, kind: str) -> str:
    width = max(min(part / highest, 1.0) * (_WIDTH - 190), 1.0 if part else 0.0)
    return (
        f'<rect class="{kind}" x="136" y="{y}" width="{width:.1f}" height="9" rx="1"/>'
        f'<text x="{140 + width:.1f}" y="{y + 8.5}">{share(part, 1) or "0 %"}</text>'
    )


def _svg(drawn: Sequence[str], height: float, name: str) -> str:
    what = f"distribution of {escape(name, quote=True)}"
    return f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{what}">{"".join(drawn)}</svg>'
