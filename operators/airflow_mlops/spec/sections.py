"""One frozen model per section of a spec; the section's name is the stage's name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from airflow_mlops.spec.control_sections import (
    AliasesSpec,
    ApprovalSpec,
    Bake,
    ByHand,
    DrillSpec,
    ReproduceSpec,
    RetentionSpec,
    SloSpec,
)
from airflow_mlops.spec.data_sections import DriftSpec, IngestSpec, Source, ValidateSpec
from airflow_mlops.spec.durations import Duration
from airflow_mlops.spec.gate_sections import EvaluateSpec
from airflow_mlops.spec.loop_sections import MonitorSpec, RetrainSpec, ScoreSpec
from airflow_mlops.spec.notify_section import NotifySpec
from airflow_mlops.spec.section import Section

Window = Literal["all", "recent", "mix"]
Task = Literal["binary", "multiclass", "regression"]


class LabelsSpec(Section):
    """Labels with a source of their own, as of the run's ``now``; each joins the row with the same key.

    With ``time`` the key names an entity that has many rows; a label joins its latest row at or before that time.
    """

    source: Source = Field(description="Where labels come from.")
    key: list[str] = Field(min_length=1, description="Columns that identify the row, or entity, a label belongs to.")
    arrived: str = Field(description="Column with the time the label became known.")
    time: str | None = Field(None, description="Column with the label's own event time, where the key is an entity.")
    tolerance: Duration | None = Field(
        None, description="With time: how much older than its label a row may be, at most."
    )


class DataSpec(Section):
    """What the rows are."""

    source: Source = Field(description="Where rows come from.")
    time: str = Field(description="Column with the event time, UTC unless it carries a zone.")
    key: list[str] = Field(default_factory=list, description="Columns that identify a row.")
    target: str = Field(description="Column to predict.")
    labels: LabelsSpec | None = Field(None, description="Set where labels come from another source than the rows.")
    label_delay: Duration = Field(timedelta(0), description="Time after the event until its label is known.")
    sensitive: list[str] = Field(
        default_factory=list,
        description="Columns never written to quarantine, golden rows, input examples, Data Docs or reports.",
    )


class FeaturesSpec(Section):
    """From raw columns to what the estimator sees; all of it is packed inside the model."""

    columns: list[str] = Field(min_length=1, description="Raw columns the model takes; they are its signature.")
    derive: dict[str, str] = Field(
        default_factory=dict,
        description="New columns as pandas expressions over raw columns: {hour: 'sched_dep_time // 100'}. Stateless.",
    )
    transformer: str = Field(
        "airflow_mlops.stages.features.tabular",
        description="Import path of a transformer, or of a function that makes one. Fitted on training rows only.",
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of the transformer.")
    sensitive: dict[str, str] = Field(
        default_factory=dict,
        description="Columns of data.sensitive that the model takes all the same, each with the reason; a person has "
        "to approve (approval.needs: sensitive_columns).",
    )


class TrainSpec(Section):
    """What to fit, and on which rows."""

    estimator: str = Field(description="Short name (hist_gradient_boosting, linear, random_forest) or import path.")
    params: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of the estimator.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    window: Window = Field("all", description="all history, recent rows, or a mix: half of the weight on recent rows.")
    recent: Duration = Field(timedelta(days=28), description="What counts as recent, back from the holdout's start.")


# A window whose labels are late is measured again for so many windows, where monitor.reopen says nothing else.
REOPENED_WINDOWS = 4


class RegisterSpec(Section):
    """Where the model goes in MLflow."""

    experiment: str | None = Field(None, description="Default: the spec's name.")
    model: str | None = Field(None, description="Registered model name; default: the spec's name.")
    input_example_rows: int = Field(3, ge=0, le=100, description="Rows of the input example; never sensitive columns.")
    aliases: AliasesSpec = Field(default_factory=AliasesSpec, description="MLflow's aliases by role.")
    by_hand: ByHand = Field(
        "restore",
        description="An alias that somebody moved in MLflow: set back, adopted as a promotion, or left for a person.",
    )


class DeploySpec(Section):
    """What a version must show before it serves."""

    golden_rows: int = Field(50, ge=1, le=1000, description="Rows replayed and compared with training's predictions.")
    tolerance: float = Field(1e-6, ge=0, description="Largest absolute difference of a replayed prediction.")
    max_latency_ms: float = Field(500.0, gt=0, description="Median latency of one row.")
    max_memory_mb: float = Field(2048.0, gt=0, description="Memory that loading and predicting may add.")
    timeout: Duration = Field(timedelta(minutes=5), description="Longest time to load and replay.")
    server: str | None = Field(
        None, description="Airflow connection of the model server that serves it; none: only batches are scored."
    )
    bake: Bake | None = Field(None, description="How it is watched after its promotion; null: not at all.")


class StageResources(Section):
    """Where a stage runs, and how long it may."""

    executor: str | None = Field(None, description="Name of one of Airflow's configured executors.")
    queue: str | None = Field(None, description="Queue of a Celery or Kubernetes worker.")
    pool: str | None = Field(None, description="Airflow pool.")
    timeout: Duration | None = Field(None, description="The task fails after this long.")
    retries: int | None = Field(None, ge=0, description="Retries after transient errors; default 2.")


class ResourcesSpec(Section):
    """Resources per stage; a stage left out uses Airflow's defaults."""

    ingest: StageResources = StageResources()
    validate_: StageResources = Field(StageResources(), alias="validate")
    features: StageResources = StageResources()
    train: StageResources = StageResources()
    weigh: StageResources = StageResources()
    evaluate: StageResources = StageResources()
    register_: StageResources = Field(StageResources(), alias="register")
    deploy: StageResources = StageResources()
    drift: StageResources = StageResources()
    request: StageResources = StageResources()
    decide: StageResources = StageResources()
    score: StageResources = StageResources()
    approve: StageResources = StageResources()
    bake: StageResources = StageResources()
    act: StageResources = StageResources()

    def of(self, stage: str) -> StageResources:
        """Return the resources of one stage by its word."""
        return getattr(self, {"validate": "validate_", "register": "register_"}.get(stage, stage))


