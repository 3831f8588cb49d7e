"""``airflow-mlops metrics``: what the ledger tells of models and their loops, for Prometheus."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from airflow_mlops.cli.places import LEDGER, add_places, existing, ledger_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from airflow_mlops.ledger import Ledger

_TOKEN, _LEDGER_URL = "MLOPS_METRICS_TOKEN", "MLOPS_LEDGER_URL"


def add_to(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "metrics",
        help="tell Prometheus what the ledger knows of all models",
        description="Answer scrapes of Prometheus at /metrics from the ledger, one reading each. A ledger that is away "
        "is told as mlops_ledger_up 0.",
    )
    parser.add_argument("--once", action="store_true", help="print the metrics and end")
    parser.add_argument(
        "--host", default="127.0.0.1", help="default %(default)s; any other than loopback needs a token"
    )
    parser.add_argument("--port", type=int, default=9108, help="default %(default)s; 0 takes a free one")
    parser.add_argument(
        "--token-env",
        metavar="VAR",
        default=_TOKEN,
        help="environment variable with the token that scrapes must bring; default %(default)s; unset: none",
    )
    # Never an address itself: its password would stand in the shell's history and in the list of processes.
    parser.add_argument(
        "--ledger-url-env",
        metavar="VAR",
        default=_LEDGER_URL,
        help="environment variable with the ledger's address, where Airflow is not; default %(default)s; unset, or "
        "where an option says where things are: the connection",
    )
    add_places(parser, mlflow=False)
    parser.set_defaults(run=run)


def run(options: Namespace) -> int:
    """Print all metrics, or answer scrapes until a signal ends the process; 1 where ``--once`` found no ledger.

    Raises
    ------
    LedgerMisuse
        There is no ledger where the options lead.
    ServerMisuse
        The settings cannot work, or the port is taken.
    """
    from airflow_mlops.serving.exporter import ExporterSettings, export, text_of

    ledger = _ledger(options)
    if options.once:
        text = text_of(ledger)
        print(text, end="")
        return 0 if "\nmlops_ledger_up 1.0\n" in text else 1
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    token = os.environ.get(options.token_env)
    settings = ExporterSettings(options.host, options.port, token.strip() if token else None)
    export(settings, ledger=ledger, announce=lambda address: print(f"{ledger!r} at {address}", flush=True))
    return 0


def _ledger(options: Namespace) -> Ledger:
    """Open the ledger; one whose file is not there yet may be waited for, but a connection has to be known."""
    url = os.environ.get(options.ledger_url_env)
    if not url or options.ledger_conn_id != LEDGER or options.artifacts_uri:
        return ledger_of(options, may_be_new=not options.once)
    from airflow_mlops.ledger import Ledger

    ledger = Ledger(url)
    return existing(ledger) if options.once else ledger
