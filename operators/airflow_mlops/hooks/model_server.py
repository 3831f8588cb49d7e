"""The reference model server behind an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook

from airflow_mlops.errors import ServerRefused
from airflow_mlops.lifecycle.server_client import ServerAddress, ServerClient

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_mlops.lifecycle.server_status import ServerStatus


class ModelServerHook(BaseHook):
    """Hand out a client of a model server; the token never leaves it.

    Parameters
    ----------
    conn_id : str
        Connection of the server: host, port, ``http`` or ``https`` as schema, and its token as password.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "model_server_default"
    conn_type = "model_server"
    hook_name = "Model server"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def client(self) -> ServerClient:
        """A client; nothing is asked of the server yet.

        Raises
        ------
        ServerRefused
            The connection names no server.
        AirflowNotFoundException
            There is no such connection.
        """
        return ServerClient(server_address(self.get_connection(self.conn_id)))

    def test_connection(self) -> tuple[bool, str]:
        """Ask what the server serves, for the button in the UI."""
        try:
            status = self.client.status()
        except Exception as error:
            return False, str(error)
        return True, _describe(self.client.address, status)

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Name the fields of the form."""
        return {
            "hidden_fields": ["login"],
            "relabeling": {"schema": "Schema: http or https", "password": "Token"},
            "placeholders": {"host": "models.example.com", "port": "8000", "schema": "http", "password": "a token"},
        }


def server_address(connection: Connection) -> ServerAddress:
    """Turn a connection into an address and what the server is to be shown.

    Raises
    ------
    ServerRefused
        It has no host, or one that is reached by something else than http.
    """
    host = (connection.host or "").strip().rstrip("/")
    name = f"connection {connection.conn_id!r}"
    if not host:
        raise ServerRefused(f"{name} has no host; set host and port to those of the model server.")
    if "://" not in host:
        host = f"{connection.schema or 'http'}://{host}"
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ServerRefused(f"{name} begins with {parts.scheme}://, and a model server is reached by http or https.")
    # An address may carry a user and a password, which belong into no log.
    place = parts.netloc.rpartition("@")[2]
    if connection.port and parts.port is None:
        place = f"{place}:{connection.port}"
    url = f"{parts.scheme}://{place}{parts.path}"
    extra = connection.extra_dejson
    verify = False if extra.get("verify_tls") is False else extra.get("ca_cert") or True
    return ServerAddress(url, connection.password or None, verify, f"the model server at {url} ({name})")


def _describe(address: ServerAddress, status: ServerStatus) -> str:
    serves = "; ".join(f"{name}: {served.describe()}" for name, served in sorted(status.models.items()))
    ledger = "" if status.ledger == "ok" else f" It cannot read its ledger: {status.ledger}"
    return f"Model server {status.server_version} at {address.url} serves {serves or 'no model'}.{ledger}"
