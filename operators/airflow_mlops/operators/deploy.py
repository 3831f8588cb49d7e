"""The deploy operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from airflow_mlops.assets import champion_asset
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import DeploymentRef, EvaluationRef, ModelRef
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput


class DeployOperator(StageOperator):
    """Make a registered version champion, after it has proved in a process of its own that it can serve.

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
    template_fields: Sequence[str] = (*StageOperator.template_fields, "model", "evaluation")

    def __init__(
        self,
        *,
        model: RefInput,
        evaluation: RefInput,
        mlflow_conn_id: str = MlflowHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        if isinstance(kwargs.get("spec"), ModelSpec):
            kwargs.setdefault("outlets", [champion_asset(kwargs["spec"].name)])
        super().__init__(**kwargs)
        self.model = model
        self.evaluation = evaluation
        self.mlflow_conn_id = mlflow_conn_id

    def run_stage(self, context: Context) -> DeploymentRef:
        """Deploy; the ledger's events are recorded along the way, each phase its own."""
        from airflow_mlops.lifecycle.deploy import Deployment
        from airflow_mlops.lifecycle.targets import LocalProcess

        with MlflowHook(self.mlflow_conn_id).bound() as client:
            deployed = Deployment(
                spec=self.model_spec,
                model=ModelRef.from_dict(self.model),
                evaluation=EvaluationRef.from_dict(self.evaluation),
                store=self.store,
                ledger=self.ledger,
                client=client,
                target=LocalProcess(),
                moment=self.moment,
                run=context["run_id"],
            ).deploy()
        self._name_in_events(context, deployed)
        self.log.info("Version %s of %s serves at epoch %d", deployed.version, deployed.model, deployed.epoch)
        return deployed

    def _name_in_events(self, context: Context, deployed: DeploymentRef) -> None:
        """Let whoever waits for the asset read which version it is about."""
        events = context.get("outlet_events")
        if events is None:
            return
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                events[outlet].extra = {"version": deployed.version, "epoch": deployed.epoch}
