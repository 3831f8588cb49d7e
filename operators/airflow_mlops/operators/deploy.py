"""The deploy operator."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import Asset
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from airflow_mlops.assets import champion_asset
from airflow_mlops.errors import NotReady
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import DeploymentRef, EvaluationRef, ModelRef
from airflow_mlops.spec import ModelSpec
from airflow_mlops.triggers.model_server import ModelServerTrigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from mlflow import MlflowClient

    from airflow_mlops.lifecycle.deploy import Deployment
    from airflow_mlops.lifecycle.targets import Target
    from airflow_mlops.operators.base import RefInput

# A small model is loaded and swapped in within this time, and a deferral costs about as much.
PATIENCE_S = 5.0
_GRACE = timedelta(seconds=60)


class DeployOperator(StageOperator):
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
        self._deadline: datetime | None = None

    def run_stage(self, context: Context) -> DeploymentRef:
        """Deploy; the ledger's events are recorded along the way, each phase its own."""
        with MlflowHook(self.mlflow_conn_id).bound() as client:
            deployment = self._deployment(client, context["run_id"])
            try:
                deployed = deployment.deploy_within(PATIENCE_S)
            except NotReady as wait:
                self._defer_or_give_up(deployment, wait)
        self._name_in_events(context, deployed)
        self.log.info("Version %s of %s serves at epoch %d", deployed.version, deployed.model, deployed.epoch)
        return deployed

    def resume(self, context: Context, event: dict[str, Any], deadline: str) -> dict[str, Any]:
        """Go on after waiting; what the trigger says is only a reason to look.

        Parameters
        ----------
        context : Context
            Of the task.
        event : dict
            Why the wait is over.
        deadline : str
            When waiting ends, ISO 8601.
        """
        self.log.info("Looking again: %s", event["why"])
        self._deadline = datetime.fromisoformat(deadline)
        return self.run_and_report(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume also where the trigger itself failed or no triggerer runs: then look once more and say what is so."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            return self.resume(context, {"why": str(error)}, datetime.now(UTC).isoformat())

    def _deployment(self, client: MlflowClient, run_id: str) -> Deployment:
        from airflow_mlops.lifecycle.deploy import Deployment

        return Deployment(
            spec=self.model_spec,
            model=ModelRef.from_dict(self.model),
            evaluation=EvaluationRef.from_dict(self.evaluation),
            store=self.store,
            ledger=self.ledger,
            client=client,
            target=self._target(),
            moment=self.moment,
            run=run_id,
        )

    def _target(self) -> Target:
        from airflow_mlops.lifecycle.server_target import ModelServer
        from airflow_mlops.lifecycle.targets import LocalProcess

        server = self.model_spec.deploy.server
        return ModelServer(ModelServerHook(server).client) if server else LocalProcess()

    def _defer_or_give_up(self, deployment: Deployment, wait: NotReady) -> NoReturn:
        limit, now = self.model_spec.deploy.timeout, datetime.now(UTC)
        deadline = self._deadline or now + limit
        if now >= deadline:
            raise deployment.give_up(wait, after_s=limit.total_seconds()) from wait
        self.log.info("Waiting without a worker slot: %s", wait)
        self.defer(
            trigger=ModelServerTrigger(self.model_spec.deploy.server or "", asdict(wait.awaited), deadline.isoformat()),
            method_name="resume",
            kwargs={"deadline": deadline.isoformat()},
            # The trigger minds the deadline; this is for the case that there is no triggerer.
            timeout=deadline - now + _GRACE,
        )

    def _name_in_events(self, context: Context, deployed: DeploymentRef) -> None:
        """Let whoever waits for the asset read which version it is about."""
        events = context.get("outlet_events")
        if events is None:
            return
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                events[outlet].extra = {"version": deployed.version, "epoch": deployed.epoch}
