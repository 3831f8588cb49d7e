"""The ledger behind an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.hooks.artifacts import configured_uri

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from sqlalchemy import URL

    from airflow_mlops.ledger import Ledger


class LedgerHook(BaseHook):
    """Hand out the `Ledger`; its password never leaves this class.

    A connection names Postgres by host, port, login, password and database (the field *Schema*), or a SQLite file by
    its path in *Host* or in the extra ``path``. Where the connection of the default name does not exist, the ledger is
    ``ledger.db`` in the folder of the artifacts.

    Parameters
    ----------
    conn_id : str
        Connection of the ledger.
    artifacts_uri : str or None
        Folder of the artifact store; default ``[mlops] artifacts_uri``.
    patience_s : float or None
        Longest wait for a database that is stuck; default: as long as a task may wait.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "mlops_ledger"
    conn_type = "mlops_ledger"
    hook_name = "MLOps ledger"

    def __init__(
        self,
        conn_id: str = default_conn_name,
        *,
        artifacts_uri: str | None = None,
        patience_s: float | None = None,
    ) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.artifacts_uri = artifacts_uri
        self.patience_s = patience_s

    @cached_property
    def ledger(self) -> Ledger:
        """Open the ledger.

        Raises
        ------
        LedgerMisuse
            The connection cannot be used: it names neither a file nor a host, no Postgres driver is installed, or there
            is no connection and the artifacts are not on a local path.
        AirflowNotFoundException
            A connection of another name than the default does not exist.
        """
        from airflow_mlops.ledger import Ledger

        try:
            url = connection_url(self.get_connection(self.conn_id))
        except AirflowNotFoundException:
            # A name that somebody chose must exist: a second ledger beside the real one would promote on its own.
            if self.conn_id != self.default_conn_name:
                raise
            url = self._embedded_url()
        return Ledger(url, patience_s=self.patience_s)

    def _embedded_url(self) -> URL:
        uri = self.artifacts_uri or configured_uri()
        folder = uri.removeprefix("file://")
        if "://" in folder:
            raise LedgerMisuse(
                f"the artifacts are at {uri}, where no SQLite ledger can live; add a connection {self.conn_id!r} to a "
                "Postgres database."
            )
        return _sqlite_url(str(Path(folder, "ledger.db")))

    def test_connection(self) -> tuple[bool, str]:
        """Open the ledger and count its models, for the button in the UI."""
        try:
            if self.ledger.is_missing:
                return True, f"{self.ledger!r} is not there yet; the first task makes it. Check the path."
            models = self.ledger.models()
        except Exception as error:
            return False, str(error)
        return True, f"{self.ledger!r} answers; it knows {len(models)} models."

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Name the fields of the form."""
        return {
            "hidden_fields": [],
            "relabeling": {"schema": "Database"},
            "placeholders": {
                "host": "database host, or /path/ledger.db for SQLite",
                "port": "5432",
                "schema": "mlops",
                "extra": '{"driver": "postgresql+psycopg"}',
            },
        }


def connection_url(connection: Connection) -> URL:
    """Turn a connection into a database URL.

    Raises
    ------
    LedgerMisuse
        It names neither a file nor a host, or no Postgres driver is installed.
    """
    from sqlalchemy import URL

    extra = connection.extra_dejson
    host = connection.host or ""
    # A host that begins with a slash is a Unix socket where there is a database, else a file.
    is_file = not connection.schema and (host.startswith("/") or host.endswith(".db"))
    if path := extra.get("path") or (host if is_file else ""):
        return _sqlite_url(path)
    if not host:
        raise LedgerMisuse(
            f"connection {connection.conn_id!r} names no ledger; set its host and database for Postgres, or a "
            "file as host."
        )
    return URL.create(
        extra.get("driver") or _postgres_driver(),
        username=connection.login or None,
        password=connection.password or None,
        host=None if host.startswith("/") else host,
        port=connection.port,
        database=connection.schema or None,
        query={"host": host} if host.startswith("/") else {},
    )


def _sqlite_url(path: str) -> URL:
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(Path(path).expanduser().absolute()))


def _postgres_driver() -> str:
    for module in ("psycopg", "psycopg2"):
        if find_spec(module):
            return f"postgresql+{module}"
    raise LedgerMisuse(
        "a ledger in Postgres needs psycopg or psycopg2, and neither is installed; pip install psycopg[binary]."
    )
