"""The deploy operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.operators.waiting import WaitingOperator
from airflow_mlops.refs import DeploymentRef, EvaluationRef, ModelRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from mlflow import MlflowClient

    from airflow_mlops.lifecycle.deploy import Deployment
    from airflow_mlops.operators.base import RefInput


class DeployOperator(WaitingOperator):
    """Make a registered version champion, after it has proved in a process of its own that it can serve.

    Where the spec names a model server (``deploy.server``), the version is loaded there too and answers the golden rows
    over HTTP before it is promoted; the task waits for the server without a worker slot.

    Parameters
    ----------
    model : dict, templated
        A `ModelRef` with its version, the output of *register*.
    evaluation : dict, templated
        An `EvaluationRef`, the output of *evaluate*: it names the epoch that the version was judged against.
    mlflow_conn_id : str
        Connection of MLflow.
    """

    stage = "deploy"
    template_fields: Sequence[str] = (*WaitingOperator.template_fields, "model", "evaluation")

    def __init__(self, *, model: RefInput, evaluation: RefInput, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.evaluation = evaluation

    def run_stage(self, context: Context) -> DeploymentRef:
        """Deploy; the ledger's events are recorded along the way, each phase its own."""
        with MlflowHook(self.mlflow_conn_id).bound() as client:
            deployment = self._deployment(client, context["run_id"])
            deployed = self.patiently(deployment, deployment.deploy_within)
        self.name_in_events(context, version=deployed.version, epoch=deployed.epoch)
        self.log.info("Version %s of %s serves at epoch %d", deployed.version, deployed.model, deployed.epoch)
        return deployed

    def _deployment(self, client: MlflowClient, run_id: str) -> Deployment:
        from airflow_mlops.lifecycle.deploy import Deployment

        return Deployment(
            spec=self.model_spec,
            model=ModelRef.from_dict(self.model),
            evaluation=EvaluationRef.from_dict(self.evaluation),
            store=self.store,
            ledger=self.ledger,
            client=client,
            target=self.target,
            moment=self.moment,
            run=run_id,
        )
