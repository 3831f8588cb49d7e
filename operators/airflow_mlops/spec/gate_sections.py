"""Sections for how a challenger is judged: on which rows, by which test, and beside what else."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from airflow_mlops.spec.durations import Duration
from airflow_mlops.spec.section import Section

# Fewer blocks say nothing of how much blocks differ, and rows taken as independent would pass every third challenger
# that is worse by the margin; `docs/statistics.md` shows the error rates.
FEWEST_BLOCKS = 5


Measure = Literal["loss", "selection_rate", "true_positive_rate", "false_positive_rate", "mean_prediction"]


class Guard(Section):
    """A further loss, over all held-out rows or those of one slice, in which the challenger must not be worse."""

    column: str | None = Field(None, description="Raw column of the slice; none: all rows.")
    value: str | int | float | bool | None = Field(None, description="Its value in the slice.")
    metric: str | None = Field(None, description="Loss; default: the gate's.")
    margin: float = Field(
        0.05, ge=0, description="Relative increase over the champion's loss that is still 'not worse'."
    )


class WorstSlice(Section):
    """A search for the slice on which the challenger does worst beside the champion."""

    columns: list[str] = Field(default_factory=list, description="Raw columns searched; default: features.columns.")
    margin: float = Field(0.1, ge=0, description="Relative increase on a slice that is still let pass.")
    min_rows: int = Field(100, ge=20, description="Smaller slices are not looked at.")
    depth: int = Field(2, ge=1, le=3, description="Most columns that make a slice together.")
    bins: int = Field(4, ge=2, le=20, description="Parts of equal size that a number is cut into.")
    false_alarms: float = Field(
        0.05, gt=0, lt=1, description="Share of searches in which some slice may be called worse where none is."
    )


class Fairness(Section):
    """How groups may differ; measured with intervals, beside the champion's."""

    columns: list[str] = Field(default_factory=list, description="Columns that name the groups; may be sensitive ones.")
    measures: tuple[Measure, ...] = Field(
        ("loss",), min_length=1, description="What is compared between the groups: the largest gap."
    )
    margin: float = Field(0.05, ge=0, description="How much wider than the champion's a gap may be shown to be.")
    limit: float | None = Field(None, ge=0, description="And how wide at all.")
    min_rows: int = Field(50, ge=10, description="Smaller groups are left out, and named.")


class Cost(Section):
    """What a challenger may cost beside the champion, both measured on the same machine; ratios."""

    latency: float = Field(3.0, gt=1, description="Median time of one row.")
    memory: float = Field(3.0, gt=1, description="Memory that loading and predicting adds.")
    size: float = Field(10.0, gt=1, description="Bytes of the stored model.")


class GateSpec(Section):
    """When a challenger may replace the champion."""

    metric: str | None = Field(None, description="Loss that decides; default log_loss, or mean_absolute_error.")
    test: Literal["bootstrap", "diebold_mariano", "mcnemar", "delong"] = Field(
        "bootstrap",
        description="Paired test: bootstrap of any loss; diebold_mariano for losses in order of time; mcnemar for the "
        "error rate, delong for the area under the ROC curve of a binary classification.",
    )
    goal: Literal["not_worse", "better"] = Field(
        "not_worse", description="Shown not to be worse by the margin (non-inferiority), or shown to be better by it."
    )
    margin: float = Field(
        0.01, ge=0, description="Relative difference of the loss; with goal not_worse allowed, with better demanded."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided confidence of each bound.")
    resamples: int = Field(1000, ge=200, description="Bootstrap resamples of the holdout's rows.")
    min_rows: int = Field(200, ge=20, description="Fewer held-out rows are not enough labels.")
    block: Duration | None = Field(
        timedelta(days=4), description="Rows of one such stretch of time are resampled together; null: each by itself."
    )
    guards: list[Guard] = Field(default_factory=list, description="Further losses that must not be worse.")
    worst_slice: WorstSlice | None = Field(default_factory=WorstSlice, description="null: no search.")
    fairness: Fairness | None = Field(None, description="Groups that are compared.")
    cost: Cost | None = Field(default_factory=Cost, description="null: nothing is measured.")
    coverage: float = Field(0.99, gt=0, le=1, description="Share of held-out rows that must get a finite answer.")
    max_gain: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A loss lower than the champion's by more than this part is too good: a column may leak.",
    )
    min_rows_share: float = Field(
        0.02, ge=0, lt=1, description="Rows trained on, as a part of the champion's; fewer are refused."
    )
    max_seen: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Share of held-out rows it may have trained on; they are left out, more refuse it.",
    )
    behaviour: str | None = Field(
        None, description="Behaviour cases beside the spec, YAML: invariance, direction, known rows."
    )


class EvaluateSpec(Section):
    """How a challenger is judged."""

    holdout: Duration = Field(timedelta(days=28), description="Last part of the window, never trained on.")
    metrics: list[str] = Field(default_factory=list, description="Further metrics by scikit-learn name.")
    slices: list[str] = Field(default_factory=list, description="Raw columns whose values get metrics of their own.")
    min_slice_rows: int = Field(50, ge=10, description="Smaller slices are not reported.")
    gate: GateSpec = Field(default_factory=GateSpec, description="When a challenger may replace the champion.")
