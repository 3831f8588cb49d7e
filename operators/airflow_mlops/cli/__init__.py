"""The command ``airflow-mlops``.

Exit codes: 0 all is well, 1 something was found, 2 the command could not do its work; `backtest --fail-if-worse` has 4
for a policy that is worse, `check` for a batch that is blocked.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from airflow_mlops import __version__
from airflow_mlops.cli import (
    backtest,
    calibrate,
    card,
    check,
    data,
    freeze,
    history,
    ledger,
    lint,
    metrics,
    promote,
    reproduce,
    retain,
    rollback,
    schema,
    serve,
    slo,
    suites,
    use_policy,
)
from airflow_mlops.errors import MLOpsError

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 2
_COMMANDS = (
    *(lint, schema, suites, check, calibrate, backtest, data, history, ledger),
    *(promote, retain, card, reproduce, slo, serve, metrics, rollback, freeze, use_policy),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str or None
        Without the program's name; default: those of the process.
    """
    options = make_parser().parse_args(arguments)
    try:
        return options.run(options)
    except MLOpsError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return _fail("stopped by the keyboard; what is written so far is whole")


def make_parser() -> ArgumentParser:
    """Make the parser of all commands; the reference page is checked against it."""
    parser = ArgumentParser(prog="airflow-mlops", description="The life of machine-learning models on Apache Airflow.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _fail(sentence: str) -> int:
    print(f"airflow-mlops: {sentence}", file=sys.stderr)
    return FAILED
