"""A small model in the artifact store, trained on real flights, and MLflow on SQLite."""

from __future__ import annotations

import functools
import os
import signal
from datetime import UTC, datetime

import pytest

from airflow_mlops.lifecycle.deploy import Deployment
from airflow_mlops.lifecycle.register import register
from airflow_mlops.lifecycle.trial import try_out
from airflow_mlops.refs import EvaluationRef, ModelRef

MOMENT = datetime(2013, 1, 11, 5, tzinfo=UTC)
NAME = "flights"
ALIAS = "champion"
COLUMNS = ["carrier", "distance", "sched_dep_time", "temp"]


@pytest.fixture(autouse=True)
def one_openmp_thread():
    """Let forked children predict: a fork of a process that has used OpenMP's threads waits for them for ever."""
    import sklearn.ensemble
    from threadpoolctl import threadpool_limits

    assert sklearn.ensemble  # loads OpenMP, which cannot be limited before
    with threadpool_limits(1):
        yield


@functools.cache
def _fit(seed: int):
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    from airflow_mlops.demo.flights import read_flights

    rows = read_flights(datetime(2013, 1, 1, 5, tzinfo=UTC), datetime(2013, 1, 4, 5, tzinfo=UTC))
    frame = rows.to_pandas().dropna(subset=["late"])
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    model = make_pipeline(
        make_column_transformer((encoder, ["carrier"]), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=5 + seed, random_state=seed),
    )
    return model.fit(frame[COLUMNS], frame["late"].astype(int)), rows.select(COLUMNS)


@pytest.fixture
def small_spec(flights_spec):
    """The flights' spec, with the columns of the small model."""
    features = flights_spec.features.model_copy(update={"columns": COLUMNS, "derive": {}})
    return flights_spec.model_copy(update={"features": features})


@pytest.fixture
def make_model(store):
    """Store a model as *train* does; another seed gives another model."""
    from airflow_mlops.stages import golden, model_file

    @functools.cache
    def make(seed: int = 0, *, sensitive: tuple[str, ...] = ()) -> ModelRef:
        fitted, rows = _fit(seed)
        payload, serialization = model_file.dump_model(fitted)
        described = model_file.describe("model", payload, serialization)
        digest = described["digest"]
        uri = store.uri("flights", "models", digest[:16])
        model = ModelRef(
            id=digest[:16],
            uri=uri,
            digest=digest,
            serialization=serialization,
            estimator="hist_gradient_boosting",
            rows=2500,
            features={
                "training_set": "ab" * 32,
                "window": "all",
                "snapshots": [{"id": "s1", "uri": store.uri("s1"), "digest": "cd" * 32, "rows": 2500}],
            },
        )
        picked = golden.pick_golden(rows, columns=COLUMNS, sensitive=sensitive, count=20, seed=1)
        store.write_bytes(model_file.model_uri(model), payload)
        store.write_table(f"{uri}/golden.parquet", picked)
        expected = golden.answers(fitted, picked.to_pandas())
        predict = golden.predict_method(fitted)
        store.complete(uri, {**described, "predict": predict, "golden_predictions": expected})
        return model

    return make


@pytest.fixture
def evaluation(store):
    """A verdict in favour, judged against an epoch."""

    def judged(epoch: int = 0, verdict: str = "pass") -> EvaluationRef:
        return EvaluationRef(
            id=f"e{epoch}", uri=store.uri("e"), verdict=verdict, reasons=["worse by 3 %"] * (verdict == "fail"),
            metrics={"log_loss": 0.41}, epoch=epoch,
        )  # fmt: skip

    return judged


@pytest.fixture
def tracking_folder(tmp_path, fresh_mlflow_db):
    """A folder with a database of its own."""
    import shutil

    folder = tmp_path / "mlflow"
    folder.mkdir()
    shutil.copy(fresh_mlflow_db, folder / "mlflow.db")
    return folder


@pytest.fixture
def client(tracking_folder):
    """A client of that database."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tracking_folder / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def origin(tracking_folder):
    """A DAG run that registers."""
    from airflow_mlops.lifecycle.register import origin_of_run

    return origin_of_run(
        dag_id="retrain_flights",
        run_id="manual__1",
        code_version="0.1.0",
        artifact_location=(tracking_folder / "artifacts").as_uri(),
    )


@pytest.fixture
def ledger(tmp_path):
    """An empty ledger."""
    from airflow_mlops.ledger import Ledger

    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


# Although pytest may have threads: a fresh interpreter takes seconds to import MLflow.
forked = functools.partial(try_out, fork=True)


@pytest.fixture
def registered(client, store, small_spec, make_model, evaluation, origin):
    """Register a model; another seed gives another version."""

    def give(seed: int = 0, **options):
        return register(client, store, small_spec, make_model(seed, **options), evaluation(), origin=origin)

    return give


@pytest.fixture
def deployment(client, store, ledger, small_spec, evaluation):
    """A deploy of a version that was judged against an epoch."""

    def make(model, *, epoch=0, **limits):
        section = small_spec.deploy.model_copy(update=limits)
        return Deployment(
            spec=small_spec.model_copy(update={"deploy": section}),
            model=model,
            evaluation=evaluation(epoch),
            store=store,
            ledger=ledger,
            client=client,
            moment=MOMENT,
            run="manual__1",
            trial=forked,
        )

    return make


def champion(ledger):
    serving = ledger.state(NAME).champion
    return serving and serving.version


def alias(client):
    return str(client.get_registered_model(NAME).aliases.get(ALIAS))


def outcomes(ledger):
    return [event.payload["outcome"] for event in ledger.events(NAME, kind="deploy")]


class DiesAfter:
    """Stands before something and ends the process after a number of calls."""

    def __init__(self, inner, left):
        self._inner, self._left = inner, left

    def __getattr__(self, name):
        attribute = getattr(self._inner, name)
        if not callable(attribute):
            return attribute

        def call(*args, **kwargs):
            if self._left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left[0] -= 1
            return attribute(*args, **kwargs)

        return call
