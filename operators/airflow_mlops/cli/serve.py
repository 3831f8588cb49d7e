"""``airflow-mlops serve``: answer predictions with the ledger's champions."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.errors import LedgerMisuse, ServerMisuse
from airflow_mlops.extras import require

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace, _SubParsersAction

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger

_LIBRARIES = {"fastapi": "FastAPI", "uvicorn": "uvicorn", "uvloop": "uvloop", "httptools": "httptools",
              "msgspec": "msgspec", "pandas": "pandas", "prometheus_client": "prometheus-client",
              "sklearn": "scikit-learn", "skops": "skops", "cloudpickle": "cloudpickle"}  # fmt: skip

_ARTIFACTS = "MLOPS_ARTIFACTS_URI"


def add_to(commands: _SubParsersAction) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="answer predictions over HTTP with the ledger's champions",
        description="Follow the champions of models in the ledger and answer predictions over HTTP. A new champion is "
        "loaded aside and swapped in between two requests; one that cannot be loaded is never served, and the old one "
        "goes on. Needs the extra [serving].",
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="name of a spec")
    _add_places(parser)
    _add_limits(parser)
    parser.set_defaults(run=run)


def _add_places(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="default %(default)s; any other than loopback needs a token"
    )
    parser.add_argument("--port", type=int, default=8000, help="default %(default)s; 0 takes a free one")
    parser.add_argument("--artifacts-uri", metavar="URI", help=f"folder of the artifact store; default ${_ARTIFACTS}")
    # Never an address itself: its password would stand in the shell's history and in the list of processes.
    parser.add_argument(
        "--ledger-url-env",
        metavar="VAR",
        default="MLOPS_LEDGER_URL",
        help="environment variable with the ledger's address; default %(default)s; unset: ledger.db in the artifacts",
    )
    parser.add_argument(
        "--token-env",
        metavar="VAR",
        default="MLOPS_SERVER_TOKEN",
        help="environment variable with the token that requests must bring; default %(default)s; unset: none",
    )
    parser.add_argument("--no-prediction-log", action="store_true", help="do not write predictions down")
    parser.add_argument(
        "--log-folder", type=Path, metavar="DIR", help="open segments of the prediction log, where artifacts are remote"
    )


def _add_limits(parser: ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    limits.add_argument("--poll", type=float, default=1.0, metavar="S", help="seconds between looks at the ledger; 1")
    limits.add_argument("--timeout", type=float, default=30.0, metavar="S", help="longest time of a request; 30")
    limits.add_argument("--max-body-mb", type=float, default=10.0, metavar="MB", help="largest body, in MiB; 10")
    limits.add_argument("--max-rows", type=int, default=10_000, metavar="N", help="most rows of a request; 10000")
    limits.add_argument(
        "--max-waiting-rows", type=int, metavar="N", help="most rows that wait at once; default twice --max-rows"
    )
    limits.add_argument(
        "--batch-rows", type=int, default=1024, metavar="N", help="waiting requests go together up to this; 1024"
    )


def run(options: Namespace) -> int:
    """Serve until a signal ends the process.

    Raises
    ------
    MissingExtra
        A library of the extra [serving] is not installed.
    ServerMisuse
        Artifacts are not named, or the settings cannot work.
    """
    for module, library in _LIBRARIES.items():
        require(module, extra="serving", needed_by="serve", library=library)
    from airflow_mlops.serving.listen import serve
    from airflow_mlops.serving.settings import ServerSettings

    settings = ServerSettings(
        models=tuple(dict.fromkeys(options.models)),
        host=options.host,
        port=options.port,
        token=_token(options.token_env),
        poll_s=options.poll,
        timeout_s=options.timeout,
        max_body_mb=options.max_body_mb,
        max_rows=options.max_rows,
        max_waiting_rows=options.max_waiting_rows or 2 * options.max_rows,
        batch_rows=options.batch_rows,
        prediction_log=not options.no_prediction_log,
        log_folder=options.log_folder,
    )
    settings.check()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    uri = options.artifacts_uri or os.environ.get(_ARTIFACTS)
    if not uri:
        raise ServerMisuse(f"where are the models? Give --artifacts-uri, or set {_ARTIFACTS}.")
    store, ledger = _store(uri), _ledger(uri, options.ledger_url_env)

    def announce(address: str) -> None:
        print(f"serving {', '.join(settings.models)} on {address} ({ledger!r}, artifacts {store.uri()})", flush=True)

    serve(settings, ledger=ledger, store=store, announce=announce)
    return 0


def _token(variable: str) -> str | None:
    """Read the token; a file that it came from ends with a line break as a rule."""
    token = os.environ.get(variable)
    return token.strip() if token else None


def _store(uri: str) -> ArtifactStore:
    """Open a folder of this machine, or of an object store with the credentials of the environment."""
    from airflow_mlops.artifacts import ArtifactStore

    if "://" not in uri.removeprefix("file://"):
        return ArtifactStore.local(uri.removeprefix("file://"))
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(uri)
    except (ImportError, ValueError) as error:
        raise ServerMisuse(f"the artifacts at {uri} cannot be opened: {error}.") from error
    return ArtifactStore(fs, root.strip("/"), uri.partition("://")[0])


def _ledger(artifacts_uri: str, variable: str) -> Ledger:
    from airflow_mlops.ledger import Ledger

    if url := os.environ.get(variable):
        return Ledger(url)
    folder = artifacts_uri.removeprefix("file://")
    if "://" in folder:
        raise LedgerMisuse(
            f"the artifacts are at {artifacts_uri}, where no SQLite ledger can live; set {variable} to the address of "
            "the Postgres database."
        )
    return Ledger(f"sqlite:///{Path(folder).absolute() / 'ledger.db'}")
