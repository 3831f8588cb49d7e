"""``airflow-mlops history``: what served when, why, who approved, on which evidence."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from airflow_mlops.cli.ledger import add_place, known_models, open_ledger
from airflow_mlops.cli.moments import iso_time
from airflow_mlops.errors import LedgerMisuse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction
    from datetime import datetime

    from airflow_mlops.ledger.history import ModelHistory, Stretch

# Exit code of a moment at which nothing served.
NOTHING_SERVED = 1


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser: ArgumentParser = commands.add_parser("history", help="what served when, and why", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--at", type=iso_time, metavar="TIME", help="only what served at this event time, ISO 8601")
    parser.add_argument(
        "--recorded", action="store_true", help="--at is the clock's time of writing: what the ledger said then"
    )
    parser.add_argument(
        "--limit", type=_count, default=20, metavar="N", help="the last N of a kind; default %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON, all of it")
    parser.set_defaults(run=run)
    add_place(parser)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number of lines; write 1 or more")
    return int(text)


def run(options: Namespace) -> int:
    """Tell the history, or what served at a moment; 1 where nothing did.

    Raises
    ------
    LedgerMisuse
        The ledger does not know the model, or the options do not go together.
    """
    ledger = open_ledger(options)
    known_models(ledger, options.model)
    if options.at is not None:
        return _tell_moment(ledger.stretch(options.model, options.at, recorded=options.recorded), options)
    if options.recorded:
        raise LedgerMisuse("--recorded says what kind of time --at is; give --at TIME too, or leave it out.")
    history = ledger.history(options.model)
    if options.json:
        print(json.dumps(history.to_dict(), indent=2))
    else:
        _show(history, limit=options.limit)
    return 0


def _tell_moment(stretch: Stretch | None, options: Namespace) -> int:
    if options.json:
        print(json.dumps(stretch and stretch.to_dict(), indent=2))
    elif stretch is None:
        print(f"nothing served as {options.model} at {options.at.isoformat()}")
    else:
        for line in _sentences(stretch):
            print(line)
    return NOTHING_SERVED if stretch is None else 0


def _sentences(stretch: Stretch) -> list[str]:
    evidence, approval = stretch.evidence, stretch.approval
    lines = [
        f"version {stretch.version} served from {_minute(stretch.since)} "
        f"{f'to {_minute(stretch.until)}' if stretch.until else 'on'} (epoch {stretch.epoch}, event {stretch.event})",
        f"why: {_why(stretch)}",
        f"evidence: {evidence.verdict or 'none'}"
        + "".join(f", {name} {value:.4g}" for name, value in evidence.metrics.items())
        + (f"; evaluation {evidence.id}" if evidence.id else ""),
        *(f"  {reason}" for reason in evidence.reasons),
    ]
    if report := evidence.html_uri or evidence.uri:
        lines.append(f"report: {report}")
    if approval is not None:
        lines.append(f"approval: {_approval(stretch)} at {_minute(approval.at)}: {approval.reason}")
    return [*lines, f"recorded: {_minute(stretch.recorded_at)} by run {stretch.run or 'none'}"]


def _show(history: ModelHistory, *, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    served = Table("version", "from", "to", "epoch", "why", "evidence", "approved", title=history.model, box=None)
    for stretch in history.stretches[-limit:]:
        served.add_row(
            stretch.version,
            _minute(stretch.since),
            _minute(stretch.until) if stretch.until else "serves",
            str(stretch.epoch),
            _why(stretch),
            stretch.evidence.verdict or "",
            _approval(stretch),
        )
    Console().print(served)
    left_out = len(history.stretches) - limit
    if left_out > 0:
        print(f"{left_out} earlier ones are left out (--limit)")
    for change in history.changes[-limit:]:
        print(f"{_minute(change.at)}  {change.subject}: {change.what} by {change.by} ({change.reason})")


def _why(stretch: Stretch) -> str:
    words = stretch.cause or "no cause on record"
    if stretch.by:
        words += f" by {stretch.by}"
    if stretch.reason:
        words += f": {stretch.reason}"
    return words + (f" (decision {stretch.decision})" if stretch.decision else "")


def _approval(stretch: Stretch) -> str:
    if stretch.approval is None:
        return ""
    by = ", ".join(stretch.approval.by)
    return stretch.approval.answer + (f" by {by}" if by else "")


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
