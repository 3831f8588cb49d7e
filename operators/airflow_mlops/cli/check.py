"""``airflow-mlops check``: judge a batch by rows that are known to be good."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.moments import iso_time
from airflow_mlops.errors import Permanent, SourceUnreadable, SpecError

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction
    from collections.abc import Iterator

    from airflow_mlops.hooks.source.sniffed import Expected, FoundRows
    from airflow_mlops.lifecycle.check import Checked, Opened, Terms
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
    began = perf_counter()
    checked = _checked(options)
    facts = {**checked.to_dict(), "seconds": round(perf_counter() - began, 3)}
    if options.json:
        print(json.dumps(facts, indent=2, default=str))
    else:
        _show(options.rows, facts)
    return BLOCKED if checked.verdict == "block" else 0


def _checked(options: Namespace) -> Checked:
    from airflow_mlops.hooks.source.sniffed import Expected, files_at, read_files
    from airflow_mlops.lifecycle.check import Checked, check, unreadable

    terms = _terms(options)
    given: dict[str, Any] = dict(getattr(terms.spec.data.source, "options", {})) if terms.spec else {}
    reference = read_files(options.reference, Expected(given, is_any_delimiter=True))
    expected = Expected(given, like=reference)
    if not files_at(options.rows) and not Path(options.rows).is_dir():
        raise Permanent(f"no file is at {options.rows}; check the path, or wait until the data has landed.")
    try:
        rows = read_files(options.rows, expected)
    except SourceUnreadable as error:
        return Checked.of([unreadable(error)], 0)
    terms = replace(terms, is_guessed=rows.is_text or reference.is_text)
    good = _opened(reference)
    try:
        return check(_opened(rows), good, terms, _history(options.history, expected))
    except SourceUnreadable as error:
        return Checked.of([unreadable(error)], rows.table.num_rows * rows.every)


def _opened(found: FoundRows) -> Opened:
    from airflow_mlops.lifecycle.check import Opened

    return Opened(found.table, found.every, found.stream)


def _terms(options: Namespace) -> Terms:
    from airflow_mlops.lifecycle.check import Terms
    from airflow_mlops.spec import load_spec

    now = options.now or datetime.now(UTC)
    if options.spec is None:
        return Terms(now, time=options.time, target=options.target)
    spec = load_spec(options.spec)
    for option, given, named in (("--time", options.time, "data.time"), ("--target", options.target, "data.target")):
        stated = getattr(spec.data, named.removeprefix("data."))
        if given not in (None, stated):
            raise SpecError(
                f"{option} is {given!r}, and {named} of {options.spec} is {stated!r}; leave one of them out."
            )
    return Terms(now, spec, _suite(spec))


def _suite(spec: ModelSpec) -> dict[str, Any] | None:
    from airflow_mlops.spec.document import Document
    from airflow_mlops.spec.load import report as write_faults
    from airflow_mlops.spec.suite_file import lint_suite

    if spec.validate_.suite is None:
        return None
    path = spec.base_dir / spec.validate_.suite
    faults = lint_suite(path)
    if faults:
        raise SpecError(write_faults(faults), faults=faults)
    return {"name": spec.name, **Document.read(path).value}


def _history(folder: Path | None, expected: Expected) -> Iterator[tuple[str, Opened | SourceUnreadable]]:
    """Read the batches of a folder one by one, a file each, sorted by name."""
    from airflow_mlops.hooks.source.sniffed import files_below, read_files

    if folder is None:
        return
    if not folder.is_dir():
        raise Permanent(f"--history is {folder}, and no such folder is there; name the folder of earlier good batches.")
    for file in files_below(folder):
        try:
            yield file.name, _opened(read_files(str(file), expected))
        except SourceUnreadable as error:
            yield file.name, error


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
