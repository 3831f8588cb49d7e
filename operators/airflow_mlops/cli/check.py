"""``airflow-mlops check``: is this batch fit for use, judged by rows that are known to be good?"""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.moments import iso_time
from airflow_mlops.errors import SourceUnreadable

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from airflow_mlops.hooks.source.sniffed import Expected
    from airflow_mlops.lifecycle.check import Checked
    from airflow_mlops.spec import ModelSpec

BLOCKED = 4
_PLACE = "a file, a folder or a glob of Parquet, CSV (also .csv.gz) or JSON lines"


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "check",
        help="judge a batch by rows that are known to be good",
        description="Compare a batch with rows that are known to be good. Exit code 0: pass or warn; 4: block.",
    )
    parser.add_argument("rows", metavar="DATA", help=_PLACE)
    parser.add_argument("--reference", required=True, metavar="GOOD", help=f"rows known to be good: {_PLACE}")
    parser.add_argument("--spec", type=Path, metavar="SPEC", help="names of columns and thresholds; default: inferred")
    parser.add_argument("--history", type=Path, metavar="DIR", help="folder of earlier good batches, sorted by name")
    parser.add_argument("--time", metavar="COLUMN", help="event time; default: ts, where the reference has it")
    parser.add_argument("--target", metavar="COLUMN", help="what is predicted; default: y, where the reference has it")
    parser.add_argument("--now", type=iso_time, metavar="TIME", help="no row is from after that; default: the clock")
    parser.add_argument("--json", action="store_true", help="print the verdict and its reasons as JSON")
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the verdict; 4 when the batch is blocked."""
    from airflow_mlops.spec import load_spec

    began = perf_counter()
    checked = _checked(options, load_spec(options.spec) if options.spec else None)
    facts = {**checked.to_dict(), "seconds": round(perf_counter() - began, 3)}
    if options.json:
        print(json.dumps(facts, indent=2, default=str))
    else:
        _show(options.rows, facts)
    return BLOCKED if checked.verdict == "block" else 0


def _checked(options: Namespace, spec: ModelSpec | None) -> Checked:
    from airflow_mlops.hooks.source.sniffed import Expected, read_files
    from airflow_mlops.lifecycle.check import Checked, check, unreadable

    given: dict[str, Any] = dict(getattr(spec.data.source, "options", {})) if spec else {}
    reference = read_files(options.reference, Expected(given, is_any_delimiter=True))
    try:
        rows = read_files(options.rows, _expected(given))
    except SourceUnreadable as error:
        return Checked.of([unreadable(error)], 0)
    return check(rows.table, reference.table, spec=spec, time=options.time, target=options.target)


def _expected(given: dict[str, Any]) -> Expected:
    from airflow_mlops.hooks.source.sniffed import Expected

    return Expected(given)


def _show(place: str, facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    colours = {"pass": "green", "info": "blue", "warn": "yellow", "block": "red"}
    for reason in facts["reasons"]:
        where = f" {reason['column']}" if reason["column"] else ""
        head = (f"{reason['severity']:5}", colours[reason["severity"]])
        console.print(Text.assemble(head, f"{where}: {reason['message']}"))
        since = f"since {reason['since']}. " if reason["since"] else ""
        console.print(f"      {since}{reason['do']}", style="dim")
    verdict = (facts["verdict"], f"bold {colours[facts['verdict']]}")
    console.print(Text.assemble(f"{place}: ", verdict, f" ({facts['rows']:,} rows, {facts['seconds']:.1f} s)"))
