"""Connections, transactions and the schema of the ledger's database: SQLite or Postgres."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from airflow_mlops.errors import LedgerCorrupt, LedgerMisuse, LedgerUnavailable
from airflow_mlops.ledger import schema
from airflow_mlops.ledger.salvage import last_good_events
from airflow_mlops.ledger.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

# How long a writer waits for another one. Transactions take milliseconds, so a longer wait means a stuck process.
BUSY_S = 30

# How long a Postgres may take to open a connection.
CONNECT_S = 10

# Less than this SQLite never writes.
HEADER_BYTES = 512

# What SQLite says of a file that is cut, mixed or overwritten.
BROKEN = ("not a database", "malformed", "no such table", "no such column", "Could not decode to UTF-8")


class Database:
    """The ledger's database, opened anew for each transaction.

    No connection is kept between transactions: a ledger may be carried into a forked task, and a connection shared by
    two processes breaks both.

    Parameters
    ----------
    url : str or URL
        ``sqlite:////path/ledger.db`` or ``postgresql+psycopg://...``.
    patience_s : float, optional
        Longest wait for a lock of SQLite, or for a connection to Postgres; default: `BUSY_S`, or `CONNECT_S`.

    Raises
    ------
    LedgerMisuse
        The URL is not one of a SQLite file or of Postgres, or the database's driver is not installed.
    """

    def __init__(self, url: str | URL, *, patience_s: float | None = None) -> None:
        self.url = _checked(url)
        self._patience_s = patience_s
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = self._engine()
        self._is_ready = False

    @property
    def place(self) -> str:
        """The URL without password and options, for messages."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    @property
    def is_missing(self) -> bool:
        """Whether this is a SQLite file that is not there yet, or one without a byte in it."""
        path = Path(str(self.url.database))
        return self.is_sqlite and not (path.exists() and path.stat().st_size)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the ledger."""
        with self._translated():
            self._ensure_schema()
            engine = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
            with engine.connect() as connection:
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end; on SQLite it holds the write lock from its start."""
        with self._translated():
            self._ensure_schema()
            with self._writing() as connection:
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.execution_options(begin="BEGIN IMMEDIATE").connect() as connection, connection.begin():
            yield connection

    def _engine(self) -> Engine:
        try:
            if not self.is_sqlite:
                return create_engine(
                    self.url,
                    poolclass=NullPool,
                    hide_parameters=True,
                    isolation_level="READ COMMITTED",
                    connect_args=_patience(self.url, self._patience_s or CONNECT_S),
                )
            waits = {"timeout": self._patience_s or BUSY_S}
            engine = create_engine(self.url, poolclass=NullPool, hide_parameters=True, connect_args=waits)
        except ModuleNotFoundError as error:
            raise LedgerMisuse(f"the ledger at {self.place} needs the driver {error.name}; install it.") from error
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin)
        return engine

    # Schema

    def _ensure_schema(self) -> None:
        if self._is_ready:
            return
        if self.is_sqlite:
            self._make_folder()
            self._expect_file()
        with self.engine.connect() as connection:
            version = schema.version_of(connection)
        if version is None and self.is_sqlite:
            self._set_write_ahead_log()
        if version is None or version < SCHEMA_VERSION:
            with self._writing() as connection:
                version = schema.bring_up(connection)
        if version > SCHEMA_VERSION:
            raise LedgerMisuse(
                f"the ledger at {self.place} has schema version {version}, this package knows {SCHEMA_VERSION}: it was "
                "written by a newer release. Upgrade airflow-provider-mlops here too."
            )
        self._is_ready = True

    def _make_folder(self) -> None:
        folder = Path(str(self.url.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerUnavailable(f"the folder of the ledger at {self.place} cannot be made: {error}.") from error

    def _expect_file(self) -> None:
        """Refuse the stump of a file: SQLite takes one that is shorter than its header for a new, empty database."""
        path = Path(str(self.url.database))
        if path.exists() and 0 < path.stat().st_size < HEADER_BYTES:
            raise LedgerCorrupt(
                f"{self.place} is not a readable ledger: the file was cut to {path.stat().st_size} bytes. Last good "
                "event: none that can be read. Restore a backup."
            )

    def _set_write_ahead_log(self) -> None:
        """Let readers go on while somebody writes; the mode stays with the file."""
        with closing(sqlite3.connect(str(self.url.database), timeout=BUSY_S)) as connection:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # Another process is at it: SQLite does not wait for this one statement.
                if "locked" not in str(error):
                    raise

    # Errors

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DatabaseError, sqlite3.Error) as error:
            if _is_broken(error):
                raise LedgerCorrupt(
                    f"{self.place} is not a readable ledger: {self._cause(error)}. "
                    f"{last_good_events(str(self.url.database)) if self.is_sqlite else ''} Restore a backup."
                ) from error
            raise self._unavailable(error) from error
        except SQLAlchemyError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> LedgerUnavailable:
        if isinstance(error, OperationalError):
            return LedgerUnavailable(
                f"the ledger at {self.place} did not answer: {self._cause(error)}. Nothing was recorded; check that "
                "the database is up and reachable, then retry."
            )
        if isinstance(error, DatabaseError):
            return LedgerUnavailable(f"the ledger at {self.place} refused: {self._cause(error)}.")
        return LedgerUnavailable(f"the ledger at {self.place} cannot be opened: {self._cause(error)}.")

    def _cause(self, error: Exception) -> str:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
        return cause.replace(self.url.password, "***") if self.url.password else cause


def _checked(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        # The text itself is not shown: it may hold a password.
        raise LedgerMisuse("the ledger's address is not a database URL; write sqlite:////path/ledger.db.") from error
    if backend not in ("sqlite", "postgresql"):
        raise LedgerMisuse(f"the ledger lives in SQLite or Postgres, not in {backend}; mend its connection.")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LedgerMisuse(
            "a ledger in memory would be lost with its process; give it a file: sqlite:////path/ledger.db."
        )
    return parsed


def _patience(url: URL, connect_s: float) -> dict[str, str | int]:
    """Return the options of libpq that end a wait for a database which does not answer; the URL's own ones count."""
    if url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    options: dict[str, str | int] = {
        "connect_timeout": round(connect_s),
        "options": f"-c statement_timeout={BUSY_S * 1000}",
    }
    return {name: value for name, value in options.items() if name not in url.query}


def _is_broken(error: Exception) -> bool:
    """Whether the database says that what it holds is not what was written, rather than that it is away."""
    words = str(error)
    if isinstance(error, ProgrammingError) and "does not exist" in words:
        return True
    return any(sign in words for sign in BROKEN)


def _leave_transactions_to_us(dbapi_connection: object, _record: object) -> None:
    # sqlite3 would otherwise begin a transaction of its own, too late: at the first write, after we have read.
    dbapi_connection.isolation_level = None  # type: ignore[attr-defined]


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
