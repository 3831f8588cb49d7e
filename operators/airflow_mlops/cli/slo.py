"""``airflow-mlops slo``: what is promised of a model, what is left of its error budgets, and how fast they burn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_mlops.cli.moments import iso_time
from airflow_mlops.cli.places import add_places, ledger_of
from airflow_mlops.errors import LedgerMisuse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from airflow_mlops.loop.slo import Budget

_FOUND = 1


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("slo", help="show error budgets and burn rates", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="name of the model")
    parser.add_argument("--as-of", type=iso_time, metavar="TIME", help="as it stood at this event time, ISO 8601")
    parser.add_argument("--json", action="store_true", help="print as a JSON list")
    add_places(parser, mlflow=False)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Show the budgets of the last look; 1 when one is spent, or burns so fast that a person is to be woken.

    Raises
    ------
    LedgerMisuse
        No look has measured a budget of this model.
    """
    from airflow_mlops.lifecycle.budgets import last_budgets

    budgets = last_budgets(ledger_of(options), options.model, as_of=options.as_of)
    if not budgets:
        raise LedgerMisuse(
            f"no look has measured an error budget of {options.model!r}; give its spec a section slo, and let its "
            "monitor run once."
        )
    if options.json:
        print(json.dumps([budget.to_dict() | {"burn": budget.burn} for budget in budgets], indent=2))
    else:
        _show(budgets)
    return _FOUND if any(budget.state in ("spent", "page") for budget in budgets) else 0


def _show(budgets: list[Budget]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("objective", "state", "promised", "kept", "budget left", "burn rate", "counted", box=None)
    for budget in budgets:
        table.add_row(
            budget.objective,
            "not enough data" if budget.state == "unknown" else budget.state,
            f"{budget.target:.1%}",
            "-" if budget.sli is None else f"{budget.sli:.2%}",
            "-" if budget.left is None else f"{budget.left:.0%}",
            "-" if budget.burn is None else f"{budget.burn:.1f}",
            f"{budget.good + budget.bad:,}",
        )
    Console().print(table)
