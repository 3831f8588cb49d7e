"""The profile of a SQL source's rows, made in the database that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.hooks.source.sql import SqlReader, source_error
from airflow_mlops.hooks.source.sql_batches import Header, as_reader
from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.profile.pushdown import DIALECTS, Dialect, profile_by_sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from airflow_mlops.spec.data_sections import SqlSource
    from airflow_mlops.stages.profile import Profile

# Rows from which the types of columns are found where the database does not tell them.
_FIRST_ROWS = 1000


# What each dialect makes a moment of, whether it is a timestamp, a date or text in ISO 8601; without a zone it is UTC.
MOMENT = {
    "duckdb": "CAST({} AS TIMESTAMP WITH TIME ZONE)",
    "postgresql": "CAST({} AS TIMESTAMP WITH TIME ZONE)",
    "sqlite": "julianday({})",
}


def is_profiled_there(source: SqlSource) -> bool:
    """Tell whether the SQL of the source's database is known.

    Raises
    ------
    SourceUnreadable
        The connection is not one that SQL can be sent to.
    """
    return SqlReader(source).dialect in DIALECTS


def profile_where_it_is(
    source: SqlSource, start: datetime, end: datetime, *, time: str | None = None, sensitive: Sequence[str] = ()
) -> Profile:
    """Profile the rows of a window in their database; only summaries travel.

    Parameters
    ----------
    source : SqlSource
        Its query and Airflow connection.
    start, end : datetime
        Bounds with a zone; ``start`` is included, ``end`` is not.
    time : str, optional
        Column the bounds are about: rows that the query gives beyond them, or without a time, are left out. Default:
        all rows of the query, which in SQLite are those of whole days.
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
    # On a line of its own: the query may end in a comment.
    rows = f"({query.rstrip().rstrip(';')}\n) AS source_rows"
    if time is not None and engine.dialect.name in MOMENT:
        rows = between(rows, time, MOMENT[engine.dialect.name])
        bounds |= {"window_start": start.isoformat(), "window_end": end.isoformat()}
    try:
        return _profile(engine, rows, bounds, sensitive, where=f"the query on connection {source.conn_id!r}")
    except exc.DBAPIError as error:
        connection = BaseHook.get_connection(source.conn_id)
        is_away = isinstance(error, exc.InterfaceError) or error.connection_invalidated
        raise source_error(str(error.orig), connection, source, is_away=is_away) from error
    finally:
        engine.dispose()


def between(rows: str, time: str, moment: str) -> str:
    """Cut rows at ``:window_start`` (included) and ``:window_end`` (left out)."""
    at = moment.format(Dialect.name(time))
    start, end = (moment.format(f":{name}") for name in ("window_start", "window_end"))
    return f"(SELECT * FROM {rows} WHERE {at} >= {start} AND {at} < {end}) AS source_window"


def _profile(engine: Engine, rows: str, bounds: dict[str, Any], sensitive: Sequence[str], *, where: str) -> Profile:
    from sqlalchemy import text

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
