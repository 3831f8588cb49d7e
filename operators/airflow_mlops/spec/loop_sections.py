"""Sections for what happens between trainings: looking, deciding, asking for the next one, scoring batches."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from airflow_mlops.spec.cron import Cron
from airflow_mlops.spec.durations import Duration
from airflow_mlops.spec.policy_sections import CommitteePolicy, RulesPolicy, SinglePolicy
from airflow_mlops.spec.section import Section


class LandingSpec(Section):
    """Where files land; new ones that are complete start the monitor."""

    uri: str = Field(
        min_length=1, description="Folder or glob: /data/flights/, /data/flights/*.parquet, s3://bucket/flights/."
    )
    conn_id: str | None = Field(None, description="Airflow connection of the storage; none for local files.")
    every: Duration = Field(
        timedelta(minutes=1),
        description="Time between two looks; a file counts when its size and time were the same in both.",
    )


class MonitorSpec(Section):
    """When new data is looked at, and how much of it."""

    schedule: Cron | None = Field(None, description="Cron of the monitor DAG; without any of the four: by hand.")
    asset: str | None = Field(None, min_length=1, description="Airflow asset that says so: its name, or its URI.")
    marker: str | None = Field(
        None, min_length=1, description="File whose arrival says so; the triggerer watches for it and deletes it."
    )
    files: LandingSpec | None = Field(
        None, description="Place where files land, whose arrival says so; the triggerer looks and deletes nothing."
    )
    window: Duration | None = Field(None, description="Rows looked at, back from now; default: ingest.window.")
    predictions: Literal["log", "score"] | None = Field(
        None,
        description="Read the server's prediction log, or score the rows; default: log where deploy.server is set.",
    )
    min_labels: int = Field(200, ge=1, description="Fewer labelled predictions of a window say nothing of quality.")
    maturity: float = Field(
        0.9, ge=0, le=1, description="Share of a window's labels that must have arrived before its quality counts."
    )
    reopen: Duration | None = Field(
        None,
        description="How long after its labels became due a window is measured again as more of them arrive; then it "
        "is judged with what it has. Default: four windows.",
    )
    scorecard_rows: int = Field(
        5000,
        ge=100,
        description="Most labelled rows of a window that all versions of the pool are asked about, a seeded sample.",
    )


class ScoreSpec(Section):
    """When new rows are scored as a batch, and how many of them."""

    schedule: Cron | None = Field(None, description="Cron of the score DAG; none: by hand.")
    window: Duration | None = Field(None, description="Rows scored, back from now; default: monitor.window.")


class SchedulePolicy(Section):
    """Retrain by the schedule alone."""

    kind: Literal["schedule"] = "schedule"


class ExcessLossPolicy(Section):
    """Retrain when the champion has lost more than a fresh model would have, or when it is old."""

    kind: Literal["excess_loss"] = "excess_loss"
    threshold: float = Field(
        0.8,
        gt=0,
        description="Excess loss, accumulated over windows, that asks for a training, in units of a fresh loss.",
    )
    allowance: float = Field(
        0.5, ge=0, description="Part of the usual change from window to window that is noise and no excess."
    )
    max_age: Duration = Field(
        timedelta(days=180), description="When no training has ended for longer, one is asked for, whatever was lost."
    )
    cooldown: Duration = Field(
        timedelta(days=14), description="No training sooner than this after the last one that ended."
    )


Policy = Annotated[
    ExcessLossPolicy | SchedulePolicy | CommitteePolicy | SinglePolicy | RulesPolicy, Field(discriminator="kind")
]


class RetrainSpec(Section):
    """When the model is trained again."""

    schedule: Cron | None = Field(None, description="Cron of the retrain DAG; none: when the policy or a person asks.")
    now: datetime | None = Field(
        None, description="Default of the DAG parameter 'now', for data whose time stands still; not in production."
    )
    policy: Policy = Field(default_factory=ExcessLossPolicy, description="What decides between schedules.")
    shadow: Policy | None = Field(None, description="A second policy, which only records what it would decide.")

    @property
    def weighs_versions(self) -> bool:
        """Whether other weights, or another correction, of versions already trained may serve without a training.

        The policy in shadow counts: it may be had decide without a change of the spec.
        """
        return any(weighs_versions(policy) for policy in (self.policy, self.shadow) if policy is not None)


def weighs_versions(policy: Policy) -> bool:
    """Tell whether by this policy versions already trained may serve in other weights, or with another correction."""
    return policy.kind in ("committee", "single") or (policy.kind == "rules" and policy.correction is not None)
