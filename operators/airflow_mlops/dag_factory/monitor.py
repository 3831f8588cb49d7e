"""The DAG that looks at new rows and at what was answered, and decides whether the model needs a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, Param

from airflow_mlops.assets import landed_asset, marker_watcher, named_asset
from airflow_mlops.dag_factory.pages import monitor_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, now_param, reason_param, task_settings
from airflow_mlops.dag_factory.task_pages import task_page
from airflow_mlops.operators.decide import DecideOperator
from airflow_mlops.operators.drift import DriftOperator
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.notify import NotifyOperator
from airflow_mlops.operators.reconcile import ReconcileOperator
from airflow_mlops.operators.validate import JUDGEMENT, ValidateOperator
from airflow_mlops.spec.durations import format_duration
from airflow_mlops.triggers.landing import LandingTrigger

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk.definitions.asset import BaseAsset

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import LandingSpec


# What validate pushed, also where it failed: its own output is then not there.
_JUDGED = f"{{{{ ti.xcom_pull(task_ids='validate', key='{JUDGEMENT}') }}}}"


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
    with DAG(
        **dag_settings(spec, "monitor", monitor_page(spec)),
        schedule=_schedule(spec),
        description=f"Check new rows of {spec.name}, measure what it answered, and decide whether it needs a training",
        params={"now": now_param(spec), "reason": reason_param(), "report": _report_param()},
    ) as dag:
        # Each look judges the rows whose labels have become due: they lie one delay further back.
        window = spec.monitor_window + spec.data.label_delay
        settings = {**task_settings(spec, "ingest"), "doc_md": task_page("ingest", spec, window)}
        ingest = IngestOperator(window=format_duration(window), **settings)
        labels = None
        if spec.data.labels:
            settings = task_settings(spec, "ingest", "ingest_labels")
            labels = IngestOperator(part="labels", window=format_duration(window), **settings)
        validate = ValidateOperator(snapshot=ingest.output, **task_settings(spec, "validate"))
        decide = DecideOperator(
            snapshot=ingest.output,
            judgement=_JUDGED,
            label_snapshot=labels.output if labels else None,
            # Where rows are missing or bad there is a decision too: that nothing is trained on them.
            trigger_rule="all_done",
            **task_settings(spec, "decide"),
        )
        drift = DriftOperator(current=ingest.output, **task_settings(spec, "drift"))
        validate >> [decide, drift]
        # Beside the others: that MLflow is away keeps no decision from being taken.
        reconcile = ReconcileOperator(**task_settings(spec, "register", "reconcile"))
        if labels:
            # A leaf: without labels the run is red, though there is a decision.
            labels >> drift
        if spec.notify:
            # It runs whatever came of the others, and neither its own failure nor its success is the run's.
            tell = NotifyOperator(**task_settings(spec, "decide", "notify"))
            [decide, drift, reconcile] >> tell.as_teardown()
    return dag


def _schedule(spec: ModelSpec) -> CronTriggerTimetable | AssetOrTimeSchedule | BaseAsset | None:
    """Start by whichever of clock, asset, marker file and landing files the spec names comes first."""
    monitor = spec.monitor
    clock = CronTriggerTimetable(monitor.schedule, timezone="UTC") if monitor.schedule else None
    assets = [named_asset(monitor.asset, model=spec.name)] if monitor.asset else []
    watchers = [marker_watcher(spec.name, monitor.marker)] if monitor.marker else []
    landed = landed_asset(spec.name, watchers)
    if monitor.files:
        landed.watchers.append(_files_watcher(spec.name, landed.name, monitor.files))
    assets += [landed] if landed.watchers else []
    if not assets:
        return clock
    any_of = assets[0] if len(assets) == 1 else assets[0] | assets[1]
    return AssetOrTimeSchedule(timetable=clock, assets=any_of) if clock else any_of


def _report_param() -> Param:
    return Param(
        False,
        type="boolean",
        title="Draw the drift report",
        description="Draw Evidently's page even where nothing drifted.",
    )


def _files_watcher(name: str, asset: str, files: LandingSpec) -> AssetWatcher:
    trigger = LandingTrigger(files.uri, asset, files.conn_id, every_s=files.every.total_seconds())
    return AssetWatcher(name=f"{name}_files", trigger=trigger)
