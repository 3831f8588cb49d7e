"""The drill operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.errors import NothingToRehearse
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.operators.waiting import WaitingOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.lifecycle.drill import Drill
    from airflow_mlops.refs import DrillRef


class DrillOperator(WaitingOperator):
    """Rehearse a rollback on what really serves, measure the time to restore, and put the champion back.

    Fails where that takes longer than ``drill.limit``; skipped where there is nothing to rehearse.

    Parameters
    ----------
    mlflow_conn_id : str
        Connection of MLflow.
    """

    stage = "drill"

    def __init__(self, **kwargs: Any) -> None:
        # The champion is the same afterwards, so nobody is told of a new one.
        kwargs.setdefault("outlets", [])
        super().__init__(**kwargs)

    def run_stage(self, context: Context) -> DrillRef:
        """Rehearse; the ledger's events are recorded along the way.

        Raises
        ------
        AirflowSkipException
            There is nothing to rehearse.
        """
        drill = self._drill(context["run_id"])
        try:
            ref = self.patiently(drill, drill.rehearse_within)
        except NothingToRehearse as error:
            raise AirflowSkipException(str(error)) from error
        parts = ", ".join(f"{name} {value:.1f} s" for name, value in ref.seconds.items())
        self.log.info(
            "Drill %s: version %s for version %s, at most %g s allowed: %s",
            *(ref.verdict, ref.version, ref.replaced, ref.limit_s, parts or "not measured"),
        )
        return ref

    def _drill(self, run_id: str) -> Drill:
        from airflow_mlops.lifecycle.drill import Drill

        return Drill(
            spec=self.model_spec,
            store=self.store,
            ledger=self.ledger,
            client=MlflowHook(self.mlflow_conn_id).client,
            moment=self.moment,
            run=run_id,
            target=self.target,
        )
