"""The DAG that writes the champion's predictions for new rows to a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronTriggerTimetable

from airflow_mlops.dag_factory.pages import score_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, now_param, reason_param, task_settings
from airflow_mlops.dag_factory.task_pages import task_page
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.score import ScoreOperator
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec


def score_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the score DAG of a spec: ``{name}_score``.

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
    cron = spec.score.schedule
    with DAG(
        **dag_settings(spec, "score", score_page(spec)),
        schedule=CronTriggerTimetable(cron, timezone="UTC") if cron else None,
        description=f"Write the predictions of {spec.name} for new rows to a table",
        params={"now": now_param(spec), "reason": reason_param()},
    ) as dag:
        settings = {**task_settings(spec, "ingest"), "doc_md": task_page("ingest", spec, spec.score_window)}
        ingest = IngestOperator(window=format_duration(spec.score_window), **settings)
        validate = ValidateOperator(snapshot=ingest.output, **task_settings(spec, "validate"))
        score = ScoreOperator(snapshot=ingest.output, **task_settings(spec, "score"))
        validate >> score
    return dag
