"""Rows that are asked and not read: Parquet files, an Arrow dataset, or a query on a database, as one table of SQL."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_mlops.extras import require
from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.suite.sets import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds
    import sqlalchemy as sa

# Of DuckDB's own buffers; beyond it, it writes to its folder. Great Expectations' import takes about as much again.
MEMORY_MB = 256
# Rows that tell the kinds of a query's columns.
_SAMPLE_ROWS = 1000
_VIEW = "snapshot_rows"


@dataclass(frozen=True)
class SqlRows:
    """Rows behind an SQLAlchemy engine.

    Attributes
    ----------
    engine : sqlalchemy Engine
    selectable : sqlalchemy FromClause
        The rows as a table or subquery.
    kinds : dict of str to str
        Kind of each column, in order: number, boolean, text, time, nothing, other.
    place : {"duckdb", "source"}
    schema : pyarrow Schema or None
        Types, where they are known.
    """

    engine: sa.Engine
    selectable: Any
    kinds: dict[str, str]
    place: Literal["duckdb", "source"]
    schema: pa.Schema | None = None
    zoned: frozenset[str] = field(default_factory=frozenset)

    def count(self) -> int:
        """Count the rows."""
        import sqlalchemy as sa

        with self.engine.connect() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(self.selectable)).scalar_one())

    def frame(self, columns: Sequence[str], *, most: int | None = None) -> pd.DataFrame:
        """Read some columns into memory, for an expectation that SQL has no words for."""
        import sqlalchemy as sa

        query: Any = sa.select(*(sa.column(name) for name in columns or list(self.kinds)[:1])).select_from(
            self.selectable
        )
        query = query.limit(most) if most is not None else query
        if self.place == "duckdb":
            return self._as_pandas(str(query.compile(self.engine, compile_kwargs={"literal_binds": True})))
        import pandas as pd

        with self.engine.connect() as connection:
            return pd.read_sql_query(query, connection)

    def type_frame(self, name: str, most: int) -> pd.DataFrame:
        """Read a few values of a column, and a null where it has one: a frame of the type that all would give."""
        column = quoted(name)
        query = f"(SELECT {column} FROM {_VIEW} WHERE {column} IS NOT NULL LIMIT {most})"
        null = f"(SELECT {column} FROM {_VIEW} WHERE {column} IS NULL LIMIT 1)"
        return self._as_pandas(f"{query} UNION ALL {null}")

    def _as_pandas(self, query: str) -> pd.DataFrame:
        """Read a query into the frame that the snapshot itself would give: by way of Arrow, dates stay dates."""
        import pandas as pd
        import pyarrow as pa

        found = self.duckdb.sql(query).to_arrow_table()
        if self.schema is not None:
            found = found.cast(pa.schema([self.schema.field(name) for name in found.column_names]))
        return pd.DataFrame(found.to_pandas())

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.kinds)

    @property
    def table(self) -> str:
        """Name of the view in DuckDB."""
        return _VIEW

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """The connection itself, for Arrow in and out."""
        return cast("duckdb.DuckDBPyConnection", self.engine.raw_connection().driver_connection)


@contextmanager
def duckdb_rows(
    rows: ds.Dataset | Sequence[str], *, threads: int = 2, memory_mb: int = MEMORY_MB, folder: str | None = None
) -> Iterator[SqlRows]:
    """Open rows in a DuckDB of their own.

    Parameters
    ----------
    rows : pyarrow Dataset or sequence of str
        Local Parquet files, read by DuckDB itself; or a dataset, for what is elsewhere.
    threads : int, default=2
    memory_mb : int, default=256
        Most memory of DuckDB's buffers.
    folder : str, optional
        Where DuckDB writes what does not fit; default: the system's folder for temporary files.

    Raises
    ------
    MissingExtra
        ``duckdb-engine``, DuckDB's dialect of SQLAlchemy, is not installed.
    """
    import tempfile

    import sqlalchemy as sa

    require("duckdb_engine", extra="validate", needed_by="a suite in DuckDB", library="duckdb-engine")
    with tempfile.TemporaryDirectory(prefix="mlops-suite-", dir=folder) as spill:
        config = {"threads": threads, "memory_limit": f"{memory_mb}MB", "temp_directory": spill}
        engine = sa.create_engine("duckdb:///:memory:", poolclass=sa.pool.StaticPool, connect_args={"config": config})
        try:
            yield _view(engine, rows)
        finally:
            engine.dispose()


def _view(engine: sa.Engine, rows: ds.Dataset | Sequence[str]) -> SqlRows:
    """Make the view: NaN is null in it, as it is in pandas."""
    import duckdb
    import pyarrow as pa
    import sqlalchemy as sa

    connection: Any = engine.raw_connection().driver_connection
    # Without its extension for time zones, which may not be there to load, DuckDB has no zone but UTC.
    with suppress(duckdb.Error):
        connection.execute("SET TimeZone = 'UTC'")
    # A file's statistics do not tell of NaN, and DuckDB takes them to say that there is none (its issue 25521).
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    if hasattr(rows, "schema"):
        connection.register("stored_rows", rows)
        source, schema = "stored_rows", rows.schema
    else:
        files = ", ".join("'" + path.replace("'", "''") + "'" for path in rows)
        source = f"read_parquet([{files}], union_by_name=true)"
        schema = connection.sql(f"SELECT * FROM {source} LIMIT 0").to_arrow_table().schema
    columns = ", ".join(_without_nan(quoted(one.name), pa.types.is_floating(one.type)) for one in schema)
    connection.execute(f"CREATE VIEW {_VIEW} AS SELECT {columns} FROM {source}")
    zoned = frozenset(one.name for one in schema if pa.types.is_timestamp(one.type) and one.type.tz)
    kinds = {one.name: _kind(one.type) for one in schema}
    return SqlRows(engine, sa.table(_VIEW), kinds, "duckdb", schema, zoned)


def _without_nan(column: str, is_floating: bool) -> str:
    return f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END AS {column}" if is_floating else column


def _kind(type_: pa.DataType) -> str:
    import pyarrow as pa

    # Python's decimals and dates are objects to pandas, with arithmetic of their own.
    if pa.types.is_decimal(type_) or (pa.types.is_temporal(type_) and not pa.types.is_timestamp(type_)):
        return "other"
    return kind_of(type_)


def source_rows(engine: sa.Engine, query: str, params: Mapping[str, Any] | None = None) -> SqlRows:
    """Take a query on a database as rows; nothing is copied but a thousand of them, which tell the kinds of columns.

    Parameters
    ----------
    engine : sqlalchemy Engine
        Of the source's connection.
    query : str
        SELECT, with ``:name`` for parameters.
    params : mapping, optional
        Values of the parameters.
    """
    import pandas as pd
    import sqlalchemy as sa

    text = sa.text(query.strip().rstrip(";"))
    text = text.bindparams(**{name: value for name, value in (params or {}).items() if f":{name}" in query})
    with engine.connect() as connection:
        names = list(connection.execute(sa.select(sa.text("*")).select_from(_named(text, ())).limit(0)).keys())
        rows = _named(text, names)
        head = pd.read_sql_query(
            sa.select(*(sa.column(name) for name in names)).select_from(rows).limit(_SAMPLE_ROWS), connection
        )
    kinds = {name: _frame_kind(head[name]) for name in names}
    zoned = frozenset(name for name in names if isinstance(head[name].dtype, pd.DatetimeTZDtype))
    return SqlRows(engine, rows, kinds, "source", None, zoned)


def _named(text: Any, names: Sequence[str]) -> Any:
    import sqlalchemy as sa

    return text.columns(*(sa.column(name) for name in names)).subquery("source_rows")


def _frame_kind(values: pd.Series) -> str:
    import pandas as pd

    present = values.dropna()
    if present.empty:
        return "nothing"
    if pd.api.types.is_bool_dtype(present) or all(type(one) is bool for one in present):
        return "boolean"
    if pd.api.types.is_numeric_dtype(values):
        return "number"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "time"
    return "text" if all(type(one) is str for one in present) else "other"
