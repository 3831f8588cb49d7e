"""The DAG that only ingests, a run a part, so that Airflow's backfill fills in history and reads days again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, CronPartitionTimetable, Param

from airflow_mlops.dag_factory.pages import ingest_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, reason_param, task_settings
from airflow_mlops.errors import SpecError
from airflow_mlops.operators.ingest import IngestOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.spec import ModelSpec

# The partition is named by the moment its run stands at; a run by hand has none.
_NOW = "{{ params.get('now') or dag_run.partition_key or dag_run.run_after.isoformat() }}"


def ingest_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the ingest DAG of a spec: ``{name}_ingest``.

    Parameters
    ----------
    spec : ModelSpec, str or Path
        The spec, or its file; with ``ingest.schedule``.

    Raises
    ------
    SpecError
        The file has faults, or names no ``ingest.schedule``.
    """
    spec = loaded(spec)
    cron = spec.ingest.schedule
    if cron is None:
        raise SpecError(f"{spec.name} names no ingest.schedule, so it has no ingest DAG; give it a cron expression.")
    with DAG(
        **dag_settings(spec, "ingest", ingest_page(spec)),
        schedule=CronPartitionTimetable(cron, timezone="UTC"),
        description=f"Bring the rows of {spec.name} in a part at a time, also those of long ago",
        params={"now": _now_param(), "reason": reason_param()},
    ) as dag:
        IngestOperator(now=_NOW, whole_parts=True, **task_settings(spec, "ingest"))
        if spec.data.labels:
            settings = task_settings(spec, "ingest", "ingest_labels")
            IngestOperator(part="labels", now=_NOW, whole_parts=True, **settings)
    return dag


def _now_param() -> Param:
    """Return the parameter ``now``; never that of the spec, which would hold every partition to one moment."""
    return Param(
        None,
        type=["string", "null"],
        format="date-time",
        title="Now",
        description="The run brings the last part that has ended by then. Empty: the partition, or the clock.",
    )
