"""Where a command finds ledger, artifacts, MLflow and server: in Airflow connections, never in an address itself.

A connection may stand in the environment (``AIRFLOW_CONN_...``), so none of this needs Airflow's database.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airflow_mlops.errors import LedgerMisuse

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from contextlib import AbstractContextManager

    from mlflow import MlflowClient

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.hooks.mlflow import MlflowHook
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.spec import ModelSpec


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
        default=None if of else "mlops_ledger",
        help="Airflow connection of the ledger" + ("" if of else "; default %(default)s"),
    )
    group.add_argument(f"{before}artifacts-uri", metavar="URI", help="folder of the artifact store")
    group.add_argument(f"{before}artifacts-conn-id", metavar="ID", help="Airflow connection of the artifact store")
    if mlflow:
        group.add_argument(
            f"{before}mlflow-conn-id",
            metavar="ID",
            default=None if of else "mlflow_default",
            help="Airflow connection of MLflow" + ("" if of else "; default %(default)s"),
        )


def store_of(options: Namespace, *, of: str = "") -> ArtifactStore:
    """Open the artifact store; ``[mlops] artifacts_uri`` where no folder is named."""
    _outside_of_tasks()
    from airflow_mlops.hooks.artifacts import ArtifactsHook

    return ArtifactsHook(_option(options, of, "artifacts_conn_id"), uri=_option(options, of, "artifacts_uri")).store


def ledger_of(options: Namespace, *, of: str = "", may_be_new: bool = False) -> Ledger:
    """Open the ledger, which has to be there as a rule: a mistyped path would be made, and found in perfect order.

    Raises
    ------
    LedgerMisuse
        There is no such connection, or no ledger where it leads.
    """
    _outside_of_tasks()
    from airflow.sdk.exceptions import AirflowNotFoundException

    from airflow_mlops.hooks.ledger import LedgerHook

    name = _option(options, of, "ledger_conn_id") or "mlops_ledger"
    try:
        ledger = LedgerHook(name, artifacts_uri=_option(options, of, "artifacts_uri")).ledger
    except AirflowNotFoundException as error:
        raise LedgerMisuse(f"Airflow has no connection {name!r}; add it, or name another one.") from error
    if ledger.is_missing and not may_be_new:
        raise LedgerMisuse(f"there is no ledger at {ledger!r}; check the path. The first task of a DAG makes one.")
    return ledger


def mlflow_hook_of(options: Namespace, *, of: str = "") -> MlflowHook:
    """Return MLflow's hook; `bound` hands out the client."""
    _outside_of_tasks()
    from airflow_mlops.hooks.mlflow import MlflowHook

    return MlflowHook(_option(options, of, "mlflow_conn_id") or MlflowHook.default_conn_name)


def mlflow_of(options: Namespace, *, of: str = "") -> AbstractContextManager[MlflowClient]:
    """Open MLflow; credentials are in force until the block ends."""
    return mlflow_hook_of(options, of=of).bound()


def target_of(spec: ModelSpec) -> Target:
    """Return what serves the model: the server that the spec names, or nothing but the ledger."""
    from airflow_mlops.lifecycle.targets import LocalProcess

    if spec.deploy.server is None:
        return LocalProcess()
    _outside_of_tasks()
    from airflow_mlops.hooks.model_server import ModelServerHook
    from airflow_mlops.lifecycle.server_target import ModelServer

    return ModelServer(ModelServerHook(spec.deploy.server).client)


def asked_by() -> str:
    """Return who types the command, as the operating system names them."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"


def _option(options: Namespace, of: str, name: str) -> str | None:
    return getattr(options, f"{of}_{name}" if of else name)


def _outside_of_tasks() -> None:
    """Tell Airflow's SDK that this is no task, so that connections kept in the metadata database are found as well."""
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
