"""What operators share that have a version served: the target, and waiting for it without a worker slot."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow.sdk import Asset
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from airflow_mlops.assets import champion_asset
from airflow_mlops.errors import NotReady
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.triggers.model_server import ModelServerTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

    from airflow_mlops.errors import MLOpsError
    from airflow_mlops.lifecycle.targets import Target

# A small model is loaded and swapped in within this time, and a deferral costs about as much.
PATIENCE_S = 5.0
_GRACE = timedelta(seconds=60)

Answer = TypeVar("Answer")


class Waits(Protocol):
    """Work that may take a target some time."""

    def give_up(self, wait: NotReady, *, after_s: float) -> MLOpsError:
        """End a wait that took too long."""


class WaitingOperator(StageOperator):
    """Have a version served, and wait for the server where it needs time.

    Parameters
    ----------
    mlflow_conn_id : str
        Connection of MLflow.
    """

    def __init__(self, *, mlflow_conn_id: str = MlflowHook.default_conn_name, **kwargs: Any) -> None:
        if isinstance(kwargs.get("spec"), ModelSpec):
            kwargs.setdefault("outlets", [champion_asset(kwargs["spec"].name)])
        super().__init__(**kwargs)
        self.mlflow_conn_id = mlflow_conn_id
        self._deadline: datetime | None = None

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

    # What run_stage uses

    def patiently(self, work: Waits, step: Callable[[float], Answer]) -> Answer:
        """Take a step that waits a little by itself; where that is not enough, defer.

        Parameters
        ----------
        work : Waits
            What is given up where the spec's time is over.
        step : callable
            Takes the seconds that it may wait.
        """
        try:
            return step(PATIENCE_S)
        except NotReady as wait:
            limit, now = self.model_spec.deploy.timeout, datetime.now(UTC)
            deadline = self._deadline or now + limit
            if now >= deadline:
                raise work.give_up(wait, after_s=limit.total_seconds()) from wait
            self.log.info("Waiting without a worker slot: %s", wait)
            server = self.model_spec.deploy.server or ""
            self.defer(
                trigger=ModelServerTrigger(server, asdict(wait.awaited), deadline.isoformat()),
                method_name="resume",
                kwargs={"deadline": deadline.isoformat()},
                # The trigger minds the deadline; this is for the case that there is no triggerer.
                timeout=deadline - now + _GRACE,
            )

    @property
    def target(self) -> Target:
        """Where versions serve: the spec's model server, or nothing but the ledger."""
        from airflow_mlops.lifecycle.server_target import ModelServer
        from airflow_mlops.lifecycle.targets import LocalProcess

        server = self.model_spec.deploy.server
        return ModelServer(ModelServerHook(server).client) if server else LocalProcess()

    def name_in_events(self, context: Context, *, version: str, epoch: int) -> None:
        """Let whoever waits for the asset read which version it is about."""
        events = context.get("outlet_events")
        if events is None:
            return
        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                events[outlet].extra = {"version": version, "epoch": epoch}
