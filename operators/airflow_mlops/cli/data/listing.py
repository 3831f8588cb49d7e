"""``airflow-mlops data list``: which snapshots there are, and who uses them."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from airflow_mlops.cli.data.words import bytes_of, minute
from airflow_mlops.cli.moments import iso_time
from airflow_mlops.cli.places import add_places, ledger_of, store_of

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from airflow_mlops.lifecycle.catalog import Entry


def add_to(actions: _SubParsersAction) -> None:
    """Add the action to the parser."""
    parser = actions.add_parser("list", help="list snapshots, the newest first, and who uses them")
    parser.add_argument("model", metavar="MODEL", help="name of the spec")
    parser.add_argument("--as-of", type=iso_time, metavar="TIME", help="what was known at this event time, ISO 8601")
    parser.add_argument("--from", dest="start", type=iso_time, metavar="TIME", help="only those with rows from here on")
    parser.add_argument("--to", dest="end", type=iso_time, metavar="TIME", help="only those with rows before this time")
    parser.add_argument("--holds", choices=("rows", "labels"), help="only those of rows, or of labels")
    parser.add_argument("--limit", type=count, default=20, metavar="N", help="the newest N; default %(default)s")
    parser.add_argument("--json", action="store_true", help="print as a JSON list, all of it")
    add_places(parser, mlflow=False)
    parser.set_defaults(run=run)


def count(text: str) -> int:
    """Read a number of lines.

    Raises
    ------
    ArgumentTypeError
        It is none, or less than 1.
    """
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of lines; write 1 or more")
    return int(text)


def run(options: Namespace) -> int:
    """Print the list.

    Raises
    ------
    LedgerMisuse
        The ledger does not know the model.
    """
    from airflow_mlops.lifecycle.catalog import Catalog

    catalog = Catalog(options.model, store_of(options), ledger_of(options), options.as_of)
    found = catalog.entries(start=options.start, end=options.end, holds=options.holds)
    if options.json:
        print(json.dumps([entry.to_dict() for entry in found], indent=2))
    elif not found:
        print(f"no snapshot of {options.model}" + (f" at {options.as_of.isoformat()}" if options.as_of else ""))
    else:
        _show(found, options)
    return 0


def _show(found: list[Entry], options: Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = found[: options.limit]
    columns = {
        "snapshot": [entry.ref.id for entry in shown],
        "from": [minute(entry.ref.start) for entry in shown],
        "to": [minute(entry.ref.end) for entry in shown],
        "rows": [f"{entry.ref.rows:,}" for entry in shown],
        "size": [size_of(entry) for entry in shown],
        "parts": [str(len(entry.ref.parts) or "") for entry in shown],
        "source": [(entry.ref.source_version or "")[:12] for entry in shown],
        "used by": [used_by(entry) for entry in shown],
    }
    # A window has room for what some snapshot has; an id that is cut cannot be copied.
    filled = {heading: cells for heading, cells in columns.items() if any(cells)}
    console = Console()
    if _width(filled) > console.width:
        filled.pop("source", None)
    table = Table(title=options.model, box=None, title_justify="left", padding=(0, 1, 0, 0))
    for heading in filled:
        is_number = heading in ("rows", "size", "parts")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading != "used by")
    for row in zip(*filled.values(), strict=True):
        table.add_row(*row)
    console.print(table)
    if (left_out := len(found) - options.limit) > 0:
        print(f"{left_out} earlier ones are left out (--limit)")


def _width(columns: dict[str, list[str]]) -> int:
    return sum(max(map(len, (heading, *cells))) + 1 for heading, cells in columns.items())


def size_of(entry: Entry) -> str:
    """Write the size of a snapshot's files, or which version of a lake it is."""
    if entry.ref.lake is not None:
        return f"{entry.ref.lake['kind']} {entry.ref.lake['version']}"
    return "gone" if not entry.is_stored else bytes_of(entry.size or 0)


def used_by(entry: Entry) -> str:
    """Say who uses a snapshot, in a line."""
    words = [] if entry.holds == "rows" else [entry.holds]
    if entry.versions:
        words.append(f"version {', '.join(entry.versions)}")
    if entry.is_champions:
        words.append("champion")
    if entry.rollback:
        words.append(f"rollback {', '.join(entry.rollback)}")
    if entry.looked_at:
        words.append(f"look {entry.looked_at:%Y-%m-%d %H:%M}")
    return "; ".join(words)
