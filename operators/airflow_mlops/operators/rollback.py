"""The rollback operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.operators.waiting import WaitingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.lifecycle.rollback import Rollback
    from airflow_mlops.refs import RollbackRef

# Who asked: the user that started the run, as Airflow names them.
ASKED_BY = "{{ dag_run.triggering_user_name or 'the loop' }}"
# Ten seconds apart, so about five minutes.
RETRIES = 30


class RollbackOperator(WaitingOperator):
    """Have the last version that served well serve again, and freeze the bad one.

    It is tried out in a process of its own, loaded aside and asked its golden rows first. Everything comes from the
    ledger and the artifact store: MLflow may be away. The same task again finds what it did.

    Parameters
    ----------
    reason : str, templated
        Why; kept with the promotion.
    by : str, templated
        Who asks. Default: the user that started the run.
    of_version : str, templated
        What has to go; where it does not serve any more, nothing is done. Empty: what serves.
    to : str, templated
        What shall serve instead. Empty: the last version that served well.
    freeze : bool
        Whether the version that goes is frozen.
    mlflow_conn_id : str
        Connection of MLflow.
    """

    stage = "rollback"
    template_fields: Sequence[str] = (*WaitingOperator.template_fields, "reason", "by", "of_version", "to")

    def __init__(
        self,
        *,
        reason: str,
        by: str = ASKED_BY,
        of_version: str = "",
        to: str = "",
        freeze: bool = True,
        **kwargs: Any,
    ) -> None:
        # A server that is away is waited for: nobody may be there to click again.
        kwargs.setdefault("retries", RETRIES)
        super().__init__(**kwargs)
        self.reason = reason
        self.by = by
        self.of_version = of_version
        self.to = to
        self.freeze = freeze

    def run_stage(self, context: Context) -> RollbackRef:
        """Roll back; the ledger's events are recorded along the way."""
        rollback = self._rollback(context["run_id"])
        back = self.patiently(rollback, rollback.roll_back_within)
        self.name_in_events(context, version=back.version, epoch=back.epoch)
        parts = ", ".join(f"{name} {value:.1f} s" for name, value in back.seconds.items())
        self.log.info("Version %s of %s serves at epoch %d again: %s", back.version, back.model, back.epoch, parts)
        return back

    def _rollback(self, run_id: str) -> Rollback:
        from airflow_mlops.lifecycle.rollback import Rollback

        return Rollback(
            spec=self.model_spec,
            store=self.store,
            ledger=self.ledger,
            # Not bound: that would fail before anything is done where MLflow is away.
            client=MlflowHook(self.mlflow_conn_id).client,
            target=self.target,
            moment=self.moment,
            run=run_id,
            reason=self.reason,
            by=self.by,
            of_version=self.of_version or None,
            to=self.to or None,
            freeze=self.freeze,
        )
