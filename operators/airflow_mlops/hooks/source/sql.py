"""Rows from any Airflow SQL connection, a batch at a time."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from airflow_mlops.errors import SourceUnavailable, SourceUnreadable
from airflow_mlops.extras import require
from airflow_mlops.hooks.source.sql_batches import Header, as_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa
    from airflow.sdk import Connection
    from sqlalchemy import Connection as Session
    from sqlalchemy import CursorResult, Engine

    from airflow_mlops.spec.data_sections import SqlSource

# Rows that the database is asked for at a time.
BATCH_ROWS = 50_000
# Any other word after a colon is the user's own (a JSON path, a literal): only the two bounds are parameters.
_OTHER_COLON = re.compile(r"(?<![:\w\\]):(?!(?:start|end)\b)(?=\w)")
# Databases whose sessions have a time zone.
_ZONED, _IN_UTC = ("postgresql", "duckdb"), "SET TIME ZONE 'UTC'"
# What makes Airflow's hook do more than open a connection with a password, which ADBC does not know of.
_HOOK_EXTRAS = {"iam", "azure_conn_id", "redshift"}


class SqlReader:
    """Run the source's query with its window bound as parameters, never pasted into the text."""

    def __init__(self, source: SqlSource) -> None:
        self.source = source

    def version(self, start: datetime, end: datetime) -> None:
        """Return None: a table does not say when it changed."""

    def stream(self, start: datetime, end: datetime, time: str) -> pa.RecordBatchReader:
        """Run the query; the types of its columns are settled before the first batch is given.

        Raises
        ------
        SourceUnavailable
            The database did not answer, or the connection was lost on the way.
        SourceUnreadable
            The database refuses the query, or a column has no one type.
        MissingExtra
            ``reader`` is adbc, and its driver is not installed.
        """
        from airflow.sdk import BaseHook

        connection = BaseHook.get_connection(self.source.conn_id)
        if self._uses_adbc(connection):
            from airflow_mlops.hooks.source.adbc import UnknownToArrow, adbc_stream

            try:
                return adbc_stream(connection, self.source, start, end)
            except UnknownToArrow as error:
                if self.source.reader == "adbc":
                    raise SourceUnreadable(
                        f"the query on connection {self.source.conn_id!r} gives a column {error.column!r} of type "
                        f"{error.kind}, which ADBC gives in no form a snapshot holds; CAST it in the query, or set "
                        "reader: cursor."
                    ) from error
        return self._by_cursor(connection, start, end)

    def asked(self, start: datetime, end: datetime) -> tuple[Engine, str, dict[str, Any]]:
        """Return what a question about the rows needs, without reading them: engine, query, and its bounds."""
        from airflow.sdk import BaseHook
        from sqlalchemy import event

        engine = self._engine(BaseHook.get_connection(self.source.conn_id))
        if engine.dialect.name in _ZONED:
            # As in a stream: a column without zone holds UTC.
            event.listen(engine, "connect", lambda session, _: session.cursor().execute(_IN_UTC))
        query = _OTHER_COLON.sub(r"\\:", self.source.query)
        return engine, query, _bounds(self.source.query, start, end, engine.dialect.name)

    @property
    def dialect(self) -> str:
        """Name the kind of database in SQLAlchemy's words, without asking it."""
        from airflow.sdk import BaseHook

        engine = self._engine(BaseHook.get_connection(self.source.conn_id))
        engine.dispose()
        return engine.dialect.name

    def _uses_adbc(self, connection: Connection) -> bool:
        is_postgres = connection.conn_type == "postgres"
        if self.source.reader == "adbc":
            if not is_postgres:
                raise SourceUnreadable(
                    f"connection {self.source.conn_id!r} of type {connection.conn_type!r} has no ADBC reader: that is "
                    "for Postgres. Set reader: auto or cursor."
                )
            require("adbc_driver_postgresql", extra="postgres", needed_by="reader: adbc")
            return True
        is_plain = not _HOOK_EXTRAS & set(connection.extra_dejson)
        found = all(find_spec(name) for name in ("adbc_driver_postgresql", "adbc_driver_manager"))
        return self.source.reader == "auto" and is_postgres and is_plain and found

    def _by_cursor(self, connection: Connection, start: datetime, end: datetime) -> pa.RecordBatchReader:
        from sqlalchemy import exc

        where = f"the query on connection {self.source.conn_id!r}"
        engine = self._engine(connection)
        headers: list[Header] = []

        def pieces() -> Iterator[Sequence[Sequence[Any]]]:
            try:
                with engine.connect() as session:
                    result = self._execute(session, start, end)
                    headers.append(Header.of(result, engine.dialect.name))
                    yield []
                    while rows := result.fetchmany(BATCH_ROWS):
                        yield rows
            except exc.DBAPIError as error:
                raise self._error(error, connection) from error
            except exc.SQLAlchemyError as error:
                raise SourceUnreadable(
                    f"{where} returned no table ({error}); data.source.query is one SELECT."
                ) from error
            finally:
                engine.dispose()

        rows = pieces()
        next(rows)
        return as_reader(headers[0], rows, where=where)

    def _execute(self, session: Session, start: datetime, end: datetime) -> CursorResult[Any]:
        from sqlalchemy import text

        dialect = session.dialect.name
        if dialect in _ZONED:
            # A column without zone holds UTC; in a session of another zone its comparison would shift.
            session.execute(text(_IN_UTC))
        query = text(_OTHER_COLON.sub(r"\\:", self.source.query))
        return session.execute(
            query,
            _bounds(self.source.query, start, end, dialect),
            execution_options={"stream_results": True, "max_row_buffer": BATCH_ROWS},
        )

    def _engine(self, connection: Connection) -> Engine:
        from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
        from sqlalchemy import URL, create_engine, exc

        try:
            if connection.conn_type == "sqlite":  # a file: Airflow knows it only with a provider of its own
                if not Path(str(connection.host)).exists():
                    raise SourceUnreadable(
                        f"connection {self.source.conn_id!r} names {connection.host}, where no file is; mend its host."
                    )
                return create_engine(URL.create("sqlite", database=connection.host))
            return connection.get_hook().get_sqlalchemy_engine()
        except AirflowNotFoundException:
            raise
        except (AirflowException, AttributeError, ImportError, exc.ArgumentError) as error:
            raise SourceUnreadable(
                f"connection {self.source.conn_id!r} of type {connection.conn_type!r} is not one that SQL can be "
                f"sent to ({error}); install its Airflow provider with its SQLAlchemy dialect, or name another."
            ) from error

    def _error(self, error: Any, connection: Connection) -> SourceUnavailable | SourceUnreadable:
        """Tell a database that is away from one that refuses the query."""
        from sqlalchemy import exc

        is_sqlite_refusal = getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR"
        is_away = isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated
        return source_error(str(error.orig), connection, self.source, is_away=is_away and not is_sqlite_refusal)


