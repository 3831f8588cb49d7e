"""Sections for who may let a version serve, what sends it back, and what is promised of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from airflow_mlops.spec.cron import Cron
from airflow_mlops.spec.durations import Duration
from airflow_mlops.spec.section import Section
from airflow_mlops.spec.vocabulary import Risk


class ApprovalSpec(Section):
    """Which changes a person has to approve before they serve; the others go by themselves."""

    needs: list[Risk] = Field(
        default_factory=list, description="Risks for which a person is asked; none: only where a run's form asks."
    )
    approvers: list[str] = Field(
        default_factory=list, description="User ids that may answer; default: whoever may write to the DAG's runs."
    )
    four_eyes: bool = Field(
        False, description="Two people have to approve, neither of them the one who started the run."
    )
    expires: Duration = Field(timedelta(days=1), description="Time of the clock after which no answer is a rejection.")


class Bake(Section):
    """How a version is watched after its promotion, and what breaks its trial."""

    window: Duration = Field(timedelta(days=14), description="Event time in which the guard signals are watched.")
    loss: float = Field(
        0.1, gt=0, description="Relative rise over what the version before would have lost on the same rows, shown."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided, of that rise.")
    watch: Duration = Field(timedelta(minutes=30), description="Time of the clock in which the server is watched.")
    errors: float = Field(0.05, gt=0, le=1, description="Share of the server's requests that may fail by its fault.")
    latency_ms: float | None = Field(None, gt=0, description="99th percentile of a request's time; none: not watched.")
    min_requests: int = Field(50, ge=1, description="Fewer requests say nothing.")


class Objective(Section):
    """What is promised: a limit, and the share of the time in which it is kept."""

    target: float = Field(0.95, gt=0, lt=1, description="Share of what is counted that has to be good.")


class QualityObjective(Objective):
    """Loss of a labelled window, by the row."""

    limit: float = Field(gt=0, description="Loss of a window above which its labelled rows count as bad.")


class FreshnessObjective(Objective):
    """Age of the newest row at a look."""

    limit: Duration = Field(description="Older at a look: the look counts as bad.")


class CompletenessObjective(Objective):
    """Rows that came, of those that usually come, and labels of those that are due."""

    limit: float = Field(0.9, gt=0, le=1, description="Share of labels known when they are due; fewer: a bad window.")


class LatencyObjective(Objective):
    """Time of one request to the server."""

    limit_ms: float = Field(gt=0, description="Slower: a bad request.")


class LoopObjective(Objective):
    """Time from a decision to its end: a promotion, or a verdict against it."""

    limit: Duration = Field(description="Longer by the clock: a bad run, and Airflow's deadline alert.")


class SloSpec(Section):
    """What is promised of the model, and what is done when it is not kept."""

    period: Duration = Field(timedelta(days=28), description="Event time over which an error budget is counted.")
    quality: QualityObjective | None = Field(None, description="Loss of the served predictions.")
    freshness: FreshnessObjective | None = Field(None, description="Age of the newest row.")
    completeness: CompletenessObjective | None = Field(None, description="Labels that have arrived when they are due.")
    latency: LatencyObjective | None = Field(None, description="Time of one request.")
    loop_time: LoopObjective | None = Field(None, description="Time from a decision to its end.")
    freeze: bool = Field(
        True, description="A spent budget freezes promotions of challengers by themselves; a person may approve one."
    )


class AliasesSpec(Section):
    """MLflow's alias for each role that one version has; null: none."""

    champion: str = Field("champion", min_length=1, description="Of what serves.")
    candidate: str | None = Field("challenger", description="Of the newest version that has not served.")
    shadow: str | None = Field("shadow", description="Of the version that answers beside the champion, unseen.")
    retired: str | None = Field("previous", description="Of the version that served before.")


class ReproduceSpec(Section):
    """Whether the champion's training can be repeated from what was recorded."""

    schedule: Cron | None = Field(None, description="Cron of the check; none: by hand.")
    tolerance: float = Field(1e-6, ge=0, description="Largest absolute difference of a prediction.")


class DrillSpec(Section):
    """A rollback that is only rehearsed."""

    schedule: Cron | None = Field(None, description="Cron of the drill DAG; none: by hand.")
    limit: Duration = Field(timedelta(seconds=10), description="Longest time to restore; longer fails the drill.")


class RetentionSpec(Section):
    """What is kept; what serves, what it may go back to, and all members of both are kept in any case."""

    versions: int = Field(50, ge=2, description="Newest registered versions kept with their bytes.")
    reports: Duration = Field(timedelta(days=400), description="Reports and scorecards, event time.")
    predictions: Duration = Field(timedelta(days=400), description="Prediction log, event time.")
    snapshots: Duration = Field(timedelta(days=400), description="Snapshots that no kept version was trained on.")


ByHand = Literal["restore", "adopt", "ask"]
