"""Rows from a Delta Lake or Iceberg table, and what opens it: the credentials of an Airflow connection."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.snapshots.lakes import open_table
from airflow_mlops.snapshots.sources import lake_of
from airflow_mlops.snapshots.window import Window, cast_batch, plain_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa
    from airflow.sdk import Connection

    from airflow_mlops.snapshots.lakes import LakeTable
    from airflow_mlops.spec.data_sections import DeltaSource, IcebergSource


class LakeReader:
    """The newest version of a table, or the one the spec names.

    Parameters
    ----------
    source : DeltaSource or IcebergSource
        Its credentials come from its connection.
    base_dir : Path, optional
        Where a relative local path starts.
    """

    def __init__(self, source: DeltaSource | IcebergSource, *, base_dir: Path | None = None) -> None:
        self.source = source
        self.base_dir = base_dir

    def version(self, start: datetime, end: datetime) -> str:
        """Return the table's version and who it is; the window does not matter."""
        return f"{self._table.version} of {self._table.identity[:8]}"

    @property
    def lake(self) -> dict[str, Any]:
        """Name the table with its version, as `SnapshotRef.lake` does; the window is still to come."""
        named = lake_of(self.source, self.base_dir)
        return {**named, "version": self._table.version, "identity": self._table.identity}

    def stream(self, start: datetime, end: datetime, time: str) -> pa.RecordBatchReader:
        """Read the files that can hold rows of the window; those without a time come along, to be counted."""
        import pyarrow as pa

        schema = plain_schema(self._table.schema)
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema, Window(time, start, end, undated=True)))

    def _batches(self, schema: pa.Schema, window: Window) -> Iterator[pa.RecordBatch]:
        for batch in self._table.scan(None, window):
            yield cast_batch(batch, schema.names, schema)

    @cached_property
    def _table(self) -> LakeTable:
        return open_table(lake_of(self.source, self.base_dir), lake_credentials)


def lake_credentials(kind: str, conn_id: str) -> dict[str, str]:
    """Turn an Airflow connection into what opens a lake: storage options for Delta, properties for Iceberg.

    Its extra is passed on as it is, so whatever deltalake or pyiceberg know can be set there. Beyond that, a
    connection of type ``aws`` gives the keys of S3, one of type ``wasb`` or ``adls`` those of Azure, and one of type
    ``iceberg`` the address and the credential of a REST catalog.
    """
    from airflow.sdk import BaseHook

    connection = BaseHook.get_connection(conn_id)
    known = {"aws": _aws, "wasb": _azure, "adls": _azure, "iceberg": _rest}.get(connection.conn_type or "")
    extra = {key: str(value) for key, value in connection.extra_dejson.items() if isinstance(value, str | int | bool)}
    return {**(known(connection, kind) if known else {}), **extra}


def _aws(connection: Connection, kind: str) -> dict[str, str]:
    extra = connection.extra_dejson
    facts = {
        "key": connection.login or extra.get("aws_access_key_id"),
        "secret": connection.password or extra.get("aws_secret_access_key"),
        "token": extra.get("aws_session_token"),
        "role": extra.get("role_arn"),
        "region": extra.get("region_name"),
        "endpoint": extra.get("endpoint_url"),
    }
    delta = {
        "key": "AWS_ACCESS_KEY_ID",
        "secret": "AWS_SECRET_ACCESS_KEY",
        "token": "AWS_SESSION_TOKEN",
        "role": "AWS_IAM_ROLE_ARN",
        "region": "AWS_REGION",
        "endpoint": "AWS_ENDPOINT_URL",
    }
    iceberg = {
        "key": "client.access-key-id",
        "secret": "client.secret-access-key",
        "token": "client.session-token",
        "role": "client.role-arn",
        "region": "client.region",
        "endpoint": "s3.endpoint",
    }
    names = delta if kind == "delta" else iceberg
    options = {names[fact]: str(value) for fact, value in facts.items() if value}
    if kind == "delta" and str(facts["endpoint"]).startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    return options


def _azure(connection: Connection, kind: str) -> dict[str, str]:
    names = ("account_name", "account_key") if kind == "delta" else ("adls.account-name", "adls.account-key")
    values = (connection.login, connection.password)
    return {name: value for name, value in zip(names, values, strict=True) if value}


def _rest(connection: Connection, kind: str) -> dict[str, str]:
    facts = {"type": "rest", "uri": connection.host or ""}
    if connection.login and connection.password:
        facts["credential"] = f"{connection.login}:{connection.password}"
    return {name: value for name, value in facts.items() if value}
