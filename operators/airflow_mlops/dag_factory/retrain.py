"""The DAG that trains a challenger and lets it replace the champion if it is not worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param, TaskGroup, chain

from airflow_mlops.assets import retrain_asset, snapshot_asset
from airflow_mlops.dag_factory.pages import retrain_page
from airflow_mlops.dag_factory.settings import dag_settings, loaded, now_param, reason_param, task_settings
from airflow_mlops.operators.approve import ApproveOperator
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.evaluate import EvaluateOperator
from airflow_mlops.operators.features import FeaturesOperator
from airflow_mlops.operators.ingest import IngestOperator
from airflow_mlops.operators.register import RegisterOperator
from airflow_mlops.operators.request import RequestOperator
from airflow_mlops.operators.train import TrainOperator
from airflow_mlops.operators.validate import ValidateOperator
from airflow_mlops.operators.weigh import WeighOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Asset

    from airflow_mlops.spec import ModelSpec


# An asset starts a run without a form, so where it stands and what it trains on is what the first task found out.
NOW = "{{ ti.xcom_pull(task_ids='request')['now'] }}"
WINDOW = "{{ ti.xcom_pull(task_ids='request')['window'] }}"
ACTION = "{{ ti.xcom_pull(task_ids='request')['action'] }}"
# Of a task that goes on where a training was skipped, but neither where it failed nor where nobody asked for anything.
TRAINED_OR_NOT = "none_failed_min_one_success"


def retrain_dag(spec: ModelSpec | str | Path) -> DAG:
    """Make the retrain DAG of a spec: ``{name}_retrain``.

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
        **dag_settings(spec, "retrain", retrain_page(spec)),
        schedule=_schedule(spec),
        description=f"Train, judge and deploy {spec.name}",
        params=_params(spec),
    ) as dag:
        training = ["ingest", *(["ingest_labels"] if spec.data.labels else [])]
        request = RequestOperator(
            window="{{ params.window or '' }}",
            reason="{{ params.reason or '' }}",
            training=training if spec.retrain.weighs_versions else [],
            **task_settings(spec, "request"),
        )
        with TaskGroup(
            "data", group_display_name="Data", prefix_group_id=False, tooltip="Rows come in and are checked"
        ):
            ingest = IngestOperator(now=NOW, **task_settings(spec, "ingest"))
            labels = _ingest_labels(spec)
            validate = ValidateOperator(
                snapshot=ingest.output, now=NOW, outlets=[snapshot_asset(spec.name)], **task_settings(spec, "validate")
            )
        with TaskGroup(
            "model", group_display_name="Model", prefix_group_id=False, tooltip="A challenger is trained and judged"
        ):
            features = FeaturesOperator(
                snapshots=[ingest.output],
                label_snapshots=[label.output for label in labels],
                window=WINDOW,
                now=NOW,
                **task_settings(spec, "features"),
            )
            train = TrainOperator(features=features.output, now=NOW, **task_settings(spec, "train"))
            model = _weigh(spec, request, train) if spec.retrain.weighs_versions else train
            evaluate = _evaluate(spec, model, train)
        with TaskGroup(
            "release", group_display_name="Release", prefix_group_id=False, tooltip="It is registered, and serves"
        ):
            _release(spec, model, evaluate)
        request >> [ingest, *labels]
        validate >> features
    return dag


def _ingest_labels(spec: ModelSpec) -> list[IngestOperator]:
    """Make what reads the labels, where they come from a source of their own."""
    if spec.data.labels is None:
        return []
    return [IngestOperator(part="labels", now=NOW, **task_settings(spec, "ingest", "ingest_labels"))]


def _weigh(spec: ModelSpec, request: RequestOperator, train: TrainOperator) -> WeighOperator:
    return WeighOperator(
        model=train.output,
        request=request.output,
        now=NOW,
        trigger_rule=TRAINED_OR_NOT,
        **task_settings(spec, "weigh"),
    )


def _evaluate(spec: ModelSpec, model: WeighOperator | TrainOperator, train: TrainOperator) -> EvaluateOperator:
    settings = task_settings(spec, "evaluate")
    if model is train:
        return EvaluateOperator(model=train.output, now=NOW, **settings)
    return EvaluateOperator(
        model=model.output, trained=train.output, action=ACTION, now=NOW, trigger_rule=TRAINED_OR_NOT, **settings
    )


def _release(spec: ModelSpec, model: WeighOperator | TrainOperator, evaluate: EvaluateOperator) -> None:
    """Make what brings a version that passed to where it serves."""
    register = RegisterOperator(
        model=model.output, evaluation=evaluate.output, now=NOW, **task_settings(spec, "register")
    )
    deploy = DeployOperator(model=register.output, evaluation=evaluate.output, now=NOW, **task_settings(spec, "deploy"))
    chain(*_approve(spec, register, evaluate), deploy)


def _approve(spec: ModelSpec, register: RegisterOperator, evaluate: EvaluateOperator) -> list[ApproveOperator]:
    """Make who may have to approve between *register* and *deploy*: nobody, one person, or two with four eyes."""
    if spec.approval is None:
        return []
    about: dict[str, Any] = {"model": register.output, "evaluation": evaluate.output, "now": NOW}
    approve = ApproveOperator(**about, **task_settings(spec, "approve"))
    if not spec.approval.four_eyes:
        return [approve]
    return [approve, ApproveOperator(first=approve.output, **about, **task_settings(spec, "approve", "approve_second"))]


def _params(spec: ModelSpec) -> dict[str, Param]:
    params = {"now": now_param(spec), "window": _window_param(spec), "reason": reason_param()}
    if spec.approval is not None:
        params["ask"] = Param(
            False,
            type="boolean",
            title="Ask a person",
            description="Ask a person before it serves, whatever the spec says.",
        )
    return params


def _schedule(spec: ModelSpec) -> AssetOrTimeSchedule | list[Asset]:
    """Start by the clock where the spec has one, and always when the retrain asset asks."""
    asked = [retrain_asset(spec.name)]
    if spec.retrain.schedule is None:
        return asked
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable(spec.retrain.schedule, timezone="UTC"), assets=asked)


def _window_param(spec: ModelSpec) -> Param:
    return Param(
        None,
        type=["string", "null"],
        enum=["all", "recent", "mix", None],
        values_display={"null": "as the spec says"},
        title="Training window",
        description=f"What of the rows it is trained on; the spec says '{spec.train.window}'.",
    )
