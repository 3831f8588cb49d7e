"""``airflow-mlops reproduce``: train a version again from what was recorded, and compare."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_mlops import __version__
from airflow_mlops.cli.places import add_places, ledger_of, store_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from airflow_mlops.lifecycle.reproduce import Reproducer

DIFFERENT = 1


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "reproduce",
        help="train a version again from what was recorded, and compare",
        description="Train a version again from its recorded snapshots and spec, and compare what the two predict. "
        "Nothing is stored but the result, in the ledger. Exit codes: 0 the same, 1 different, 2 it could not be done.",
    )
    parser.add_argument("model", help="name of a spec")
    parser.add_argument("version", nargs="?", help="default: the champion")
    _add_options(parser)
    add_places(parser, mlflow=False)
    parser.set_defaults(run=run)


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--spec",
        metavar="FILE",
        help="for a version with which no spec was kept; of any other only where its own modules are found",
    )
    parser.add_argument("--tolerance", type=float, help="largest difference of a prediction; default: the spec's")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")


def run(options: Namespace) -> int:
    """Reproduce a version; 1 when it predicts something else.

    Raises
    ------
    ReproductionImpossible
        The ledger knows no such version, or what it was trained from is gone or changed.
    SpecError
        The spec has faults.
    """
    from airflow_mlops.lifecycle.reproduce import record_reproduction

    reproducer = _reproducer(options)
    version, found = reproducer.reproduce(options.model, options.version)
    ref = record_reproduction(
        reproducer.ledger,
        options.model,
        version,
        found,
        at=datetime.now(UTC),
        code_version=f"airflow-provider-mlops {__version__}",
        run=None,
    )
    print(json.dumps({**ref.to_dict(), **found.to_dict()}, indent=2) if options.json else ref.sentence)
    return 0 if found.verdict == "same" else DIFFERENT


def _reproducer(options: Namespace) -> Reproducer:
    from airflow_mlops.lifecycle.reproduce import Reproducer
    from airflow_mlops.spec import load_spec

    spec = load_spec(options.spec) if options.spec else None
    return Reproducer(store_of(options), ledger_of(options), spec, tolerance=options.tolerance)
