"""Where a command finds ledger, artifacts, MLflow and server: in Airflow connections, never in an address itself.

A connection may stand in the environment (``AIRFLOW_CONN_...``), so none of this needs Airflow's database.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_mlops.errors import LedgerMisuse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.hooks.mlflow import MlflowHook
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.spec import ModelSpec

LEDGER, MLFLOW = "mlops_ledger", "mlflow_default"


def add_places(parser: ArgumentParser, *, of: str = "", mlflow: bool = True) -> None:
    """Add the options that name the places.

    Parameters
    ----------
    parser : ArgumentParser
        Of the command.
    of : str
        What the options begin with, such as ``from``, where a command has two sets of places.
    mlflow : bool
        Whether the command needs MLflow.
    """
    before = f"--{of}-" if of else "--"
    group = parser.add_argument_group(f"where to copy {of}" if of else "where things are")
    group.add_argument(
        f"{before}ledger-conn-id",
        metavar="ID",
        default=None if of else LEDGER,
        help="Airflow connection of the ledger" + ("" if of else "; default %(default)s"),
    )
    group.add_argument(f"{before}artifacts-uri", metavar="URI", help="folder of the artifact store")
    group.add_argument(f"{before}artifacts-conn-id", metavar="ID", help="Airflow connection of the artifact store")
    if mlflow:
        group.add_argument(
            f"{before}mlflow-conn-id",
            metavar="ID",
            default=None if of else MLFLOW,
            help="Airflow connection of MLflow" + ("" if of else "; default %(default)s"),
        )


def store_of(options: Namespace, *, of: str = "") -> ArtifactStore:
    """Open the artifact store; ``[mlops] artifacts_uri`` where no folder is named.

    Raises
    ------
    LedgerMisuse
        There is no such connection.
    """
    conn_id = _option(options, of, "artifacts_conn_id")
    with _known(conn_id or ""):
        from airflow_mlops.hooks.artifacts import ArtifactsHook

        return ArtifactsHook(conn_id, uri=_option(options, of, "artifacts_uri")).store


def ledger_of(options: Namespace, *, of: str = "", may_be_new: bool = False) -> Ledger:
    """Open the ledger that the options name.

    Raises
    ------
    LedgerMisuse
        There is no such connection, or no ledger where it leads.
    """
    name = _option(options, of, "ledger_conn_id") or LEDGER
    return ledger_by_connection(name, artifacts_uri=_option(options, of, "artifacts_uri"), may_be_new=may_be_new)


def ledger_by_connection(conn_id: str, *, artifacts_uri: str | None = None, may_be_new: bool = False) -> Ledger:
    """Open the ledger of a connection, which has to be there as a rule.

    Raises
    ------
    LedgerMisuse
        There is no such connection, or no ledger where it leads.
    """
    with _known(conn_id):
        from airflow_mlops.hooks.ledger import LedgerHook

        ledger = LedgerHook(conn_id, artifacts_uri=artifacts_uri).ledger
    return ledger if may_be_new else existing(ledger)


def existing(ledger: Ledger) -> Ledger:
    """Refuse a ledger that is not there: a mistyped path would be made, and found in perfect order.

    Raises
    ------
    LedgerMisuse
        It does not exist.
    """
    if ledger.is_missing:
        raise LedgerMisuse(f"there is no ledger at {ledger!r}; check the path. The first task of a DAG makes one.")
    return ledger


def mlflow_hook_of(options: Namespace, *, of: str = "") -> MlflowHook:
    """Return MLflow's hook; `bound` hands out the client.

    Raises
    ------
    LedgerMisuse
        There is no such connection.
    TrackingRefused
        It leads to nothing that could be MLflow.
    """
    name = _option(options, of, "mlflow_conn_id") or MLFLOW
    with _known(name):
        from airflow_mlops.hooks.mlflow import MlflowHook

        hook = MlflowHook(name)
        # Read now, and not when half of the work is done.
        _ = hook.tracking_uri
    return hook


def mlflow_of(options: Namespace, *, of: str = "") -> AbstractContextManager[MlflowClient]:
    """Open MLflow; credentials are in force until the block ends."""
    return mlflow_hook_of(options, of=of).bound()


def target_of(spec: ModelSpec) -> Target:
    """Return what serves the model: the server that the spec names, or nothing but the ledger.

    Raises
    ------
    LedgerMisuse
        There is no such connection.
    ServerRefused
        It names no server.
    """
    from airflow_mlops.lifecycle.targets import LocalProcess

    if spec.deploy.server is None:
        return LocalProcess()
    with _known(spec.deploy.server, named_by=f", which deploy.server of {spec.name} names"):
        from airflow_mlops.hooks.model_server import ModelServerHook
        from airflow_mlops.lifecycle.server_target import ModelServer

        return ModelServer(ModelServerHook(spec.deploy.server).client)


def _option(options: Namespace, of: str, name: str) -> str | None:
    return getattr(options, f"{of}_{name}" if of else name)


@contextmanager
def _known(conn_id: str, *, named_by: str = "") -> Iterator[None]:
    """Say in one sentence that Airflow has no such connection."""
    _outside_of_tasks()
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        yield
    except AirflowNotFoundException as error:
        raise LedgerMisuse(
            f"Airflow has no connection {conn_id!r}{named_by}; set AIRFLOW_CONN_{conn_id.upper()}, add it, or name "
            "another one."
        ) from error


def _outside_of_tasks() -> None:
    """Tell Airflow's SDK that this is no task, so that connections kept in the metadata database are found as well."""
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
