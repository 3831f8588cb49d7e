"""``airflow-mlops data diff``: how two snapshots differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_mlops.cli.asked import refuse_to_overwrite
from airflow_mlops.cli.data.choosing import WHICH, add_choice, choose
from airflow_mlops.cli.data.columns import add_forms, write_page

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from airflow_mlops.cli.data.choosing import Chosen
    from airflow_mlops.stages.profile.diff import ColumnDiff, ProfileDiff


def add_to(actions: _SubParsersAction) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser("diff", help="set two snapshots side by side, column by column")
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    parser.add_argument("before", metavar="A", help=WHICH)
    parser.add_argument("after", metavar="B", help="the same words")
    add_forms(parser, page="one page with both distributions")
    add_choice(parser)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print what is different, or write it.

    Raises
    ------
    Permanent
        The page is there already.
    """
    from airflow_mlops.extras import require
    from airflow_mlops.stages.profile.diff import diff_profiles

    require("scipy", extra="gate", needed_by="data diff", library="SciPy")
    before, after = choose(options, options.before, options.after)
    refuse_to_overwrite(options.html, force=options.force)
    found = diff_profiles(before.profile(), after.profile())
    if options.html:
        from airflow_mlops.stages.profile.page import render_diff

        page = render_diff(found, title=options.model, before=before.head(), after=after.head())
        write_page(options.html, page)
    elif options.json:
        print(json.dumps({"before": before.head(), "after": after.head(), **found.to_dict()}, indent=2))
    else:
        _show(found, before, after, options.limit)
    return 0


def _show(found: ProfileDiff, before: Chosen, after: Chosen, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    for name, chosen in (("before", before), ("after", after)):
        head = chosen.head()
        print(f"{name}: {head['snapshot']}, {head['rows']} rows from {head['from']} to {head['to']}")
    for word, columns in (("new", found.added), ("gone", found.removed)):
        for name, kind in columns.items():
            print(f"{word}: {name} ({kind})")
    for name, (then, now) in found.retyped.items():
        print(f"type changed: {name} was {then}, is {now}")
    table = Table(box=None)
    for heading in ("column", "distance", "null", "distinct", "5 %, median, 95 %, or categories"):
        table.add_column(heading, no_wrap=heading in ("column", "distance"))
    for column in found.columns[:limit]:
        table.add_row(*_row(column))
    Console().print(table)
    if (left_out := len(found.columns) - limit) > 0:
        print(f"{left_out} more columns are left out (--limit)")
    moved = sum(column.is_moved for column in found.columns)
    print(f"{moved} of {len(found.columns)} columns moved by more than Evidently's default (marked *)")


def _row(diff: ColumnDiff) -> list[str]:
    from rich.markup import escape

    from airflow_mlops.stages.profile.words import distinct, share, some, value_of

    sides = (diff.before, diff.after)
    nulls = _change(*(share(each.nulls, each.rows) or "0" for each in sides))
    if diff.distance is None:
        return [escape(diff.name), "", nulls, "", "sensitive, not shown"]
    score = "" if diff.distance.score is None else f"{diff.distance.method} {diff.distance.score:.3g}"
    quantiles = [", ".join(value_of(each, value) for value in each.quantiles([0.05, 0.5, 0.95])) for each in sides]
    said = [f"{word} {some(values, 3)}" for word, values in (("new", diff.new), ("gone", diff.gone)) if values]
    return [
        escape(diff.name),
        score + (" *" if diff.is_moved else ""),
        nulls,
        _change(*(distinct(each) for each in sides)),
        escape("; ".join(said) or _change(*quantiles)),
    ]


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before or 'none'} → {after or 'none'}"