class ModelSpec(Section):
    """Everything specific to one model."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,62}$", description="Lower-case identifier of DAGs and versions.")
    owner: str = Field(min_length=1, description="Team or person who answers for the model.")
    description: str = Field("", description="One sentence for the people who watch the model.")
    tags: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, description="Tags of the DAGs.")
    task: Task = Field(description="What kind of target.")
    data: DataSpec
    ingest: IngestSpec
    validate_: ValidateSpec = Field(default_factory=ValidateSpec, alias="validate")
    features: FeaturesSpec
    train: TrainSpec
    evaluate: EvaluateSpec = Field(default_factory=EvaluateSpec)
    register_: RegisterSpec = Field(default_factory=RegisterSpec, alias="register")
    deploy: DeploySpec = Field(default_factory=DeploySpec)
    drift: DriftSpec = Field(default_factory=DriftSpec)
    monitor: MonitorSpec = Field(default_factory=MonitorSpec)
    score: ScoreSpec = Field(default_factory=ScoreSpec)
    retrain: RetrainSpec = Field(default_factory=RetrainSpec)
    approval: ApprovalSpec | None = None
    slo: SloSpec | None = None
    notify: NotifySpec | None = None
    reproduce: ReproduceSpec = Field(default_factory=ReproduceSpec)
    drill: DrillSpec = Field(default_factory=DrillSpec)
    retention: RetentionSpec | None = None
    resources: ResourcesSpec = Field(default_factory=ResourcesSpec)
    _base_dir: Path = PrivateAttr(default_factory=Path)
    _file_name: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _columns_agree(self) -> ModelSpec:
        if self.data.target in self.features.columns:
            raise ValueError(f"features.columns holds the target {self.data.target!r}: the model would see its answer")
        return self

    @property
    def base_dir(self) -> Path:
        """Folder of the spec file; a suite's path is relative to it."""
        return self._base_dir

    @property
    def file_name(self) -> str:
        """Name of the spec file without its folder; empty where the spec was made in Python."""
        return self._file_name

    @property
    def monitor_window(self) -> timedelta:
        """How many rows one look of the monitor covers, back from now."""
        return self.monitor.window or self.ingest.window

    @property
    def label_wait(self) -> timedelta:
        """How long after its end a window waits for labels; then it is judged with those it has."""
        reopen = REOPENED_WINDOWS * self.monitor_window if self.monitor.reopen is None else self.monitor.reopen
        return self.data.label_delay + reopen

    @property
    def score_window(self) -> timedelta:
        """How many rows are scored as a batch, back from now."""
        return self.score.window or self.monitor_window

    @property
    def reads_prediction_log(self) -> bool:
        """Whether quality is measured on what a server answered; else the versions that served are asked again."""
        return (self.monitor.predictions or ("log" if self.deploy.server else "score")) == "log"

    @property
    def registered_model(self) -> str:
        """Name in the model registry."""
        return self.register_.model or self.name

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment."""
        return self.register_.experiment or self.name
