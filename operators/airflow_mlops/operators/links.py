"""Buttons on the page of a task: its report, its MLflow run, and its model's page.

Airflow calls `get_link` in the task's process when the task has ended, in any state, and keeps the address as an XCom.
So a link reads what ``run_stage`` left on the operator, and an empty address means that there is nothing to open.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink, conf

from airflow_mlops.hooks.artifacts import configured_uri
from airflow_mlops.report_access import model_page_url, report_url


class _ReportLink(BaseOperatorLink):
    """Open the report at ``operator.report_uri`` through the plugin's route."""

    def get_link(self, operator: Any, *, ti_key: object) -> str:
        """Return the report's address in Airflow, or nothing."""
        return report_link(operator, getattr(operator, "report_uri", None))


def report_link(operator: Any, uri: str | None) -> str:
    """Return the address in Airflow of a report that a task stored, or nothing."""
    # The API server knows only the configured store; a link into another one would lead nowhere.
    if not uri or operator.artifacts_uri not in (None, "", configured_uri()):
        return ""
    store = operator.store
    path = store.path(uri)[len(store.root.rstrip("/")) + 1 :]
    return report_url(conf.get("api", "base_url", fallback="") or "", operator.dag_id, path)


class DataDocsLink(_ReportLink):
    """What Great Expectations found in a snapshot."""

    name = "Data Docs"
    xcom_key = "_link_mlops_data_docs"


class EvaluationReportLink(_ReportLink):
    """Metrics, plots and the gate's verdict."""

    name = "Evaluation report"
    xcom_key = "_link_mlops_evaluation_report"


class ModelCardLink(_ReportLink):
    """What the version is, what it was made of and judged by, and what changed."""

    name = "Model card"
    xcom_key = "_link_mlops_model_card"


class DriftReportLink(_ReportLink):
    """Evidently's report on two snapshots."""

    name = "Drift report"
    xcom_key = "_link_mlops_drift_report"


class DecisionReportLink(_ReportLink):
    """What was measured of the served model, what was decided, and why."""

    name = "Decision"
    xcom_key = "_link_mlops_decision"


class BacktestReportLink(_ReportLink):
    """What policies would have done with a history."""

    name = "Backtest"
    xcom_key = "_link_mlops_backtest"


class ModelPageLink(BaseOperatorLink):
    """The page of the model: what serves, what was decided, and what may be done."""

    name = "Model"
    xcom_key = "_link_mlops_model"

    def get_link(self, operator: Any, *, ti_key: object) -> str:
        """Return the page's address in Airflow."""
        return model_page_url(conf.get("api", "base_url", fallback="") or "", operator.model_spec.name)


class MlflowRunLink(BaseOperatorLink):
    """The run in MLflow, where the tracking server has pages."""

    name = "MLflow run"
    xcom_key = "_link_mlops_mlflow_run"

    def get_link(self, operator: Any, *, ti_key: object) -> str:
        """Return the run's address in MLflow, or nothing."""
        return getattr(operator, "mlflow_run_url", None) or ""
