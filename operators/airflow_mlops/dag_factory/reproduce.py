"""The DAG that trains the champion again from what was recorded, by the clock or when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronTriggerTimetable, Param

from airflow_mlops.dag_factory.pages import reproduce_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, now_param, task_settings, version_template
from airflow_mlops.operators.reproduce import ReproduceOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec


def reproduce_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the reproduction DAG of a spec: ``{name}_reproduce``, by ``reproduce.schedule`` or by hand.

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
    cron = spec.reproduce.schedule
    with DAG(
        **dag_settings(spec, "reproduce", reproduce_page(spec)),
        schedule=CronTriggerTimetable(cron, timezone="UTC") if cron else None,
        description=f"Can the training of {spec.name} be repeated?",
        params={
            "version": Param(
                None, type=["string", "null"], title="Version", description="Which one. Empty: the champion."
            ),
            "now": now_param(spec),
        },
    ) as dag:
        # As it is a training, it runs where trainings run.
        ReproduceOperator(version=version_template("version"), **task_settings(spec, "train", "reproduce"))
    return dag
