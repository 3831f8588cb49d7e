"""Run DAGs in this process, started by hand or as by the scheduler when an asset has rung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.sdk import DAG


@dataclass
class Run:
    """What came of a run: its state, those of its tasks, what these returned, and how often the asset rang."""

    state: str
    tasks: dict[str, str]
    results: dict[str, Any]
    rings: list[dict[str, Any]]


def run_dag(dag: DAG, *, model: str = "flights", by_asset: bool = False, **conf: Any) -> Run:
    """Run a DAG once."""
    before = len(rings(model))
    with pytest.MonkeyPatch.context() as patch:
        if by_asset:
            patch.setattr("airflow.models.dagrun.get_or_create_dagrun", _as_the_scheduler_would)
        done = dag.test(logical_date=None, run_conf=conf)
    tasks = done.get_task_instances()
    return Run(
        str(done.state),
        {ti.task_id: str(ti.state) for ti in tasks},
        {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in tasks if str(ti.state) == "success"},
        rings(model)[before:],
    )


def rings(model: str = "flights") -> list[dict[str, Any]]:
    """Return what the retrain asset's events say, oldest first."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        named = events.where(AssetModel.name == f"{model}/retrain").order_by(AssetEvent.id)
        return [event.extra for event in session.scalars(named)]


def _as_the_scheduler_would(**arguments: Any) -> Any:
    """Make the run that `dag.test` makes, started by an asset and not by hand."""
    from airflow.utils.types import DagRunType

    return arguments["dag"].create_dagrun(
        run_id=arguments["run_id"].replace("manual", "asset_triggered"),
        logical_date=None,
        data_interval=None,
        run_after=arguments["run_after"],
        run_type=DagRunType.ASSET_TRIGGERED,
        triggered_by=arguments["triggered_by"],
        state="running",
        start_date=arguments["start_date"],
        session=arguments["session"],
    )
