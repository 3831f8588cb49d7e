"""Rows from Postgres as Arrow, by its ADBC driver.

The driver reads the result of a query with parameters into memory as a whole, and sends one without as a stream. A
cursor on the server takes parameters and is read in pieces: both are had.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow_mlops.hooks.source.sql_batches import check_named_once, json_text

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    import pyarrow as pa
    from airflow.sdk import Connection

    from airflow_mlops.spec.data_sections import SqlSource

FETCH_ROWS = 50_000
_BOUND = re.compile(r"(?<![:\w\\]):(start|end)\b")
# Of the connection's extra: what libpq knows, and Airflow's own hook passes on to it.
_LIBPQ = re.compile(r"ssl\w+|connect_timeout|application_name|options|target_session_attrs|keepalives\w*|gss\w+|krb\w+")
_AWAY = ("08", "53", "57")  # SQLSTATE: connection, resources, intervention of an operator


class UnknownToArrow(Exception):
    """A column has a type that ADBC gives in no form a snapshot holds."""

    def __init__(self, column: str, kind: str) -> None:
        self.column, self.kind = column, kind
        super().__init__(column, kind)


def adbc_stream(connection: Connection, source: SqlSource, start: datetime, end: datetime) -> pa.RecordBatchReader:
    """Open the query's rows; types are those that the cursor of `SqlReader` gives.

    Raises
    ------
    SourceUnavailable
        The database did not answer, or the connection was lost on the way.
    SourceUnreadable
        The database refuses the query, or two columns share a name.
    UnknownToArrow
        A column has a type that ADBC cannot give in the same form.
    """
    import pyarrow as pa

    pieces = _pieces(connection, source, start, end)
    first = next(pieces)
    check_named_once(first.column_names, f"the query on connection {source.conn_id!r}")
    try:
        schema = pa.schema([(field.name, _target(field)) for field in first.schema])
    except UnknownToArrow:
        pieces.close()
        raise
    return pa.RecordBatchReader.from_batches(schema, _converted(first, pieces, schema))


def _pieces(
    connection: Connection, source: SqlSource, start: datetime, end: datetime
) -> Generator[pa.Table, None, None]:
    from adbc_driver_postgresql import dbapi

    with _errors(connection, source), dbapi.connect(_conninfo(connection)) as session, session.cursor() as cursor:
        # A column without zone holds UTC; in a session of another zone its comparison would shift.
        cursor.execute("SET TIME ZONE 'UTC'")
        # The whole result is wanted, not its first rows quickly.
        cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
        query, parameters = _numbered(source.query, start, end)
        cursor.execute(f"DECLARE mlops_rows NO SCROLL CURSOR FOR {query}", parameters or None)
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        while True:
            cursor.execute(f"FETCH {FETCH_ROWS} FROM mlops_rows")
            piece = cursor.fetch_arrow_table()
            yield piece
            if piece.num_rows < FETCH_ROWS:
                return


def _numbered(query: str, start: datetime, end: datetime) -> tuple[str, list[datetime]]:
    """Write :start and :end as the parameters $1 and $2; one that the query leaves out is left out."""
    moments = {"start": start.astimezone(UTC), "end": end.astimezone(UTC)}
    used = list(dict.fromkeys(match[1] for match in _BOUND.finditer(query)))
    numbered = _BOUND.sub(lambda match: f"${used.index(match[1]) + 1}", query)
    return numbered.replace("\\:", ":").rstrip().rstrip(";"), [moments[name] for name in used]


def _conninfo(connection: Connection) -> str:
    """Write the connection as libpq's list of words, which takes sockets and any character in a password."""
    facts = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.login,
        "password": connection.password,
        "dbname": connection.schema,
        **{key: value for key, value in connection.extra_dejson.items() if _LIBPQ.fullmatch(key)},
    }
    quoted = {key: re.sub(r"([\\'])", r"\\\1", str(value)) for key, value in facts.items() if value not in (None, "")}
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


@contextmanager
def _errors(connection: Connection, source: SqlSource) -> Iterator[None]:
    from adbc_driver_manager import Error, OperationalError

    from airflow_mlops.hooks.source.sql import source_error

    try:
        yield
    except Error as error:
        is_away = isinstance(error, OperationalError) or str(error.sqlstate or "").startswith(_AWAY)
        what = str(error).split("\n\nQuery was:")[0]
        raise source_error(what, connection, source, is_away=is_away) from error


def _target(field: pa.Field) -> pa.DataType:
    """Return the type a column has in a snapshot."""
    import pyarrow as pa

    kind, named = field.type, (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind) or named == "numeric":
        return pa.float64()
    if named in ("uuid", "json", "jsonb"):
        return pa.string()
    is_same = pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_binary(kind)
    if is_same or pa.types.is_date32(kind) or pa.types.is_time64(kind) or pa.types.is_timestamp(kind):
        return kind
    raise UnknownToArrow(field.name, named or str(kind))


def _converted(first: pa.Table, rest: Iterator[pa.Table], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    piece: pa.Table | None = first
    while piece is not None:
        columns = [_convert(piece.field(name), piece.column(name), schema.field(name).type) for name in schema.names]
        yield from pa.table(columns, schema=schema).to_batches()
        piece = next(rest, None)


def _convert(field: pa.Field, column: pa.ChunkedArray, kind: pa.DataType) -> Any:
    import json
    import uuid

    import pyarrow as pa

    named = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if isinstance(field.type, pa.BaseExtensionType):
        column = column.cast(field.type.storage_type)
    if named == "uuid":
        texts = [None if value is None else str(uuid.UUID(bytes=value)) for value in column.to_pylist()]
        return pa.array(texts, kind)
    if named in ("json", "jsonb"):
        texts = [None if value is None else json_text(json.loads(value)) for value in column.to_pylist()]
        return pa.array(texts, kind)
    if pa.types.is_float32(field.type):  # 1.1 stays 1.1, as in the database's own text
        column = column.cast(pa.string())
    return column.cast(kind)
