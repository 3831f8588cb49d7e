"""``airflow-mlops card``: what a version is, what it was made of and judged by, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.places import add_places, ledger_of, store_of

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "card",
        help="print the model card of a version",
        description="Print the model card of a version in Markdown, made of what ledger and artifacts hold now.",
    )
    parser.add_argument("model", help="name of a spec")
    parser.add_argument("version", nargs="?", help="default: the champion")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one page instead")
    add_places(parser, mlflow=False)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print the card, or write it.

    Raises
    ------
    LedgerMisuse
        The ledger knows no such version, or none serves.
    """
    from airflow_mlops.lifecycle.card import card_of

    card = card_of(store_of(options), ledger_of(options), options.model, options.version)
    if options.html is None:
        print(card.markdown, end="")
        return 0
    options.html.write_text(card.html, encoding="utf-8")
    print(f"wrote {options.html}")
    return 0
