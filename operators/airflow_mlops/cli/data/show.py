"""``airflow-mlops data show``: what is in a snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.asked import refuse_to_overwrite
from airflow_mlops.cli.data.choosing import WHICH, add_choice, choose
from airflow_mlops.cli.data.columns import add_forms, show_columns, write_page
from airflow_mlops.cli.data.listing import count, size_of, used_by
from airflow_mlops.cli.data.words import minute
from airflow_mlops.errors import Permanent

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from airflow_mlops.cli.data.choosing import Chosen
    from airflow_mlops.lifecycle.catalog import Entry
    from airflow_mlops.stages.profile import Profile


def add_to(actions: _SubParsersAction) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser("show", help="show what a snapshot is and what is in its columns")
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    parser.add_argument("snapshot", nargs="+", metavar="SNAPSHOT", help=WHICH)
    parser.add_argument("--rows", type=count, metavar="N", help="print the first N rows instead, sensitive columns out")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write all rows as one Parquet file instead")
    parser.add_argument("--with-sensitive", action="store_true", help="with --export: sensitive columns too")
    add_forms(parser, page="the profile as one page")
    add_choice(parser)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Show, or write.

    Raises
    ------
    Permanent
        A file is there already.
    """
    # Two words read better than the one that a comparison needs.
    [chosen] = choose(options, ":".join(options.snapshot) if options.snapshot[0] == "as-of" else _only(options))
    refuse_to_overwrite(options.html, options.export, force=options.force)
    if options.export:
        return _export(chosen, options)
    if options.rows:
        return _first_rows(chosen, options)
    profile = chosen.profile()
    if options.html:
        from airflow_mlops.stages.profile.page import render_profile

        write_page(options.html, render_profile(profile, title=options.model, facts=chosen.head()))
    elif options.json:
        print(json.dumps(_plain(chosen, profile), indent=2))
    else:
        _show(chosen, profile, options)
    return 0


def _only(options: Namespace) -> str:
    if len(options.snapshot) > 1:
        raise Permanent(f"show takes one snapshot, not {len(options.snapshot)}; data diff compares two.")
    return options.snapshot[0]


def _plain(chosen: Chosen, profile: Profile) -> dict[str, Any]:
    from airflow_mlops.stages.profile.diff import column_facts

    return {
        "snapshots": [entry.to_dict() for entry in chosen.entries],
        "rows": profile.rows,
        "columns": {name: column_facts(column) for name, column in profile.columns.items()},
    }


def _show(chosen: Chosen, profile: Profile, options: Namespace) -> None:
    for entry in chosen.entries:
        for name, said in _facts(entry).items():
            if said:
                print(f"{name}: {said}")
    show_columns(profile, options.limit)


def _facts(entry: Entry) -> dict[str, str]:
    ref = entry.ref
    return {
        "snapshot": ref.id,
        "where": ref.uri,
        "time": f"{minute(ref.start)} to {minute(ref.end)}",
        "rows": f"{ref.rows:,} of {ref.columns} columns, {size_of(entry)}"
        + (f" in {len(ref.parts)} parts" if ref.parts else ""),
        "digest": ref.digest,
        "source version": ref.source_version or "",
        "used by": used_by(entry),
    }


# Rows


def _seen(chosen: Chosen, names: list[str], *, with_sensitive: bool = False) -> list[str]:
    return [name for name in names if with_sensitive or name not in chosen.sensitive]


def _first_rows(chosen: Chosen, options: Namespace) -> int:
    """Print a line for each column: a row of many columns fits into no window."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from airflow_mlops.snapshots import open_rows

    opened = open_rows(chosen.store, chosen.entries[0].ref)
    names = _seen(chosen, opened.schema.names)
    rows: list[dict[str, Any]] = []
    for batch in opened.batches(names):
        rows += batch.slice(0, options.rows - len(rows)).to_pylist()
        if len(rows) >= options.rows:
            break
    if options.json:
        print(json.dumps(rows, indent=2, default=str))
        return 0
    table = Table(box=None)
    for heading in ("column", *(f"row {number + 1}" for number in range(len(rows)))):
        table.add_column(heading, no_wrap=heading == "column")
    for name in names:
        table.add_row(escape(name), *(escape("" if row[name] is None else str(row[name])) for row in rows))
    Console().print(table)
    return 0


def _export(chosen: Chosen, options: Namespace) -> int:
    """Write batch by batch into a file beside, so that a half of it is never taken for the whole."""
    import pyarrow.parquet as pq

    from airflow_mlops.snapshots import open_rows

    several = [open_rows(chosen.store, entry.ref) for entry in chosen.entries]
    names = _seen(chosen, several[0].schema.names, with_sensitive=options.with_sensitive)
    schema = several[0].schema.empty_table().select(names).schema
    beside, rows = options.export.with_name(f"{options.export.name}.tmp"), 0
    try:
        with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
            for opened in several:
                for batch in opened.batches(names):
                    writer.write_batch(batch)
                    rows += batch.num_rows
        beside.replace(options.export)
    finally:
        beside.unlink(missing_ok=True)
    left_out = len(several[0].schema.names) - len(names)
    said = f"; {left_out} sensitive columns are left out (--with-sensitive)" if left_out else ""
    print(f"wrote {options.export}: {rows:,} rows of {len(names)} columns{said}")
    return 0
