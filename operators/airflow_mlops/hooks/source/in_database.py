"""The rows of a SQL source for a suite that is asked in their database."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_mlops.hooks.source.pushdown import MOMENT, between
from airflow_mlops.hooks.source.sql import SqlReader, source_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airflow_mlops.spec.data_sections import SqlSource
    from airflow_mlops.stages.validate.suite import SqlRows


@contextmanager
def rows_in_database(source: SqlSource, start: datetime, last: datetime, time: str) -> Iterator[SqlRows]:
    """Open the rows of a stretch of time where they are.

    Parameters
    ----------
    source : SqlSource
        Its query and Airflow connection.
    start, last : datetime
        Times of the first and the last row, with a zone.
    time : str
        Column of these times.

    Raises
    ------
    SourceUnavailable
        The database did not answer.
    SourceUnreadable
        It refuses the query.
    """
    from airflow.sdk import BaseHook
    from sqlalchemy import exc

    from airflow_mlops.stages.validate.suite import source_rows

    reader = SqlReader(source)
    # The end of a query is left out. SQLite knows times to the millisecond.
    end = last + (timedelta(milliseconds=1) if reader.dialect == "sqlite" else timedelta(microseconds=1))
    engine, query, bounds = reader.asked(start, end)
    if engine.dialect.name in MOMENT:
        rows = f"({query.rstrip().rstrip(';')}\n) AS all_rows"
        query = f"SELECT * FROM {between(rows, time, MOMENT[engine.dialect.name])}"
        bounds |= {"window_start": start.isoformat(), "window_end": end.isoformat()}
    try:
        yield source_rows(engine, query, bounds)
    except exc.DBAPIError as error:
        connection = BaseHook.get_connection(source.conn_id)
        is_away = isinstance(error, exc.InterfaceError) or error.connection_invalidated
        raise source_error(str(error.orig), connection, source, is_away=is_away) from error
    finally:
        engine.dispose()
