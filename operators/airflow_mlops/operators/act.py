"""What a person does to a model by the form of its actions DAG: choose an action, freeze, pause, choose a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.branch import BaseBranchOperator

from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.rollback import ASKED_BY
from airflow_mlops.refs import FreezeRef, OverrideRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.events import Scope


class ChooseActionOperator(BaseBranchOperator):
    """Go on with the one task that the form names, and skip the others.

    Parameters
    ----------
    action : str, templated
        Of the form; the task's id is the same with underscores.
    """

    template_fields: Sequence[str] = ("action",)
    ui_color = "#e8f0fe"

    def __init__(self, *, action: str = "{{ params.action }}", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.action = action

    def choose_branch(self, context: Context) -> str:
        """Return the id of the task that does it."""
        return self.action.replace(" ", "_")


class FreezeOperator(StageOperator):
    """Freeze a version, the promotions or the whole loop, or let them go.

    What is so already stays as it is, with its first reason. A frozen version is not promoted; frozen promotions hold
    every promotion but a rollback; a paused loop neither decides nor trains by itself.

    Parameters
    ----------
    frozen : bool
        False lets go.
    scope : str, templated
        "version", "promotions" or "loop".
    version : str, templated
        Which one, for scope "version".
    reason : str, templated
        Why.
    by : str, templated
        Who. Default: the user that started the run.
    """

    stage = "freeze"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "scope", "version", "reason", "by")

    def __init__(
        self,
        *,
        frozen: bool,
        reason: str,
        scope: Scope | str = "version",
        version: str = "",
        by: str = ASKED_BY,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.frozen = frozen
        self.scope = scope
        self.version = version
        self.reason = reason
        self.by = by

    def run_stage(self, context: Context) -> FreezeRef:
        """Record it, where it is not so already."""
        from airflow_mlops.lifecycle.freeze import freeze

        scope: Any = self.scope
        version = (self.version or None) if scope == "version" else None
        facts: dict[str, Any] = {"frozen": self.frozen, "version": version, "reason": self.reason, "by": self.by}
        event = freeze(self.ledger, self.model_spec.name, scope, at=self.moment, run=context["run_id"], **facts)
        subject = f"version {version}" if version else "promotions" if scope == "promotions" else "the loop"
        state = "frozen" if self.frozen else "free"
        self.log.info("%s of %s: %s%s", subject, self.model_spec.name, state, "" if event else ", as before")
        return FreezeRef(model=self.model_spec.name, scope=scope, changed=event is not None, **facts)


class OverrideOperator(StageOperator):
    """Have the policy in ``retrain.shadow`` decide, or the spec's own again.

    The other one goes on in shadow. It holds until the retrain section of the spec changes. What is so already stays as
    it is, with its first reason.

    Parameters
    ----------
    policy : {"shadow", "own"}
        Which one decides from the next look on.
    reason : str, templated
        Why.
    by : str, templated
        Who. Default: the user that started the run.
    """

    stage = "override"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "reason", "by")

    def __init__(self, *, policy: str, reason: str, by: str = ASKED_BY, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.policy = policy
        self.reason = reason
        self.by = by

    def run_stage(self, context: Context) -> OverrideRef:
        """Record it, where it is not so already."""
        from airflow_mlops.lifecycle.override import use_policy

        facts = {"reason": self.reason, "by": self.by}
        spec, run = self.model_spec, context["run_id"]
        event = use_policy(self.ledger, spec, self.policy, at=self.moment, run=run, **facts)
        self.log.info("%s: its %s policy decides%s", spec.name, self.policy, "" if event else ", as before")
        return OverrideRef(model=spec.name, policy=self.policy, changed=event is not None, **facts)
