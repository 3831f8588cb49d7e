"""Whether the parts answer that the pages and the loop depend on: ledger, artifact store, MLflow, model servers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import select

from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.ui.connections import ConnectionNamesDep
from airflow_mlops.ui.probes import Probe, Prober, knock
from airflow_mlops.ui.sources import open_ledger, open_store

router = APIRouter(tags=["health"])

# More would wait for one another; the page says enough when ten are named.
_MOST_SERVERS = 10
_NO_CONNECTION = (AirflowNotFoundException,)

_prober = Prober()


class Part(BaseModel):
    """A part that is configured; ``sentence`` says what is wrong and names no secret.

    ``since`` is when this API server first missed it, by the clock; None where it answers.
    """

    part: str
    ok: bool
    sentence: str
    since: datetime | None


class Health(BaseModel):
    """All parts that are configured, as they were at most ten seconds ago."""

    parts: list[Part]


@router.get("/health")
def read_health(names: ConnectionNamesDep, session: SessionDep) -> Health:
    """Return which parts answer.

    Model servers are those with a connection in Airflow's database, and the one of the default name wherever its
    connection comes from. Those whose connection the user may not read are one part without a name.
    """
    stored = select(Connection.conn_id).where(Connection.conn_type == ModelServerHook.conn_type)
    servers = {
        ModelServerHook.default_conn_name,
        *session.scalars(stored.order_by(Connection.conn_id).limit(_MOST_SERVERS)),
    }
    hidden = {_server_part(conn_id) for conn_id in names.hidden(servers)}
    found = [Part(**asdict(each)) for each in _prober.look(list_probes(servers))]
    named = [part for part in found if part.part not in hidden]
    return Health(parts=[*named, *_unnamed([part for part in found if part.part in hidden])])


def _unnamed(parts: list[Part]) -> list[Part]:
    """Make one part of several whose names are not told."""
    missed = [part.since for part in parts if part.since is not None]
    if not parts:
        return []
    away = sum(not part.ok for part in parts)
    sentence = f"{away} of {len(parts)} other model servers do not answer; ask who may read Airflow's connections."
    return [Part(part="other model servers", ok=not away, sentence=sentence, since=min(missed, default=None))]


def list_probes(servers: set[str]) -> list[Probe]:
    """Return how each part is asked; ``servers`` are connections of model servers."""
    return [
        Probe("ledger", "The ledger", _ask_ledger),
        Probe("artifact store", "The artifact store", _ask_store),
        Probe("MLflow", "MLflow", _ask_mlflow, _NO_CONNECTION),
        *(_server_probe(conn_id) for conn_id in sorted(servers)),
    ]


def _ask_ledger() -> None:
    open_ledger().serving("")


def _ask_store() -> None:
    store = open_store()
    # Before anything is written there is no folder, and nothing is wrong: only an error tells of a store that is away.
    store.exists(store.uri())


def _ask_mlflow() -> str | None:
    hook = MlflowHook()
    address = hook.tracking_uri
    if address.startswith(("http://", "https://")):
        return knock(f"{address}/health", subject="MLflow", verify=hook.verify)
    folder = Path(address.removeprefix("sqlite:///")).parent
    return None if folder.is_dir() else "The folder of MLflow's database is not there."


def _server_part(conn_id: str) -> str:
    return f"model server {conn_id}"


def _server_probe(conn_id: str) -> Probe:
    subject = f"The model server of connection {conn_id!r}"
    return Probe(_server_part(conn_id), subject, partial(_ask_server, conn_id, subject), _NO_CONNECTION)


def _ask_server(conn_id: str, subject: str) -> str | None:
    address = ModelServerHook(conn_id).client.address
    return knock(f"{address.url}/health", subject=subject, verify=address.verify)
