"""Rows from any Airflow SQL connection."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SourceUnavailable, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa
    from sqlalchemy import Engine

    from airflow_mlops.spec.data_sections import SqlSource

# Any other word after a colon is the user's own (a JSON path, a literal): only the two bounds are parameters.
_OTHER_COLON = re.compile(r"(?<![:\w\\]):(?!(?:start|end)\b)(?=\w)")


class SqlReader:
    """Run the source's query with its window bound as parameters, never pasted into the text."""

    def __init__(self, source: SqlSource) -> None:
        self.source = source

    def version(self, start: datetime, end: datetime) -> None:
        """Return None: a table does not say when it changed."""

    def stream(self, start: datetime, end: datetime, time: str) -> pa.RecordBatchReader:
        """Run the query."""
        return self._read(start, end).to_reader()

    def _read(self, start: datetime, end: datetime) -> pa.Table:
        from sqlalchemy import exc, text

        engine = self._engine()
        query = text(_OTHER_COLON.sub(r"\\:", self.source.query))
        try:
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":
                    # A column without zone holds UTC; in a session of another zone its comparison would shift.
                    connection.execute(text("SET TIME ZONE 'UTC'"))
                result = connection.execute(query, _bounds(self.source.query, start, end, engine.dialect.name))
                names, rows = list(result.keys()), result.fetchall()
        except exc.DBAPIError as error:
            raise self._error(error) from error
        except exc.SQLAlchemyError as error:
            raise SourceUnreadable(
                f"the query on connection {self.source.conn_id!r} returned no table ({error}); data.source.query is "
                "one SELECT."
            ) from error
        finally:
            engine.dispose()
        return _table(names, rows, where=f"the query on connection {self.source.conn_id!r}")

    def _engine(self) -> Engine:
        from airflow.sdk import BaseHook
        from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
        from sqlalchemy import URL, create_engine, exc

        connection = BaseHook.get_connection(self.source.conn_id)
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

    def _error(self, error: Any) -> SourceUnavailable | SourceUnreadable:
        """Tell a database that is away from one that refuses the query."""
        from sqlalchemy import exc

        what = " ".join(str(error.orig).split())
        is_sqlite_refusal = getattr(error.orig, "sqlite_errorname", None) == "SQLITE_ERROR"
        if isinstance(error, exc.OperationalError | exc.InterfaceError) and not is_sqlite_refusal:
            return SourceUnavailable(f"connection {self.source.conn_id!r} did not answer: {what}.")
        return SourceUnreadable(
            f"the database behind {self.source.conn_id!r} refused the query: {what}. Mend data.source.query; the "
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


def _table(names: Sequence[str], rows: Sequence[Any], *, where: str) -> pa.Table:
    import pyarrow as pa

    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceUnreadable(
            f"{where} gives the column {', '.join(map(repr, twice))} more than once; rename one with AS."
        )
    columns = {}
    for index, name in enumerate(names):
        values = [row[index] for row in rows]
        try:
            columns[name] = pa.array(_plain(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise SourceUnreadable(
                f"{where} gives a column {name!r} that has no one type ({error}); CAST it in the query."
            ) from error
    return pa.table(columns)


def _plain(values: list[Any]) -> list[Any]:
    """Turn decimals into floats and identifiers into text: models and checks read nothing else."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, Decimal):
        return [None if value is None else float(value) for value in values]
    if type(first).__name__ == "UUID":
        return [None if value is None else str(value) for value in values]
    return values