def source_error(
    what: str, connection: Connection, source: SqlSource, *, is_away: bool
) -> SourceUnavailable | SourceUnreadable:
    """Put what a driver says into a sentence, without the password."""
    said = " ".join(what.split()).rstrip(".")
    if password := connection.password:
        for written in (password, quote(password, safe=""), quote_plus(password)):  # drivers may show the address
            said = said.replace(written, "***")
    if is_away:
        return SourceUnavailable(f"connection {source.conn_id!r} did not answer: {said}.")
    return SourceUnreadable(
        f"the database behind {source.conn_id!r} refused the query: {said}. Mend data.source.query; the "
        "window is :start (included) to :end (left out)."
    )


def _bounds(query: str, start: datetime, end: datetime, dialect: str) -> dict[str, Any]:
    """Give each bound the form the database compares rightly; a bound the query leaves out is left out."""
    bounds: dict[str, Any] = {}
    for name, moment in (("start", start), ("end", end)):
        if not re.search(rf"(?<![:\w\\]):{name}\b", query):
            continue
        utc = moment.astimezone(UTC)
        if dialect == "postgresql":
            bounds[name] = utc
        elif dialect == "sqlite":
            # Times are text there, compared letter by letter, with a blank or a T, in whatever zone. Whole days, with
            # one more on each side, are right for all of them; what is too much is cut off later.
            day = utc.date() + timedelta(days=-1 if name == "start" else 2)
            bounds[name] = day.isoformat()
        else:
            bounds[name] = utc.replace(tzinfo=None)
    return bounds
