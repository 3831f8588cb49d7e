"""The life of one model, written by hand with the operators.

Its spec names a model server; without the line `deploy.server` it is deployed for batches alone.
"""

from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.drift import DriftOperator
from airflow_mlops.operators.evaluate import EvaluateOperator
from airflow_mlops.operators.features import FeaturesOperator
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.register import RegisterOperator
from airflow_mlops.operators.train import TrainOperator
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.spec import load_spec

# [START by_hand]
flights = load_spec(Path(__file__).parent / "specs" / "flights.yaml")

with DAG(
    "flights_by_hand",
    schedule=None,
    max_active_runs=1,
    dag_display_name="flights: by hand",
    default_args={"owner": flights.owner},
    tags=["demo", "model:flights"],  # so that the pages count it among the model's DAGs
    doc_md=__doc__,
    params={
        "now": Param(
            datetime(2013, 3, 1, 5, tzinfo=UTC).isoformat(),
            type="string",
            format="date-time",
            title="Now",
            description="The run sees only rows before this moment.",
        )
    },
):
    ingest = IngestOperator(task_id="ingest", spec=flights)
    validate = ValidateOperator(task_id="validate", spec=flights, snapshot=ingest.output)
    features = FeaturesOperator(task_id="features", spec=flights, snapshots=[ingest.output])
    train = TrainOperator(task_id="train", spec=flights, features=features.output)
    evaluate = EvaluateOperator(task_id="evaluate", spec=flights, model=train.output)
    register = RegisterOperator(task_id="register", spec=flights, model=train.output, evaluation=evaluate.output)
    deploy = DeployOperator(task_id="deploy", spec=flights, model=register.output, evaluation=evaluate.output)
    drift = DriftOperator(task_id="drift", spec=flights, current=ingest.output)

    validate >> features
    deploy >> drift
# [END by_hand]
