"""From an Airflow connection to the ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.hooks.ledger import LedgerHook, connection_url

MARCH = datetime(2013, 3, 1, tzinfo=UTC)


def connection(monkeypatch, name="mlops_ledger", **fields):
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "mlops_ledger", **fields}))
    return LedgerHook.get_connection(name)


def test_without_a_connection_the_ledger_lies_beside_the_artifacts(tmp_path, airflow_db):
    ledger = LedgerHook(artifacts_uri=str(tmp_path / "artifacts")).ledger
    ledger.append("flights", "ingest", "a", {}, at=MARCH)

    assert (tmp_path / "artifacts" / "ledger.db").is_file()


def test_a_file_uri_is_the_same_folder(tmp_path, airflow_db):
    uri = (tmp_path / "artifacts").as_uri()

    assert repr(LedgerHook(artifacts_uri=uri).ledger) == f"Ledger('sqlite:///{tmp_path}/artifacts/ledger.db')"


def test_no_embedded_ledger_for_artifacts_in_a_bucket(airflow_db):
    with pytest.raises(
        LedgerMisuse, match="s3://bucket/mlops, where no SQLite ledger can live; add a connection 'mlops_ledger'"
    ):
        _ = LedgerHook(artifacts_uri="s3://bucket/mlops").ledger


def test_a_connection_somebody_named_must_exist(tmp_path, airflow_db):
    with pytest.raises(AirflowNotFoundException, match="team_ledger"):
        _ = LedgerHook("team_ledger", artifacts_uri=str(tmp_path)).ledger


@pytest.mark.parametrize("fields", [{"host": "{file}"}, {"extra": {"path": "{file}"}}])
def test_a_connection_can_name_a_file(monkeypatch, tmp_path, fields):
    file = str(tmp_path / "here" / "ledger.db")
    connection(monkeypatch, **json.loads(json.dumps(fields).replace("{file}", file)))

    LedgerHook().ledger.append("flights", "ingest", "a", {}, at=MARCH)

    assert (tmp_path / "here" / "ledger.db").is_file()


def test_a_connection_can_name_postgres(monkeypatch):
    url = connection_url(
        connection(monkeypatch, host="db", port=5433, login="mlops", password="a/b@c", schema="ledger")
    )

    assert url.render_as_string(hide_password=False) == "postgresql+psycopg://mlops:a%2Fb%40c@db:5433/ledger"


def test_the_driver_can_be_chosen(monkeypatch):
    named = connection(monkeypatch, host="db", schema="ledger", extra={"driver": "postgresql+psycopg2"})

    assert connection_url(named).drivername == "postgresql+psycopg2"


def test_a_slash_before_a_host_with_a_database_is_a_socket(monkeypatch):
    url = connection_url(connection(monkeypatch, host="/run/postgresql", login="mlops", schema="ledger"))

    assert (url.host, url.query["host"], url.database) == (None, "/run/postgresql", "ledger")


def test_a_connection_that_names_nothing_is_refused(monkeypatch):
    with pytest.raises(LedgerMisuse, match="connection 'mlops_ledger' names no ledger; set its host and database"):
        connection_url(connection(monkeypatch))


def test_the_button_says_that_the_ledger_answers(monkeypatch, tmp_path):
    connection(monkeypatch, host=str(tmp_path / "ledger.db"))

    assert "is not there yet; the first task makes it" in LedgerHook().test_connection()[1]
    assert not (tmp_path / "ledger.db").exists()
    assert LedgerHook().ledger.models() == []
    assert LedgerHook().test_connection() == (
        True,
        f"Ledger('sqlite:///{tmp_path}/ledger.db') answers; it knows 0 models.",
    )


def test_the_button_says_what_is_wrong_without_the_password(monkeypatch):
    connection(monkeypatch, host="127.0.0.1", port=1, login="mlops", password="hunter2", schema="ledger")

    is_well, words = LedgerHook().test_connection()

    assert not is_well
    assert "did not answer" in words
    assert "hunter2" not in words
