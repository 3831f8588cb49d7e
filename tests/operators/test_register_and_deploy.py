"""A trained model becomes a version, and the version the champion, by the operators alone."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.errors import TrackingUnavailable
from airflow_mlops.ledger import Ledger
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.register import RegisterOperator
from airflow_mlops.refs import EvaluationRef, ModelRef

NOW = "2013-01-11T05:00:00+00:00"
COLUMNS = ["carrier", "distance", "temp"]


@pytest.fixture
def spec(flights_spec):
    features = flights_spec.features.model_copy(update={"columns": COLUMNS, "derive": {}})
    return flights_spec.model_copy(update={"features": features})


@pytest.fixture
def model(store):
    """A logistic regression: it uses no thread that would forbid a fork."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from airflow_mlops.demo.flights import read_flights
    from airflow_mlops.stages import golden, model_file

    rows = read_flights(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 2, 5, tzinfo=UTC))
    frame = rows.to_pandas().dropna(subset=["late"])
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["carrier"]), (SimpleImputer(), ["distance", "temp"])
    )
    fitted = make_pipeline(columns, LogisticRegression(max_iter=50)).fit(frame[COLUMNS], frame["late"].astype(int))
    payload, serialization = model_file.dump_model(fitted)
    described, uri = model_file.describe("model", payload, serialization), store.uri("flights", "models", "m1")
    picked = golden.pick_golden(rows, columns=COLUMNS, sensitive=[], count=10, seed=1)
    store.write_bytes(f"{uri}/{described['file']}", payload)
    store.write_table(f"{uri}/golden.parquet", picked)
    answers = golden.answers(fitted, picked.to_pandas())
    store.complete(uri, {**described, "predict": "predict_proba", "golden_predictions": answers})
    return ModelRef(
        id="m1", uri=uri, digest=described["digest"], serialization=serialization, estimator="linear", rows=800,
        features={"training_set": "ab", "snapshots": []},
    ).to_dict()  # fmt: skip


@pytest.fixture
def evaluation(store):
    return EvaluationRef(
        id="e1", uri=store.uri("e1"), verdict="passed", reasons=[], metrics={"log_loss": 0.4}, epoch=0
    ).to_dict()


@pytest.fixture
def run(spec, store, tmp_path, monkeypatch):
    """Run an operator with everything on local disk."""
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": str(tmp_path / "m")}))

    def _run(operator, run_id="manual__1", **arguments):
        made = operator(task_id=operator.stage, spec=spec, now=NOW, artifacts_uri=store.root, **arguments)
        return made.execute({"run_id": run_id}), made

    return _run


@pytest.fixture
def ledger(store):
    return Ledger(f"sqlite:///{store.root}/ledger.db")


def test_from_a_trained_model_to_the_champion(run, model, evaluation, ledger):
    registered, _ = run(RegisterOperator, model=model, evaluation=evaluation)
    deployed, _ = run(DeployOperator, model=registered, evaluation=evaluation)

    assert (registered["registered_name"], registered["version"]) == ("flights", "1")
    assert (deployed["version"], deployed["epoch"], deployed["promoted"]) == ("1", 1, True)
    state = ledger.state("flights")
    assert state.champion.version == "1"
    assert state.champion.payload["model"] == registered
    assert state.versions["1"].role == "champion"
    assert ledger.find("flights", "register", model["digest"]).payload == registered

    again, _ = run(RegisterOperator, run_id="manual__2", model=model, evaluation=evaluation)
    assert again == registered
    assert run(DeployOperator, run_id="manual__2", model=again, evaluation=evaluation)[0] == deployed
    assert len(ledger.events("flights", kind="promotion")) == 1


def test_a_refused_challenger_skips_and_says_why(run, model, evaluation, ledger):
    refused = {**evaluation, "verdict": "refused", "reasons": ["log_loss is 3 % worse"]}

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
