"""A profile, or two over each other, as one page that needs no network and no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from airflow_mlops.stages.html import document, table
from airflow_mlops.stages.profile.drawing import STYLE, null_bar, picture
from airflow_mlops.stages.profile.words import distinct, number, share, some, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_mlops.stages.profile.column import ColumnProfile
    from airflow_mlops.stages.profile.diff import ColumnDiff, ProfileDiff
    from airflow_mlops.stages.profile.profile import Profile

_STYLE = (
    STYLE
    + """
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1rem; margin-top: 1.2rem }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; break-inside: avoid }
.card h2 { margin: 0; font-size: 1rem; overflow-wrap: anywhere } .card p { font-size: .9rem }
.card h2 .dim { font-weight: 400 } .card dl { display: grid; margin: .4rem 0 0; font-size: .85rem; gap: .2rem .8rem;
  grid-template-columns: repeat(auto-fit, minmax(6.2rem, 1fr)) } dt { color: var(--dim) }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem 2.2rem; margin: 1rem 0 }
.tiles b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px }
.key0 { background: var(--note) } .key1 { background: var(--mark) } a { color: var(--note) }
@media (max-width: 30rem) { .cards { grid-template-columns: 1fr } }
"""
)


def render_profile(profile: Profile, *, title: str, facts: Mapping[str, str]) -> str:
    """Write the page of a profile: what an exploratory look at the rows begins with.

    Parameters
    ----------
    profile : Profile
        Of a snapshot. Of sensitive columns it has type and nulls alone, and so has the page.
    title : str
        Name of the model.
    facts : mapping
        Which rows these are, from label to value.

    Returns
    -------
    str
        HTML with its style, without script, image or link to another host.
    """
    columns = list(profile.columns.values())
    cells = profile.rows * len(columns)
    missing = sum(column.nulls for column in columns)
    tiles = {
        "rows": number(profile.rows),
        "columns": number(len(columns)),
        "null values": share(missing, cells) or "none",
        "without any value": number(sum(not column.known for column in columns)),
    }
    parts = [
        f"<h1>{escape(title)}: profile</h1>",
        _facts(facts),
        _tiles(tiles),
        _cards(_card(column) for column in columns),
    ]
    return document(f"{title}: profile", parts, style=_STYLE)


def render_diff(diff: ProfileDiff, *, title: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Write the page of two profiles, with both distributions of each column over each other.

    Parameters
    ----------
    diff : ProfileDiff
        What is different.
    title : str
        Name of the model.
    before, after : mapping
        Which rows these are, from label to value.

    Returns
    -------
    str
        HTML with its style, without script, image or link to another host.
    """
    moved = sum(each.is_moved for each in diff.columns)
    tiles = {
        "rows before": number(diff.rows[0]),
        "rows after": number(diff.rows[1]),
        "columns that moved": f"{moved} of {len(diff.columns)}",
    }
    parts = [
        f"<h1>{escape(title)}: two snapshots</h1>",
        f'<p><span class="key key0"></span> before {_inline(before)}</p>',
        f'<p><span class="key key1"></span> after {_inline(after)}</p>',
        _tiles(tiles),
        _schema(diff),
        _cards(_diff_card(each) for each in diff.columns),
    ]
    return document(f"{title}: two snapshots", parts, style=_STYLE)


def _facts(facts: Mapping[str, str]) -> str:
    return f"<p>{_inline(facts)}</p>"


def _inline(facts: Mapping[str, str]) -> str:
    said = " · ".join(f"{escape(name)} {escape(value)}" for name, value in facts.items())
    return f'<span class="dim">{said}</span>'


def _tiles(tiles: Mapping[str, str]) -> str:
    each = "".join(f'<div><b>{escape(value)}</b><span class="dim">{name}</span></div>' for name, value in tiles.items())
    return f'<div class="tiles">{each}</div>'


def _cards(cards: Iterable[str]) -> str:
    return f'<div class="cards">\n{"".join(cards)}</div>'


def _card(column: ColumnProfile) -> str:
    notes = []
    if column.is_sensitive:
        notes.append("sensitive, its values are not shown")
    elif not column.known:
        notes.append("no value at all")
    elif column.distinct == 1:
        notes.append("one value only")
    if column.nans:
        notes.append(f"{number(column.nans)} not finite")
    return _box(column, "", notes, [null_bar(column), picture([column])], _numbers_of(column))


def _numbers_of(column: ColumnProfile) -> dict[str, str]:
    found = {"null": share(column.nulls, column.rows) or "none"}
    if column.is_sensitive or not column.known:
        return found
    found["distinct"] = distinct(column)
    if column.kind in ("number", "time"):
        low, median, high = column.quantiles([0.05, 0.5, 0.95])
        values = {"least": column.minimum, "5 %": low, "median": median, "95 %": high, "most": column.maximum}
        found |= {name: value_of(column, value) for name, value in values.items()}
    if column.kind == "number":
        found |= {"mean": number(column.mean), "deviation": number(column.deviation)}
    return found


def _diff_card(diff: ColumnDiff) -> str:
    badge, notes = "", []
    if diff.is_moved:
        badge = '<span class="badge warning">moved</span>'
    if diff.is_retyped:
        badge += ' <span class="badge failed">type changed</span>'
        notes.append(f"was {diff.before.type}")
    distance = diff.distance
    if distance is None:
        notes.append("sensitive, its values are not shown")
    elif distance.score is not None:
        notes.append(f"{distance.method} {distance.score:.3g}, Evidently's limit {distance.threshold:.3g}")
    elif distance.finding:
        notes.append(distance.finding)
    notes += [f"{word}: {some(values, 5)}" for word, values in (("new", diff.new), ("gone", diff.gone)) if values]
    sides = _numbers_of(diff.before), _numbers_of(diff.after)
    names = dict.fromkeys([*sides[0], *sides[1]])
    numbers = {name: _change(sides[0].get(name, "none"), sides[1].get(name, "none")) for name in names}
    return _box(diff.after, badge, notes, [picture([diff.before, diff.after])], numbers)


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _box(
    column: ColumnProfile, badge: str, notes: Iterable[str], pictures: Iterable[str], numbers: Mapping[str, str]
) -> str:
    said = "".join(f'<p class="dim">{escape(note)}</p>' for note in notes)
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in numbers.items())
    head = f'<span class="mono">{escape(column.name)}</span> <span class="dim">{escape(column.type)}</span> {badge}'
    return f'<section class="card"><h2>{head}</h2>{said}{"".join(pictures)}<dl>{listed}</dl></section>\n'


def _schema(diff: ProfileDiff) -> str:
    rows = [
        *(["new", name, "", kind] for name, kind in diff.added.items()),
        *(["gone", name, kind, ""] for name, kind in diff.removed.items()),
        *(["type changed", name, *types] for name, types in diff.retyped.items()),
    ]
    return table(["", "Column", "Before", "After"], [[escape(cell) for cell in row] for row in rows])
