"""What all operators share: the spec, the store, the ledger, and who retries what."""

from __future__ import annotations

import inspect
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, ExceptionRetryPolicy, RetryAction, RetryRule

from airflow_mlops.errors import MLOpsError, SpecError
from airflow_mlops.operators.links import ModelPageLink
from airflow_mlops.operators.stats import tell_run
from airflow_mlops.report_access import admit
from airflow_mlops.spec import ModelSpec, load_spec

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.sdk import BaseOperatorLink, Context, XComArg

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.override import Override
    from airflow_mlops.refs import Ref

    # How an operator is given a reference: the output of the task that makes it, or what that task returned.
    RefInput = XComArg | Ref | dict[str, Any]

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="airflow_mlops.errors.Permanent",
            action=RetryAction.FAIL,
            reason="the same input would fail again",
        ),
        RetryRule(
            exception="airflow.sdk.exceptions.AirflowNotFoundException",
            action=RetryAction.FAIL,
            reason="a connection is missing",
        ),
    ],
    default=RetryAction.DEFAULT,
)


class StageOperator(BaseOperator):
    """Run one stage of a model's life and record it in the ledger.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is. A path is read when the task runs.
    now : str, templated
        The moment this run stands at, ISO 8601, in event time. Default: the DAG parameter ``now``, else the time the
        run was asked for.
    artifacts_conn_id : str or None
        Connection of the artifact store; none for a local folder.
    artifacts_uri : str or None, templated
        Folder of the artifact store; default ``[mlops] artifacts_uri``.
    ledger_conn_id : str
        Connection of the ledger; where it does not exist, SQLite beside the artifacts.
    """

    stage: ClassVar[str]
    template_fields: Sequence[str] = ("now", "artifacts_uri")
    operator_extra_links: Collection[BaseOperatorLink] = (ModelPageLink(),)
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        now: str = "{{ params.get('now') or dag_run.run_after.isoformat() }}",
        artifacts_uri: str | None = None,
        artifacts_conn_id: str | None = None,
        ledger_conn_id: str = "mlops_ledger",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", _page(type(self)))
        kwargs.setdefault("retries", 2)
        kwargs.setdefault("retry_delay", timedelta(seconds=10))
        kwargs.setdefault("retry_policy", RETRY_POLICY)
        super().__init__(**kwargs)
        self.spec = spec
        self.now = now
        self.artifacts_uri = artifacts_uri
        self.artifacts_conn_id = artifacts_conn_id
        self.ledger_conn_id = ledger_conn_id
        self.report_uri: str | None = None
        self.mlflow_run_url: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage and return its reference as JSON.

        Raises
        ------
        Permanent
            The same input would fail again; `RETRY_POLICY` fails the task at once.
        Transient
            A service was away; Airflow retries.
        """
        return self.run_and_report(context)

    def run_and_report(self, context: Context) -> dict[str, Any]:
        """Do what `execute` does, where a deferred task is resumed too: Airflow alone may call `execute`."""
        started = time.perf_counter()
        try:
            self.log.info("%s of %s as of %s", self.stage, self.model_spec.name, self.now)
            answer = self.run_stage(context).to_dict()
            self._tell(started, answer=answer)
            return answer
        except MLOpsError as error:
            self._tell(started, error=error)
            # Airflow logs the traceback next; this sentence above it is what a person needs.
            self.log.error("%s failed: %s", self.stage, error)
            raise
        finally:
            if self.report_uri:
                admit(self.store, self.model_spec.name, self.dag_id)

    def run_stage(self, context: Context) -> Ref:
        """Open inputs, call the stage, store and record what it returns; each operator has its own."""
        raise NotImplementedError

    def _tell(self, started: float, *, answer: dict[str, Any] | None = None, error: MLOpsError | None = None) -> None:
        """Tell Airflow's metrics what came of a run; of a spec that could not be read there is no model to tell of."""
        if "model_spec" in vars(self):
            seconds = time.perf_counter() - started
            tell_run(self.stage, self.model_spec.name, seconds=seconds, answer=answer, error=error)

    # What run_stage uses

    def record(self, context: Context, key: str, payload: dict[str, Any]) -> None:
        """Append this stage's event; the same key twice leaves one event.

        Parameters
        ----------
        context : Context
            Of the running task.
        key : str
            A function of what the stage worked on (a digest), never of the try or the run.
        payload : dict
            JSON facts.
        """
        self.ledger.append(self.model_spec.name, self.stage, key, payload, at=self.moment, run=context["run_id"])

    @cached_property
    def model_spec(self) -> ModelSpec:
        """The spec, read from its file where a path was given."""
        return self.spec if isinstance(self.spec, ModelSpec) else load_spec(self.spec)

    @cached_property
    def policy_override(self) -> Override | None:
        """Why the spec's policy in shadow decides; None where its own does."""
        from airflow_mlops.lifecycle.override import override_of

        return override_of(self.ledger.state(self.model_spec.name), self.model_spec)

    @property
    def spec_in_force(self) -> ModelSpec:
        """The spec; under an override its two policies stand in each other's place."""
        from airflow_mlops.lifecycle.override import in_force

        return in_force(self.model_spec, self.policy_override)

    @property
    def moment(self) -> datetime:
        """``now`` in UTC, which is also its zone where it has none."""
        return self.moment_of(self.now, "now")

    @staticmethod
    def moment_of(text: str, name: str) -> datetime:
        """Read a time in ISO 8601, in UTC where it has no zone.

        Raises
        ------
        SpecError
            The text is no time.
        """
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise SpecError(
                f"{name} is {text!r}, which is no time; give ISO 8601, such as 2013-03-01T05:00:00+00:00."
            ) from error
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    @cached_property
    def store(self) -> ArtifactStore:
        """The artifact store, with the credentials of its connection."""
        from airflow_mlops.hooks.artifacts import ArtifactsHook

        return ArtifactsHook(self.artifacts_conn_id, uri=self.artifacts_uri).store

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, with the credentials of its connection."""
        from airflow_mlops.hooks.ledger import LedgerHook

        return LedgerHook(self.ledger_conn_id, artifacts_uri=self.artifacts_uri).ledger


def _page(kind: type[StageOperator]) -> str:
    """Return what a task's page says where its DAG says nothing: the docstring, without parameters."""
    return inspect.cleandoc((kind.__doc__ or "").partition("    Parameters\n")[0])
