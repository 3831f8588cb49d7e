"""Ask a person whether a version may serve, where the spec wants one; else let it go by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param, ParamsDict  # type: ignore[attr-defined]  # its stub leaves this one out
from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.errors import MLOpsError
from airflow_mlops.events import REGISTER
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import EvaluationReportLink, MlflowRunLink, ModelPageLink, report_link
from airflow_mlops.operators.notify import notices_of
from airflow_mlops.refs import ApprovalRef, EvaluationRef, ModelRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from mlflow import MlflowClient

    from airflow_mlops.lifecycle.approval import Approval
    from airflow_mlops.operators.base import RefInput


class ApproveOperator(StageOperator, ApprovalOperator):
    """Let a registered version go on to *deploy*: by itself, or after a person has read the evidence and approved.

    Whether a person is asked follows from the risks that the evaluation found and ``approval.needs`` of the spec. They
    see what would change, why it needs a person, and what the gate found; the task waits meanwhile without a worker
    slot. A rejection, or no answer in time, skips what follows, and the champion stays. An answer is recorded on the
    version, and nobody is asked twice about the same evaluation.

    Parameters
    ----------
    model : dict, templated
        A `ModelRef` with its version, the output of *register*.
    evaluation : dict, templated
        An `EvaluationRef`, the output of *evaluate*: what is approved is the version as this judged it.
    first : dict or None, templated
        An `ApprovalRef`, what the first of two people said; their second one is asked here.
    ask : str, templated
        Not empty: a person is asked whatever the spec says.
    mlflow_conn_id : str
        Connection of MLflow.
    """

    stage = "approve"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "model", "evaluation", "first", "ask")
    operator_extra_links = (EvaluationReportLink(), MlflowRunLink(), ModelPageLink())

    def __init__(
        self,
        *,
        model: RefInput,
        evaluation: RefInput,
        first: RefInput | None = None,
        ask: str = "{{ params.get('ask') or '' }}",
        mlflow_conn_id: str = MlflowHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        # What the question says is known when it is asked; Airflow wants some of it before.
        known: dict[str, Any] = {
            "subject": "May this version serve?",
            "defaults": self.REJECT,
            "response_timeout": timedelta(days=1),
            # Airflow puts the DAG's parameters here, and would again: only those of the task make the form.
            "params": {"reason": _reason_param()},
        }
        super().__init__(**{**kwargs, **known})
        self.model = model
        self.evaluation = evaluation
        self.first = first
        self.ask = ask
        self.mlflow_conn_id = mlflow_conn_id

    def run_stage(self, context: Context) -> ApprovalRef:
        """Return the answer on record, or that nobody has to be asked; else ask, and wait for `execute_complete`.

        Raises
        ------
        AirflowSkipException
            This evaluation was rejected before.
        ApprovalMissing
            Nobody is left who may answer.
        """
        approval = self._approval(context)
        answer = approval.settled(ask=bool(self.ask))
        if answer is None:
            self._put_question(approval)
            approval.record_asked()
            self._tell_asked(context)
            # Never comes back: Airflow parks the task by raising.
            return ApprovalOperator.execute(self, context)
        self._show(approval, answer)
        if answer.answer == "rejected":
            raise AirflowSkipException(f"version {answer.version} was rejected by {_names(answer)}: {answer.reason}")
        self.log.info("Version %s: %s (%s)", answer.version, answer.answer, answer.reason)
        return answer

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer, and skip what follows where it is a rejection.

        Raises
        ------
        ApprovalMissing
            The answer gives no reason, or comes from somebody who may not give it.
        """
        from airflow_mlops.lifecycle.approval import Answer

        if "error" in event:
            return super().execute_complete(context, event)
        approval = self._approval(context)
        try:
            answer = approval.record_answer(Answer.of(event, approve=self.APPROVE))
        except MLOpsError as error:
            self.log.error("%s failed: %s", self.stage, error)
            raise
        self._show(approval, answer)
        self.log.info("Version %s: %s by %s (%s)", answer.version, answer.answer, _names(answer), answer.reason)
        super().execute_complete(context, event)
        return answer.to_dict()

    def _tell_asked(self, context: Context) -> None:
        """Tell whom the spec names that somebody is asked; a notifier that fails keeps nobody from being asked."""
        try:
            notices_of(self, context).tell(only_questions=True)
        except MLOpsError as error:
            self.log.warning("The next look tells of this question again: %s", error)

    def _approval(self, context: Context) -> Approval:
        from airflow_mlops.lifecycle.approval import Approval

        model, evaluation = ModelRef.from_dict(self.model), EvaluationRef.from_dict(self.evaluation)
        # Here, so that the buttons are there whether somebody is asked, has answered, or nobody had to be.
        self.report_uri, self.mlflow_run_url = evaluation.html_uri, self._run_url(model)
        return Approval(
            spec=self.model_spec,
            ledger=self.ledger,
            model=model,
            evaluation=evaluation,
            moment=self.moment,
            run=context["run_id"],
            starter=getattr(context.get("dag_run"), "triggering_user_name", None),
            first=ApprovalRef.from_dict(self.first) if self.first else None,
        )

    def _run_url(self, model: ModelRef) -> str | None:
        """Return the page of the version's run by what *register* recorded; None where that was an earlier release."""
        registered = self.ledger.find(self.model_spec.name, REGISTER, model.digest)
        experiment = registered.payload.get("mlflow_experiment_id") if registered else None
        if not (experiment and model.mlflow_run_id):
            return None
        return MlflowHook(self.mlflow_conn_id).run_url(model.mlflow_run_id, str(experiment))

    def _put_question(self, approval: Approval) -> None:
        """Fill in what Airflow shows: the question, who may answer, and until when."""
        from airflow_mlops.stages.approve import Question

        evaluation, rules = approval.evaluation, approval.rules
        with MlflowHook(self.mlflow_conn_id).bound() as client:
            links = self._links(client, approval)
        question = Question(
            spec=self.model_spec,
            model=approval.model,
            evaluation=evaluation,
            champion=self.ledger.state(self.model_spec.name).champion,
            asked_for=approval.asked_for,
            expires=rules.expires,
            checks=self._checks(f"{evaluation.uri}/report.json"),
            links=links,
            first=_names(approval.first) if approval.first else None,
        )
        self.subject, self.body = question.subject(), question.body()
        self.assigned_users = [{"id": user, "name": user} for user in approval.respondents()] or None
        self.response_timeout = rules.expires
        # The form of the run has a reason too, and Airflow would put it into this one: an answer wants its own.
        self.params = ParamsDict({"reason": _reason_param()})

    def _checks(self, report: str) -> Sequence[dict[str, Any]]:
        """Read the checks of the gate; a light gate has none, and its reasons say everything."""
        if not self.store.exists(report):
            return ()
        return self.store.read_json(report).get("gate", {}).get("checks", ())

    def _links(self, client: MlflowClient, approval: Approval) -> dict[str, str | None]:
        from airflow_mlops.lifecycle.card import refresh_card

        name, model = self.model_spec.name, approval.model
        card = refresh_card(self.store, self.ledger, name, model, approval.evaluation, client=client)
        return {
            "Model card": report_link(self, card.html_uri),
            "Evaluation report": report_link(self, self.report_uri),
            "MLflow run": self.mlflow_run_url,
        }

    def _show(self, approval: Approval, answer: ApprovalRef) -> None:
        """Bring MLflow in line with what the ledger says of the version, and its card too."""
        from airflow_mlops.lifecycle.approval import show
        from airflow_mlops.lifecycle.card import refresh_card

        name, model = self.model_spec.name, approval.model
        with MlflowHook(self.mlflow_conn_id).bound() as client:
            show(client, model, answer)
            refresh_card(self.store, self.ledger, name, model, approval.evaluation, client=client)


def _reason_param() -> Param:
    return Param(
        "",
        type="string",
        title="Reason",
        description="Why it may serve, or why not; kept with the version.",
        source="task",
        maxLength=500,
    )


def _names(answer: ApprovalRef) -> str:
    return " and ".join(answer.by)
