"""``airflow-mlops ledger``: check, copy and read the record."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli.asked import add_reason
from airflow_mlops.cli.moments import iso_time
from airflow_mlops.cli.places import LEDGER, existing, ledger_by_connection
from airflow_mlops.errors import LedgerCorrupt, LedgerMisuse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from airflow_mlops.events import ModelState
    from airflow_mlops.ledger import Ledger


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("ledger", help="check, copy or read the ledger", description=__doc__)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    verify = actions.add_parser("verify", help="check that no event was changed or lost")
    verify.add_argument("model", nargs="?", help="default: every model")
    verify.set_defaults(run=run_verify)

    backup = actions.add_parser("backup", help="copy the ledger while it is in use")
    backup.add_argument("file", type=Path, metavar="FILE", help="where to; SQLite, or JSON lines of Postgres")
    backup.set_defaults(run=run_backup)

    restore = actions.add_parser("restore", help="put a backup back, checked whole first")
    restore.add_argument("file", type=Path, metavar="FILE", help="a file that ledger backup wrote, of either database")
    restore.add_argument(
        "--replace", action="store_true", help="let events go that it does not hold; they are kept aside"
    )
    restore.set_defaults(run=run_restore)

    clock = actions.add_parser("accept-clock", help="record that the clock is right though it went back")
    clock.add_argument("model")
    add_reason(clock)
    clock.set_defaults(run=run_accept_clock)

    state = actions.add_parser("state", help="show which version serves, and what happened last")
    state.add_argument("model", nargs="?", help="default: every model")
    state.add_argument("--as-of", type=iso_time, metavar="TIME", help="as it stood at this event time, ISO 8601")
    state.add_argument("--json", action="store_true", help="print as a JSON list")
    state.set_defaults(run=run_state)

    for action in (verify, backup, restore, clock, state):
        add_place(action)


def add_place(parser: ArgumentParser) -> None:
    """Add the options that name the ledger."""
    # Never an address itself: its password would stand in the shell's history and in the list of processes.
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--url-env", metavar="VAR", help="environment variable that holds the database's address")
    place.add_argument("--conn-id", default=LEDGER, help="Airflow connection; default %(default)s")


def run_verify(options: Namespace) -> int:
    """Check the chain of each model; 1 when one is broken."""
    ledger, code = open_ledger(options), 0
    try:
        models = known_models(ledger, options.model)
    except LedgerCorrupt as error:
        print(error)
        return 1
    for model in models:
        try:
            print(f"{model}: {ledger.verify(model)} events, all good")
        except LedgerCorrupt as error:
            print(f"{model}: {error}")
            code = 1
    return code


def run_backup(options: Namespace) -> int:
    """Copy the ledger."""
    print(f"wrote {open_ledger(options).backup(options.file)}")
    return 0


def run_restore(options: Namespace) -> int:
    """Put a backup back."""
    done = open_ledger(options, must_exist=False).restore(options.file, replace=options.replace)
    for model, events in done.events.items():
        print(f"{model}: {events} events, all good")
    print(f"{done.added} events came from {options.file}")
    if done.kept:
        print(f"what was there is kept in {done.kept}")
    return 0


def run_accept_clock(options: Namespace) -> int:
    """Record that the clock is right."""
    ledger = open_ledger(options)
    known_models(ledger, options.model)
    event = ledger.accept_clock(options.model, reason=options.reason, by=options.by)
    print(f"{options.model}: event {event.seq} accepts the clock, which is {event.payload['behind_s']:.0f} s behind")
    return 0


def run_state(options: Namespace) -> int:
    """Show where each model stands."""
    ledger = open_ledger(options)
    states = [ledger.state(model, as_of=options.as_of) for model in known_models(ledger, options.model)]
    if options.json:
        print(json.dumps([_plain(state) for state in states], indent=2))
        return 0
    _show(states)
    return 0


def open_ledger(options: Namespace, *, must_exist: bool = True) -> Ledger:
    """Open the ledger that the options name.

    Raises
    ------
    LedgerMisuse
        The environment variable is not set, or there is no such connection.
    """
    if options.url_env:
        from airflow_mlops.ledger import Ledger

        url = os.environ.get(options.url_env)
        if not url:
            raise LedgerMisuse(f"the environment variable {options.url_env} is not set; it should hold the address.")
        return existing(Ledger(url)) if must_exist else Ledger(url)
    return ledger_by_connection(options.conn_id, may_be_new=not must_exist)


def known_models(ledger: Ledger, model: str | None) -> list[str]:
    """List the model asked for, or all of them.

    Raises
    ------
    LedgerMisuse
        The ledger does not know it.
    """
    known = ledger.models()
    if model is None:
        if not known:
            print(f"{ledger!r} holds no event yet", file=sys.stderr)
        return known
    if model not in known:
        raise LedgerMisuse(f"the ledger knows no model {model!r}; it knows {', '.join(known) or 'none'}.")
    return [model]


def _plain(state: ModelState) -> dict[str, Any]:
    champion = state.champion
    return {
        "model": state.model,
        "epoch": state.epoch,
        "champion": champion and {"version": champion.version, "since": champion.since.isoformat()},
        "versions": {number: version.role for number, version in state.versions.items()},
        "last": {kind: event.to_dict() for kind, event in state.last.items()},
        "events": state.seq,
    }


def _show(states: list[ModelState]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "champion", "since", "epoch", "versions", "last event", box=None)
    for state in states:
        last = max(state.last.values(), key=lambda event: event.seq, default=None)
        table.add_row(
            state.model,
            state.champion.version if state.champion else "none",
            f"{state.champion.since:%Y-%m-%d %H:%M}" if state.champion else "",
            str(state.epoch),
            ", ".join(f"{number} {version.role}" for number, version in state.versions.items()),
            f"{last.kind} at {last.at:%Y-%m-%d %H:%M}" if last else "",
        )
    if states:
        Console().print(table)
