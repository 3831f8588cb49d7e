"""``airflow-mlops backtest``: what retraining policies would have done with a history."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.moments import iso_time
from airflow_mlops.errors import Permanent

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction
    from collections.abc import Callable, Iterator

    from airflow_mlops.replay.report import Candidate, Report
    from airflow_mlops.spec import ModelSpec

CACHE = Path(".mlops-cache")
WORSE = 4


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "backtest",
        help="replay a history under retraining policies",
        description="Train every model that a history could have had, once, and play policies on them by the code that "
        "decides live: what they would have trained, cost, gained and missed.",
    )
    parser.add_argument("spec", metavar="SPEC", help="a spec file; its retrain.policy and retrain.shadow are played")
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="YAML with the one key 'policy', or a spec; several times",
    )
    parser.add_argument("--from", dest="start", type=iso_time, metavar="TIME", help="default: 120 windows earlier")
    parser.add_argument("--to", dest="end", type=iso_time, metavar="TIME", help="default: retrain.now, or now")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="keep trained models there")
    parser.add_argument("--jobs", type=_positive, default=2, metavar="N", help="processes; default: 2")
    parser.add_argument("--no-gates", action="store_true", help="let every trained version serve")
    parser.add_argument(
        "--max-train-rows", type=int, default=20_000, metavar="N", help="of a training; default 20000, 0: all"
    )
    parser.add_argument(
        "--sample-rows", type=_positive, default=2000, metavar="N", help="judged of each stretch; default 2000"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report there as one page")
    parser.add_argument("--trees", action="store_true", help="keep each decision with its rule tree, in the JSON")
    parser.add_argument(
        "--signals",
        action="store_true",
        help="measure drift for the default warnings too; signals that rules name are measured anyway",
    )
    parser.add_argument(
        "--fail-if-worse",
        action="store_true",
        help="exit code 4 where the last of two policies is worse than the first",
    )
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Play the policies, show and write what they did; 4 where the second is worse and that was asked.

    Raises
    ------
    SpecError
        Spec or policy file has faults.
    HistoryUnusable
        There are no rows, or too few.
    Permanent
        Options do not fit each other.
    """
    from airflow_mlops.spec import load_spec

    spec = load_spec(options.spec)
    candidates = _candidates(spec, options.policy)
    compared = _compared(options, candidates)
    if options.trees and not options.json:
        raise Permanent("--trees stores rule trees in the JSON report; give --json FILE too.")
    report = _report(spec, candidates, compared, options)
    _show(report)
    _write(report, options)
    return WORSE if report.comparison and report.comparison.is_worse else 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _candidates(spec: ModelSpec, files: list[Path]) -> list[Candidate]:
    """Name the policies: the spec's own, its shadow, and each file's."""
    from airflow_mlops.replay.report import Candidate, own_candidates
    from airflow_mlops.spec.policy_file import load_policy

    found = own_candidates(spec)
    for file in files:
        name = file.stem if sum(each.stem == file.stem for each in files) == 1 else str(file)
        found.append(Candidate(name, load_policy(file, spec)))
    return found


def _compared(options: Namespace, candidates: list[Candidate]) -> tuple[int, int] | None:
    if not options.fail_if_worse:
        return None
    if len(options.policy) not in (1, 2):
        raise Permanent(
            f"--fail-if-worse compares two policies, and {len(options.policy)} --policy files were given; give one, "
            "which is held against the spec's own, or two."
        )
    return (0 if len(options.policy) == 1 else len(candidates) - 2), len(candidates) - 1


def _report(
    spec: ModelSpec, candidates: list[Candidate], compared: tuple[int, int] | None, options: Namespace
) -> Report:
    from airflow_mlops.operators.history import history_start, read_history
    from airflow_mlops.replay.lay import Bounds, lay
    from airflow_mlops.replay.report import backtest

    end = options.end or spec.retrain.now or datetime.now(UTC)
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    start = options.start or history_start(spec, end)
    with _status(f"reading the rows of {spec.name}"):
        rows, labels = read_history(spec, start, end)
    bounds = Bounds(options.max_train_rows or None, options.sample_rows, options.jobs)
    print(f"{len(rows):,} rows; trained models are kept in {options.cache}", file=sys.stderr)
    with _progress() as progress:
        table = lay(
            rows,
            labels,
            spec,
            [candidate.policy for candidate in candidates],
            bounds=bounds,
            gated=not options.no_gates,
            signals=options.signals,
            folder=options.cache,
            progress=progress,
        )
    with _status(f"playing {len(candidates)} policies"):
        return backtest(table, candidates, jobs=options.jobs, keep=options.trees, compare=compared)


@contextmanager
def _status(what: str) -> Iterator[None]:
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show how many models are trained."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("training", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description=f"model {done} of {total}")

        yield show


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    from airflow_mlops.replay.page import COLUMNS, facts, row

    # A policy a column: numbers of one kind stand beside each other, and names are long.
    rows = [row(report, entry) for entry in report.entries]
    table = Table(box=None)
    table.add_column(COLUMNS[0])
    for each in rows:
        table.add_column(each[0], justify="right", overflow="fold")
    for place, heading in enumerate(COLUMNS[1:], start=1):
        table.add_row(heading, *(each[place] for each in rows))
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{report.table.board.matrix.name}: {', '.join(facts(report))}", markup=False)
    console.print(table)
    for sentence in report.sentences():
        console.print(sentence, markup=False)
    for note in report.notes:
        print(note, file=sys.stderr)


def _write(report: Report, options: Namespace) -> None:
    """Write what was asked for, each file whole or not at all."""
    from airflow_mlops.replay.page import render
    from airflow_mlops.replay.plots import draw

    if options.html:
        _put(options.html, render(report, draw(report)))
    if options.json:
        _put(options.json, json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n")


def _put(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(path)
    print(f"wrote {path}", file=sys.stderr)
