"""``airflow-mlops data``: the snapshots of a model, what is in them, and how two of them differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.cli.data import compare, listing, profile, show

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_ACTIONS = (listing, show, compare, profile)


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "data", help="list, show and compare snapshots, or profile a source", description=__doc__
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in _ACTIONS:
        action.add_to(actions)
