"""A small model in the artifact store and everything on local disk, for the operators that register and deploy."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import pytest

from airflow_mlops.ledger import Ledger
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
        id="e1", uri=store.uri("e1"), verdict="pass", reasons=[], metrics={"log_loss": 0.4}, epoch=0
    ).to_dict()


@pytest.fixture
def run(spec, store, tmp_path, fresh_mlflow_db, monkeypatch):
    """Run an operator with everything on local disk."""
    (tmp_path / "m").mkdir()
    shutil.copy(fresh_mlflow_db, tmp_path / "m" / "mlflow.db")
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": str(tmp_path / "m")}))

    def _run(operator, run_id="manual__1", **arguments):
        made = operator(task_id=operator.stage, spec=spec, now=NOW, artifacts_uri=store.root, **arguments)
        return made.execute({"run_id": run_id}), made

    return _run


@pytest.fixture
def ledger(store):
    return Ledger(f"sqlite:///{store.root}/ledger.db")
