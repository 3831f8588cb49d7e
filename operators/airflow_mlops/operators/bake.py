"""Watch what was promoted last, and go on only where it has to go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import BakeRef
from airflow_mlops.triggers.bake import POLL_S, BakeTrigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.lifecycle.bake import BakeTrial

_GRACE = timedelta(seconds=60)


class BakeOperator(StageOperator, SkipMixin):
    """Watch the promoted version for ``deploy.bake.watch`` without a worker slot, then judge it.

    Waiting ends early when another version serves, or when a guard is broken: the share of failed requests, their time,
    or the loss that the looks of the monitor measure. The end of the watch follows from the promotion in the ledger, so
    a scheduler or triggerer that is restarted, and a task that is cleared, wait for the same moment. The verdict goes
    on record, and where it is *broken* the policy decides. Only where that asks to go back do the next tasks run.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; section ``deploy.bake`` is used here.
    poll_s : float
        Seconds between two looks at ledger and server.
    """

    stage = "bake"
    inherits_from_skipmixin = True
    template_fields: Sequence[str] = StageOperator.template_fields

    def __init__(self, *, poll_s: float = POLL_S, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.poll_s = poll_s

    def run_stage(self, context: Context) -> BakeRef:
        """Wait where there is something to wait for, then judge."""
        trial = self._trial()
        promotion = trial.promotion()
        if promotion is not None and promotion.epoch is not None and not trial.ended(promotion.epoch):
            ends_at = trial.ends_at(promotion)
            if datetime.now(UTC) < ends_at:
                self._wait(ends_at, promotion.epoch)
        return self._judge(context)

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after waiting; what the trigger says is only a reason to look.

        Parameters
        ----------
        context : Context
            Of the task.
        event : dict
            Why the wait is over.
        """
        self.log.info("Looking again: %s", event["why"])
        return self.run_and_report(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume also where the trigger itself failed or no triggerer runs: then judge what is so."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralError, TaskDeferralTimeout) as error:
            self.log.warning("The watch ended early: %s", error)
            return self._judge(context).to_dict()

    def _trial(self) -> BakeTrial:
        from airflow_mlops.lifecycle.bake import BakeTrial

        server = self.model_spec.deploy.server
        return BakeTrial(self.model_spec, self.ledger, (lambda: ModelServerHook(server).client) if server else None)

    def _wait(self, deadline: datetime, epoch: int | None) -> None:
        self.log.info("Watching until %s without a worker slot", deadline.isoformat())
        self.defer(
            trigger=BakeTrigger(
                self.model_spec.model_dump(mode="json", by_alias=True),
                epoch or 0,
                deadline.isoformat(),
                self.ledger_conn_id,
                self.artifacts_uri,
                self.poll_s,
            ),
            method_name="resume",
            # The trigger minds the deadline; this is for the case that there is no triggerer.
            timeout=deadline - datetime.now(UTC) + _GRACE,
        )

    def _judge(self, context: Context) -> BakeRef:
        found = self._trial().judge(run=context["run_id"])
        ref = BakeRef(
            epoch=found.epoch,
            version=found.version,
            verdict=found.verdict,
            now=(found.now or self.moment).isoformat(),
            reason=found.reason,
            decision=found.decision,
            goes_back=found.goes_back,
        )
        self.log.info("Bake of version %s at epoch %d: %s. %s", ref.version, ref.epoch, ref.verdict, ref.reason)
        if not ref.goes_back and self.downstream_task_ids:
            # Skipping ends this task at once, so what it returns is pushed before.
            context["ti"].xcom_push(key="return_value", value=ref.to_dict())
            self.skip(context["ti"], [self.dag.get_task(task_id) for task_id in sorted(self.downstream_task_ids)])
        return ref
