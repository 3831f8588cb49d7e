"""A trained model becomes a version, and the version the champion, by the operators alone."""

from __future__ import annotations

import json
import socket

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.errors import TrackingUnavailable
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.register import RegisterOperator


def test_from_a_trained_model_to_the_champion(run, model, evaluation, ledger):
    registered, _ = run(RegisterOperator, model=model, evaluation=evaluation)
    deployed, _ = run(DeployOperator, model=registered, evaluation=evaluation)

    assert (registered["registered_name"], registered["version"]) == ("flights", "1")
    assert (deployed["version"], deployed["epoch"], deployed["promoted"]) == ("1", 1, True)
    state = ledger.state("flights")
    assert state.champion.version == "1"
    assert state.champion.payload["model"] == registered
    assert state.versions["1"].role == "champion"
    recorded = ledger.find("flights", "register", model["digest"]).payload
    beside = {name: recorded[name] for name in ("card", "mlflow_experiment_id")}
    assert {**registered, "evaluation": "e1", **beside} == recorded

    again, _ = run(RegisterOperator, run_id="manual__2", model=model, evaluation=evaluation)
    assert again == registered
    assert run(DeployOperator, run_id="manual__2", model=again, evaluation=evaluation)[0] == deployed
    assert len(ledger.events("flights", kind="promotion")) == 1


def test_a_refused_challenger_skips_and_says_why(run, model, evaluation, ledger):
    refused = {**evaluation, "verdict": "fail", "reasons": ["log_loss is 3 % worse"]}

    with pytest.raises(AirflowSkipException, match="the challenger was refused: log_loss is 3 % worse"):
        run(RegisterOperator, model=model, evaluation=refused)

    assert ledger.state("flights").versions == {}


def test_mlflow_away_fails_at_once_and_a_retry_succeeds(run, model, evaluation, ledger, monkeypatch, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", json.dumps({"conn_type": "mlflow", "host": address}))

    with pytest.raises(TrackingUnavailable, match=f"MLflow at {address} .* does not answer"):
        run(RegisterOperator, model=model, evaluation=evaluation, mlflow_conn_id="away")
    assert ledger.events("flights") == []

    assert run(RegisterOperator, model=model, evaluation=evaluation)[0]["version"] == "1"


def test_deploy_tells_airflow_that_the_champion_changed(spec):
    operator = DeployOperator(task_id="deploy", spec=spec, model={}, evaluation={})

    assert [asset.name for asset in operator.outlets] == ["flights/champion"]
