"""The reconcile operator."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import ReconciledRef

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.lifecycle.targets import Target


class ReconcileOperator(StageOperator):
    """Show in MLflow what the ledger says, and settle what somebody changed there by hand.

    Aliases and tags are written only where they differ. ``register.by_hand`` of the spec says what becomes of an alias
    that somebody moved: it is set back, adopted as a promotion, or left as it is.

    Parameters
    ----------
    mlflow_conn_id : str
        Connection of MLflow.
    """

    stage = "reconcile"

    def __init__(self, *, mlflow_conn_id: str = MlflowHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mlflow_conn_id = mlflow_conn_id

    def run_stage(self, context: Context) -> ReconciledRef:
        """Compare, write, adopt; the ledger's events are recorded along the way."""
        from airflow_mlops.lifecycle.by_hand import ByHand
        from airflow_mlops.lifecycle.reconcile import reconcile

        spec, run = self.model_spec, context["run_id"]
        with MlflowHook(self.mlflow_conn_id).bound() as client:
            found = reconcile(self.ledger, client, spec, at=self.moment, run=run)
            ByHand(spec, self.store, self.ledger, client, self.moment, run, self._target()).settle(found)
        state = self.ledger.state(spec.name)
        self.log.info("%d differences written, %d changes by hand", len(found.changes), len(found.by_hand))
        return ReconciledRef(
            model=spec.name,
            epoch=state.epoch,
            champion=state.champion.version if state.champion else None,
            changes=list(found.changes),
            by_hand=[asdict(change) for change in found.by_hand],
        )

    def _target(self) -> Target:
        from airflow_mlops.lifecycle.server_target import ModelServer
        from airflow_mlops.lifecycle.targets import LocalProcess

        server = self.model_spec.deploy.server
        return ModelServer(ModelServerHook(server).client) if server else LocalProcess()
