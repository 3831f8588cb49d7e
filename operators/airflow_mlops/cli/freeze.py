"""``airflow-mlops freeze``, ``unfreeze``, ``pause`` and ``resume``: hold versions, promotions or the loop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_mlops.cli.asked import add_moment, add_reason, moment_of
from airflow_mlops.cli.places import add_places, ledger_of

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

    from airflow_mlops.events import Scope

_COMMANDS = (
    ("freeze", True, "hold a version, or every promotion but a rollback"),
    ("unfreeze", False, "let a version, or the promotions, go again"),
    ("pause", True, "let the loop ask for nothing by itself; what serves goes on serving"),
    ("resume", False, "let the loop go on"),
)


def add_to(commands: _SubParsersAction) -> None:
    """Add the commands to the parser."""
    for name, frozen, help_text in _COMMANDS:
        parser = commands.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
        parser.add_argument("model", metavar="MODEL", help="name of the spec")
        is_loop = name in ("pause", "resume")
        if not is_loop:
            parser.add_argument("--version", metavar="VERSION", help="which one; default: every promotion")
        add_reason(parser)
        add_moment(parser)
        add_places(parser, mlflow=False)
        parser.set_defaults(run=partial(run, frozen=frozen, is_loop=is_loop))


def run(options: Namespace, *, frozen: bool, is_loop: bool) -> int:
    """Record it, and say what is so now.

    Raises
    ------
    LedgerMisuse
        The model has no such version.
    """
    from airflow_mlops.lifecycle.freeze import freeze, held

    ledger = ledger_of(options)
    version = None if is_loop else options.version
    scope: Scope = "loop" if is_loop else "version" if version else "promotions"
    event = freeze(
        ledger,
        options.model,
        scope,
        frozen=frozen,
        reason=options.reason,
        by=options.by,
        at=moment_of(options),
        version=version,
        run=f"airflow-mlops by {options.by}",
    )
    subject = f"version {version}" if version else "the loop" if is_loop else "promotions"
    now = held(ledger.state(options.model), scope, version)
    state = f"frozen by {now.by} ({now.reason})" if now else "free"
    print(f"{options.model}: {subject}: {state}{'' if event else ', as before'}")
    return 0
