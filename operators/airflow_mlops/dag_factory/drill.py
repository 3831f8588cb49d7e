"""The DAG that rehearses a rollback by the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronTriggerTimetable

from airflow_mlops.dag_factory.pages import drill_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, now_param, task_settings
from airflow_mlops.operators.drill import DrillOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec


def drill_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the drill DAG of a spec: ``{name}_drill``, by ``drill.schedule`` or by hand.

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
    cron = spec.drill.schedule
    with DAG(
        **dag_settings(spec, "drill", drill_page(spec)),
        schedule=CronTriggerTimetable(cron, timezone="UTC") if cron else None,
        description=f"How long would a rollback of {spec.name} take?",
        params={"now": now_param(spec)},
    ) as dag:
        DrillOperator(**task_settings(spec, "act", "drill"))
    return dag
