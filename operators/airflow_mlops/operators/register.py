"""The register operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops import __version__
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import MlflowRunLink, ModelCardLink, ModelPageLink
from airflow_mlops.refs import EvaluationRef, ModelRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.lifecycle.register import Origin
    from airflow_mlops.operators.base import RefInput


class RegisterOperator(StageOperator):
    """Register a model that passed its evaluation in MLflow, with its card; the same content gives the same version.

    Parameters
    ----------
    model : dict, templated
        A `ModelRef`, the output of *train*.
    evaluation : dict, templated
        An `EvaluationRef`, the output of *evaluate*. A refused one skips this task and what follows.
    mlflow_conn_id : str
        Connection of MLflow.
    """

    stage = "register"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "model", "evaluation")
    operator_extra_links = (ModelCardLink(), MlflowRunLink(), ModelPageLink())

    def __init__(
        self,
        *,
        model: RefInput,
        evaluation: RefInput,
        mlflow_conn_id: str = MlflowHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.evaluation = evaluation
        self.mlflow_conn_id = mlflow_conn_id

    def run_stage(self, context: Context) -> ModelRef:
        """Register, make the model card, and record the version.

        Raises
        ------
        AirflowSkipException
            The evaluation refused the model.
        """
        from airflow_mlops.lifecycle.card import refresh_card
        from airflow_mlops.lifecycle.register import register

        model, evaluation = ModelRef.from_dict(self.model), EvaluationRef.from_dict(self.evaluation)
        if not evaluation.passed:
            raise AirflowSkipException(f"the challenger was refused: {'; '.join(evaluation.reasons)}")
        hook = MlflowHook(self.mlflow_conn_id)
        with hook.bound() as client:
            origin = self._origin(context, hook)
            registered = register(client, self.store, self.model_spec, model, evaluation, origin=origin)
            name = self.model_spec.name
            card = refresh_card(self.store, self.ledger, name, registered, evaluation, client=client)
            run = client.get_run(str(registered.mlflow_run_id))
        self.mlflow_run_url = hook.run_url(run.info.run_id, run.info.experiment_id)
        self.report_uri = card.html_uri
        made = {"evaluation": evaluation.id, "card": card.uri, "mlflow_experiment_id": run.info.experiment_id}
        self.record(context, model.digest, {**registered.to_dict(), **made})
        self.log.info("%s is version %s of %s", model.id, registered.version, registered.registered_name)
        return registered

    def _origin(self, context: Context, hook: MlflowHook) -> Origin:
        from airflow_mlops.lifecycle.register import origin_of_run

        # With a Git bundle its version is the commit that the DAG was read from.
        commit = getattr(context.get("dag_run"), "bundle_version", None)
        return origin_of_run(
            dag_id=self.dag_id if self.has_dag() else "",
            run_id=context["run_id"],
            code_version=commit or f"airflow-provider-mlops {__version__}",
            artifact_location=hook.artifact_location,
        )
