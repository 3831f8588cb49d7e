"""A champion by the real stages: ``python -m benchmarks.serving.model FOLDER``, in a process with its own Airflow home.

Leaves in FOLDER the artifacts with their ledger, MLflow's database, and the bodies of requests. The last line of the
output is JSON: what was trained.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.evaluate import EvaluateOperator
from airflow_mlops.operators.features import FeaturesOperator
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.register import RegisterOperator
from airflow_mlops.operators.train import TrainOperator
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.spec import ModelSpec, load_spec

if TYPE_CHECKING:
    from airflow_mlops.operators.base import StageOperator

SPEC = Path(__file__).parents[2] / "dags" / "specs" / "flights.yaml"
ROWS = (1, 100)
BODIES = 200
# The week after the training window.
WEEK = ("2013-03-01T05:00:00+00:00", "2013-03-08T05:00:00+00:00")


def main() -> None:
    """Train, deploy, and write the bodies."""
    folder = Path(sys.argv[1])
    spec = served_at_once()
    trained = train(spec, folder)
    for rows in ROWS:
        write_bodies(spec, folder, rows)
    print(json.dumps(trained))


def served_at_once() -> ModelSpec:
    """Return the shipped spec for a model whose labels are known, deployed by no server."""
    shipped = load_spec(SPEC)
    plain = shipped.model_dump(mode="json", by_alias=True)
    plain["data"]["label_delay"], plain["deploy"]["server"] = "0d", None
    changed = ModelSpec.model_validate(plain)
    changed._base_dir = shipped.base_dir
    return changed


def train(spec: ModelSpec, folder: Path) -> dict[str, Any]:
    """Run ingest to deploy; return what was promoted."""

    def run(operator: type[StageOperator], **inputs: Any) -> Any:
        place = {"artifacts_uri": str(folder / "artifacts"), "now": spec.retrain.now.isoformat()}
        return operator(task_id=operator.stage, spec=spec, **place, **inputs).execute({"run_id": "benchmark"})

    snapshot = run(IngestOperator)
    run(ValidateOperator, snapshot=snapshot)
    model = run(TrainOperator, features=run(FeaturesOperator, snapshots=[snapshot]))
    evaluation = run(EvaluateOperator, model=model)
    registered = run(RegisterOperator, model=model, evaluation=evaluation)
    deployed = run(DeployOperator, model=registered, evaluation=evaluation)
    if not deployed["promoted"]:
        raise SystemExit(f"the model was not promoted, so there is nothing to serve: {deployed}")
    estimator = {"estimator": spec.train.estimator, "params": spec.train.params}
    return {"name": spec.name, "registered": spec.registered_model, "version": str(registered["version"]), **estimator}


def write_bodies(spec: ModelSpec, folder: Path, rows: int) -> None:
    """Write ``BODIES`` requests of ``rows`` flights each, one a line: what the model takes, key and time."""
    start, end = map(datetime.fromisoformat, WEEK)
    columns = list(dict.fromkeys([*spec.features.columns, *spec.data.key, spec.data.time]))
    flights = read_flights(start, end).select(columns)
    with (folder / f"rows{rows}.jsonl").open("w") as file:
        for number in range(BODIES):
            some = flights.take([(number * rows + each) % flights.num_rows for each in range(rows)])
            data = [list(row.values()) for row in some.to_pylist()]
            file.write(json.dumps({"dataframe_split": {"columns": columns, "data": data}}, default=str) + "\n")


if __name__ == "__main__":
    main()
