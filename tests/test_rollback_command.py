"""Freeze, pause, rollback and the policy in shadow from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_mlops.cli import main
from airflow_mlops.ledger import Ledger
from tests.conftest import ROOT

SPEC = str(ROOT / "dags" / "specs" / "flights.yaml")
MARCH = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path, monkeypatch, airflow_db):
    """A ledger of two versions that have served; their bytes are gone."""
    path = tmp_path / "ledger.db"
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", json.dumps({"conn_type": "mlops_ledger", "host": str(path)}))
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": str(tmp_path)}))
    opened = Ledger(f"sqlite:///{path}")
    for epoch, version in enumerate(("1", "2")):
        opened.append("flights", "register", version, {"version": version}, at=MARCH)
        opened.promote("flights", version, expected_epoch=epoch, payload={"model": {"version": version}}, at=MARCH)
    return opened


def test_freeze_and_unfreeze_say_what_is_so_now(ledger, capsys):
    why = ["--reason", "it drifts", "--by", "ada"]

    assert main(["freeze", "flights", "--version", "1", *why]) == 0
    assert main(["freeze", "flights", "--version", "1", *why]) == 0
    assert main(["unfreeze", "flights", "--version", "1", *why]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "flights: version 1: frozen by ada (it drifts)",
        "flights: version 1: frozen by ada (it drifts), as before",
        "flights: version 1: free",
    ]


def test_pause_holds_the_loop_and_freeze_without_a_version_the_promotions(ledger):
    assert main(["pause", "flights", "--reason", "holidays", "--by", "ada"]) == 0
    assert main(["freeze", "flights", "--reason", "holidays", "--by", "ada"]) == 0

    state = ledger.state("flights")
    assert (state.paused.by, state.promotions_frozen.reason) == ("ada", "holidays")


def test_use_policy_says_which_one_decides_now(ledger, tmp_path, capsys):
    spec = tmp_path / "flights.yaml"
    spec.write_text(Path(SPEC).read_text().replace("\nretrain:", "\nretrain:\n  shadow: {kind: committee}"))
    why = ["--spec", str(spec), "--reason", "it was right for a month", "--by", "ada"]

    for policy in ("shadow", "shadow", "own"):
        assert main(["use-policy", "flights", policy, *why]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "flights: the policy in shadow decides, asked for by ada (it was right for a month)",
        "flights: the policy in shadow decides, asked for by ada (it was right for a month), as before",
        "flights: its own policy decides",
    ]
    assert [event.payload["by"] for event in ledger.events("flights", kind="override")] == ["ada", "ada"]


def test_use_policy_of_a_spec_without_one_in_shadow_says_so(ledger, capsys):
    assert main(["use-policy", "flights", "shadow", "--spec", SPEC, "--reason", "why not", "--by", "ada"]) == 2

    assert "no policy in shadow" in capsys.readouterr().err


def test_a_rollback_that_finds_nothing_says_why_and_changes_nothing(ledger, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AIRFLOW_CONN_MODEL_SERVER_DEFAULT", json.dumps({"conn_type": "model_server", "host": "x"}))
    options = ["--spec", SPEC, "--reason", "it is wrong", "--by", "ada", "--artifacts-uri", str(tmp_path)]

    assert main(["rollback", "flights", *options]) == 2

    said = capsys.readouterr()
    assert "flights: version 2 serves; looking for what to go back to" in said.out
    assert "version 2 serves now; version 1 is not whole in the artifact store" in said.err
    assert ledger.state("flights").champion.version == "2"


def test_a_server_that_airflow_does_not_know_is_named(ledger, tmp_path, capsys):
    assert main(["rollback", "flights", "--spec", SPEC, "--reason", "x", "--artifacts-uri", str(tmp_path)]) == 2

    assert "Airflow has no connection 'model_server_default', which deploy.server" in capsys.readouterr().err


def test_an_mlflow_that_airflow_does_not_know_is_named_before_anything_is_done(ledger, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("AIRFLOW_CONN_MLFLOW_DEFAULT")

    assert main(["rollback", "flights", "--spec", SPEC, "--reason", "x", "--artifacts-uri", str(tmp_path)]) == 2

    assert "Airflow has no connection 'mlflow_default'; set AIRFLOW_CONN_MLFLOW_DEFAULT" in capsys.readouterr().err
    assert ledger.events("flights", kind="rollback") == []


@pytest.mark.parametrize("command", [["rollback", "flights", "--spec", SPEC], ["freeze", "flights"]])
def test_without_a_reason_nothing_is_done(command, capsys):
    with pytest.raises(SystemExit):
        main(command)

    assert "--reason" in capsys.readouterr().err
