"""The DAG that looks at new rows and changes nothing that serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronTriggerTimetable

from airflow_mlops.dag_factory.pages import monitor_page, task_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, now_param, reason_param, task_settings
from airflow_mlops.operators.drift import DriftOperator
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec


def monitor_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the monitor DAG of a spec: ``{name}_monitor``.

    Parameters
    ----------
    spec : ModelSpec, str or Path
        The spec, or its file.

    Raises
    ------
    SpecError
        The file has faults.
    """
    spec = loaded(spec)
    cron = spec.monitor.schedule
    with DAG(
        **dag_settings(spec, "monitor"),
        schedule=CronTriggerTimetable(cron, timezone="UTC") if cron else None,
        description=f"Check new rows of {spec.name} and compare them with the training data",
        doc_md=monitor_page(spec),
        params={"now": now_param(spec), "reason": reason_param()},
    ) as dag:
        window = spec.monitor.window or spec.ingest.window
        settings = {**task_settings(spec, "ingest"), "doc_md": task_page("ingest", spec, window)}
        ingest = IngestOperator(window=format_duration(window), **settings)
        validate = ValidateOperator(snapshot=ingest.output, **task_settings(spec, "validate"))
        drift = DriftOperator(current=ingest.output, **task_settings(spec, "drift"))
        validate >> drift
    return dag
