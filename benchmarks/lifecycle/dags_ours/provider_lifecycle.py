"""The lifecycle with the operators: one DAG for each run, each with a model name of its own.

The operators do nothing where the same work was done before. Under another name nothing was: each run has its own
snapshots, ledger chain, experiment and registered model.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.drift import DriftOperator
from airflow_mlops.operators.evaluate import EvaluateOperator
from airflow_mlops.operators.features import FeaturesOperator
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.register import RegisterOperator
from airflow_mlops.operators.train import TrainOperator
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.spec import load_spec

SPEC = load_spec(Path(os.environ["BENCHMARK_SPEC"]))
# The peers have no server, and learn from every label.
SPEC = SPEC.model_copy(
    update={
        "data": SPEC.data.model_copy(update={"label_delay": timedelta(0)}),
        "deploy": SPEC.deploy.model_copy(update={"server": None}),
    }
)


def lifecycle(dag_id: str, model: str) -> DAG:
    """Make the DAG of one run."""
    spec = SPEC.model_copy(update={"name": model})
    with DAG(dag_id, schedule=None, max_active_runs=1, params={"now": "2013-03-01T05:00:00+00:00"}) as dag:
        ingest = IngestOperator(task_id="ingest", spec=spec)
        validate = ValidateOperator(task_id="validate", spec=spec, snapshot=ingest.output)
        features = FeaturesOperator(task_id="features", spec=spec, snapshots=[ingest.output])
        train = TrainOperator(task_id="train", spec=spec, features=features.output)
        evaluate = EvaluateOperator(task_id="evaluate", spec=spec, model=train.output)
        register = RegisterOperator(task_id="register", spec=spec, model=train.output, evaluation=evaluate.output)
        deploy = DeployOperator(task_id="deploy", spec=spec, model=register.output, evaluation=evaluate.output)
        june = IngestOperator(task_id="ingest_june", spec=spec, window="30d", now="2013-07-01T04:00:00+00:00")
        drift = DriftOperator(task_id="drift", spec=spec, current=june.output)
        # June is read while the model is trained.
        validate >> [features, june]
        deploy >> drift
    return dag


wanted = get_parsing_context().dag_id
for number in range(1, int(os.environ["BENCHMARK_RUNS"]) + 1):
    name = f"provider_lifecycle_{number}"
    if wanted in (None, name):
        globals()[name] = lifecycle(name, f"flights_{number}")
