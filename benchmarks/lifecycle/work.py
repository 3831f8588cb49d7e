"""The eight steps as a good engineer writes them by hand: functions with their imports inside, and paths between them.

Both peers run this code: the hand-written DAG one function a task, the plain script one after the other. Settings that
decide how much work there is (estimator, suite, slices, resamples, golden rows) come from the spec that our DAG runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "dags" / "specs" / "flights.suite.yaml"
CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = [
    "distance", "sched_dep_time", "sched_arr_time", "weekday", "temp", "dewp", "humid", "wind_dir", "wind_speed",
    "wind_gust", "precip", "pressure", "visib",
]  # fmt: skip
COLUMNS = [*CATEGORIES, *NUMBERS]
HOLDOUT_START = "2013-02-15T05:00:00+00:00"
RESAMPLES = 1000
GOLDEN_ROWS = 50


def ingest(folder: str) -> dict[str, str]:
    """Read January and February, and June, and write each as Parquet."""
    from datetime import datetime

    import pandas as pd
    import pyarrow.parquet as pq

    from airflow_mlops.demo.flights import read_flights

    windows = {
        "reference": ("2013-01-01T05:00:00+00:00", "2013-03-01T05:00:00+00:00"),
        "current": ("2013-06-01T04:00:00+00:00", "2013-07-01T04:00:00+00:00"),
    }
    paths = {}
    Path(folder).mkdir(parents=True)
    for name, (start, end) in windows.items():
        paths[name] = str(Path(folder, f"{name}.parquet"))
        pq.write_table(read_flights(datetime.fromisoformat(start), datetime.fromisoformat(end)), paths[name])
    assert len(pd.read_parquet(paths["reference"], columns=["late"])) > 50_000
    return paths


def validate(folder: str, snapshot: str) -> bool:
    """Run the suite with Great Expectations and write Data Docs."""
    import great_expectations as gx
    import pandas as pd
    import yaml
    from great_expectations.core.expectation_suite import ExpectationSuite

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    site = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(Path(folder, "data_docs"))}
    context.add_data_docs_site(
        "local",
        {
            "class_name": "SiteBuilder",
            "store_backend": site,
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    suite = context.suites.add(ExpectationSuite(**yaml.safe_load(SUITE.read_text())))
    rows = context.data_sources.add_pandas("flights").add_dataframe_asset("flights")
    batch = rows.add_batch_definition_whole_dataframe("all")
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="flights", data=batch, suite=suite))
    docs = gx.checkpoint.UpdateDataDocsAction(name="docs", site_names=["local"])
    checkpoint = gx.Checkpoint(name="flights", validation_definitions=[definition], actions=[docs])
    result = checkpoint.run(batch_parameters={"dataframe": pd.read_parquet(snapshot)})
    (outcome,) = result.run_results.values()
    critical = [one for one in outcome.results if not one.success and one.expectation_config.severity == "critical"]
    if critical:
        raise ValueError(f"{len(critical)} critical expectations failed")
    return bool(result.success)


def features(folder: str, snapshot: str) -> dict[str, str]:
    """Split by time, fit the encoder on the training rows, and write both parts."""
    import joblib
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder

    rows = pd.read_parquet(snapshot).dropna(subset=["late"]).astype({"late": "int64"})
    is_held_out = rows["scheduled"] >= pd.Timestamp(HOLDOUT_START)
    training = rows[~is_held_out]
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encoder = ColumnTransformer([("categories", categories, CATEGORIES)], remainder="passthrough")
    encoder.set_output(transform="pandas")
    matrix = encoder.fit_transform(_derive(training[COLUMNS]))
    paths = {name: str(Path(folder, name)) for name in ("features.parquet", "holdout.parquet", "encoder.joblib")}
    matrix.assign(late=training["late"]).to_parquet(paths["features.parquet"])
    rows[is_held_out].to_parquet(paths["holdout.parquet"])
    joblib.dump(encoder, paths["encoder.joblib"])
    return paths


def train(folder: str, made: dict[str, str]) -> str:
    """Fit the estimator and a baseline, and store both with the encoder in front."""
    import cloudpickle
    import joblib
    import pandas as pd
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    matrix = pd.read_parquet(made["features.parquet"])
    x, y = matrix.drop(columns="late"), matrix["late"]
    estimator = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=20, learning_rate=0.15, random_state=2013)
    model = make_pipeline(FunctionTransformer(_derive), joblib.load(made["encoder.joblib"]), estimator.fit(x, y))
    baseline = DummyClassifier(strategy="prior").fit(x, y)
    path = Path(folder, "model.pkl")
    golden = pd.read_parquet(made["holdout.parquet"], columns=COLUMNS).head(GOLDEN_ROWS)
    golden.assign(prediction=model.predict_proba(golden)[:, 1]).to_parquet(Path(folder, "golden.parquet"))
    path.write_bytes(cloudpickle.dumps({"model": model, "baseline": baseline}))
    return str(path)


def evaluate(folder: str, made: dict[str, str], model_path: str) -> dict[str, float]:
    """Judge the model against the baseline on held-out rows, with slices, a paired bootstrap and a report."""
    import cloudpickle
    import numpy as np
    import pandas as pd
    from sklearn import metrics as of
    from sklearn.metrics import log_loss

    stored = cloudpickle.loads(Path(model_path).read_bytes())
    holdout = pd.read_parquet(made["holdout.parquet"])
    truth = holdout["late"].to_numpy()
    scores = stored["model"].predict_proba(holdout[COLUMNS])[:, 1]
    simple = stored["baseline"].predict_proba(holdout[COLUMNS])[:, 1]
    metrics = {
        "log_loss": log_loss(truth, scores),
        "baseline_log_loss": log_loss(truth, simple),
        "roc_auc": of.roc_auc_score(truth, scores),
        "average_precision": of.average_precision_score(truth, scores),
        "brier": of.brier_score_loss(truth, scores),
        "accuracy": of.accuracy_score(truth, scores > 0.5),
        "f1": of.f1_score(truth, scores > 0.5),
    }
    for column in ("carrier", "origin"):
        for value, place in holdout.groupby(column).indices.items():
            if len(place) >= 50:
                metrics[f"log_loss/{column}={value}"] = log_loss(truth[place], scores[place], labels=[0, 1])
    loss, simple_loss = (-np.log(np.where(truth == 1, p, 1 - p)) for p in (scores, simple))
    random = np.random.default_rng(2013)
    picks = random.integers(0, len(truth), size=(RESAMPLES, len(truth)))
    differences = (loss - simple_loss)[picks].mean(axis=1)
    metrics["loss_difference_upper"] = float(np.quantile(differences, 0.95))
    if metrics["loss_difference_upper"] >= 0:
        raise ValueError("the model is not better than the baseline")
    _report(Path(folder, "evaluation.html"), stored["model"], holdout, truth, scores, metrics)
    return {name: float(value) for name, value in metrics.items()}


def register(
    folder: str, name: str, tracking_uri: str, model_path: str, snapshot: str, metrics: dict[str, float]
) -> str:
    """Log the run with dataset, metrics and report, and register the model with a signature."""
    import cloudpickle
    import mlflow
    import pandas as pd

    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(name)
    model = cloudpickle.loads(Path(model_path).read_bytes())["model"]
    rows = pd.read_parquet(snapshot)
    example = rows[COLUMNS].head(3)
    with mlflow.start_run():
        mlflow.log_params({"max_iter": 60, "max_leaf_nodes": 20, "learning_rate": 0.15})
        mlflow.log_metrics({key.replace("=", "_"): value for key, value in metrics.items()})
        mlflow.log_input(mlflow.data.from_pandas(rows, source=snapshot, name="flights"), context="training")
        mlflow.log_artifact(str(Path(folder, "evaluation.html")))
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=name,
            signature=mlflow.models.infer_signature(example, model.predict(example)),
            input_example=example,
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn", "pandas", "cloudpickle"],
        )
    return str(info.registered_model_version)


def deploy(folder: str, name: str, tracking_uri: str, version: str) -> str:
    """Load the registered version afresh, replay golden rows, time it, and move the alias."""
    import time

    import mlflow
    import numpy as np
    import pandas as pd

    mlflow.set_tracking_uri(tracking_uri)
    model = mlflow.sklearn.load_model(f"models:/{name}/{version}")
    golden = pd.read_parquet(Path(folder, "golden.parquet"))
    expected = golden.pop("prediction").to_numpy()
    if np.abs(model.predict_proba(golden)[:, 1] - expected).max() > 1e-6:
        raise ValueError("the loaded model predicts something else")
    seconds = []
    for place in range(20):
        begun = time.perf_counter()
        model.predict(golden.iloc[[place]])
        seconds.append(time.perf_counter() - begun)
    if np.median(seconds) > 0.5:
        raise ValueError("the model is too slow to serve")
    mlflow.MlflowClient().set_registered_model_alias(name, "champion", version)
    return version


def drift(folder: str, name: str, tracking_uri: str, paths: dict[str, str]) -> bool:
    """Compare June with the training rows, predictions included, and save Evidently's report."""
    import json

    import mlflow
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    mlflow.set_tracking_uri(tracking_uri)
    model = mlflow.sklearn.load_model(f"models:/{name}@champion")
    frames = []
    for which in ("current", "reference"):
        rows = pd.read_parquet(paths[which], columns=COLUMNS)
        frames.append(rows.assign(prediction=model.predict_proba(rows)[:, 1]))
    outcome = Report([DataDriftPreset()]).run(*frames)
    outcome.save_html(str(Path(folder, "drift.html")))
    Path(folder, "drift.json").write_text(outcome.json())
    counted = json.loads(outcome.json())["metrics"][0]["value"]
    return bool(counted["share"] >= 0.5)


def _derive(rows: Any) -> Any:
    return rows.assign(dep_hour=rows["sched_dep_time"] // 100, arr_hour=rows["sched_arr_time"] // 100)


def _report(path: Path, model: Any, holdout: Any, truth: Any, scores: Any, metrics: dict[str, float]) -> None:
    import base64
    import io

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import pandas as pd
    from sklearn.calibration import calibration_curve
    from sklearn.inspection import permutation_importance

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    seen, said = calibration_curve(truth, scores, n_bins=10, strategy="quantile")
    left.plot(said, seen, marker="o")
    left.plot([0, 1], [0, 1], linestyle="--")
    some = holdout.head(1000)
    found = permutation_importance(
        model, some[COLUMNS], some["late"], scoring="neg_log_loss", n_repeats=2, random_state=1
    )
    right.barh(COLUMNS, found.importances_mean)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    plt.close(figure)
    table = pd.Series(metrics, name="value").to_frame().to_html()
    image = base64.b64encode(picture.getvalue()).decode()
    path.write_text(f"<h1>Evaluation</h1><img src='data:image/png;base64,{image}'>{table}")
