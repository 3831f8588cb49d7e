"""Weigh trained versions, and store what is to serve as one model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.loop.actions import CHEAP
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import ModelRef, RequestRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.operators.base import RefInput
    from airflow_mlops.spec import ModelSpec

_DIGEST_LENGTH = 8


class WeighOperator(StageOperator):
    """Put trained versions together into the one that is to serve: a committee, one with a correction, or one alone.

    After a training the policy weighs the new version with those before it, by their losses in labelled windows that
    all ended before the rows on which it will be judged. Where a decision asked for other weights or another correction
    only, its weights are taken, with a correction by the newest labels. Policies that serve the newest version get that
    one as it is.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; section ``retrain.policy`` is used here.
    model : dict or None, templated
        What the train task returned; None where nothing was trained.
    request : dict or None, templated
        What the request task returned; None weighs what was trained.
    """

    stage = "weigh"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "model", "request")

    def __init__(
        self, *, spec: ModelSpec | str, model: RefInput | None, request: RefInput | None = None, **kwargs: Any
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.model = model
        self.request = request

    def run_stage(self, context: Context) -> ModelRef:
        """Find what was made for this training or decision before, or make and record it."""
        request = RequestRef.from_dict(self.request) if self.request else None
        is_cheap = request is not None and request.action in CHEAP
        source = str(request.decision) if request and is_cheap else ModelRef.from_dict(self.model).id
        key = f"{source}:{self._settings()}"
        if first := self.ledger.find(self.model_spec.name, self.stage, key):
            self.log.info("skipped: same as run %s (model %s)", first.run, first.payload["id"])
            return replace(ModelRef.from_dict(first.payload), same_as=first.run)
        ref = self._weigh(request if is_cheap else None)
        action = request.action if request else "retrain"
        self.record(context, key, {**ref.to_dict(), "action": action, "source": source})
        return ref

    def _settings(self) -> str:
        """Name what decides how versions are weighed: with another policy it is done anew."""
        return digest_json(self.spec_in_force.retrain.policy.model_dump(mode="json"))[:_DIGEST_LENGTH]

    def _weigh(self, request: RequestRef | None) -> ModelRef:
        from airflow_mlops.lifecycle.weighing import Weighing

        weighing = Weighing(self.spec_in_force, self.store, self.ledger, self.moment)
        if request is None:
            plan, reason = weighing.after_training(ModelRef.from_dict(self.model)), "a version was trained"
        else:
            plan, reason = weighing.as_decided(request.weights), request.reason
        ref = weighing.make(plan, reason=reason)
        for name, weight in plan.weights.items():
            self.log.info("%s: model %s at %.1f %%", ref.id, name, 100 * weight)
        self.log.info("correction: %s", plan.correction)
        return replace(ref, same_as=None)
