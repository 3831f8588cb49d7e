"""The profile of a SQL source's rows, made in the database that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.hooks.source.sql import SqlReader, source_error
from airflow_mlops.hooks.source.sql_batches import Header, as_reader
from airflow_mlops.stages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from airflow_mlops.spec.data_sections import SqlSource
    from airflow_mlops.stages.profile import Profile

# Rows from which the types of columns are found where the database does not tell them.
_FIRST_ROWS = 1000


def profile_where_it_is(source: SqlSource, start: datetime, end: datetime, *, sensitive: Sequence[str] = ()) -> Profile:
    """Profile the rows of a window in their database; only summaries travel.

    Parameters
    ----------
    source : SqlSource
        Its query and Airflow connection.
    start, end : datetime
        Bounds with a zone, as for reading. SQLite compares whole days.
    sensitive : sequence of str
        Columns of which only type and nulls are asked.

    Raises
    ------
    SpecError
        The database is of a kind whose SQL is not known.
    SourceUnavailable
        The database did not answer.
    SourceUnreadable
        It refuses the query.
    """
    from airflow.sdk import BaseHook
    from sqlalchemy import exc

    engine, query, bounds = SqlReader(source).asked(start, end)
    try:
        return _profile(engine, query, bounds, sensitive, where=f"the query on connection {source.conn_id!r}")
    except exc.DBAPIError as error:
        connection = BaseHook.get_connection(source.conn_id)
        is_away = isinstance(error, exc.InterfaceError) or error.connection_invalidated
        raise source_error(str(error.orig), connection, source, is_away=is_away) from error
    finally:
        engine.dispose()


def _profile(engine: Engine, query: str, bounds: dict[str, Any], sensitive: Sequence[str], *, where: str) -> Profile:
    from sqlalchemy import text

    from airflow_mlops.stages.profile.pushdown import profile_by_sql

    rows = f"({query.rstrip().rstrip(';')}) AS source_rows"
    with engine.connect() as session:
        if engine.dialect.name == "postgresql":
            # All statements see the same rows.
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))

        def ask(statement: str) -> Sequence[Sequence[Any]]:
            return session.execute(text(statement), bounds).fetchall()

        columns = _columns(session, f"SELECT * FROM {rows} LIMIT {_FIRST_ROWS}", bounds, where=where)
        return profile_by_sql(ask, rows, columns, dialect=engine.dialect.name, sensitive=sensitive)


def _columns(session: Connection, query: str, bounds: dict[str, Any], *, where: str) -> dict[str, tuple[str, str]]:
    """Find the type and kind of each column."""
    from sqlalchemy import text

    result = session.execute(text(query), bounds)
    header = Header.of(result, session.dialect.name)
    schema = as_reader(header, [result.fetchall()], where=where).schema
    return {field.name: (str(field.type), kind_of(field.type)) for field in schema}
