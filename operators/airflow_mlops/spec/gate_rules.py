"""Rules over which test and which measures of fairness fit a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.spec.vocabulary import LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]
    Found = tuple[str, Location, str]

_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


def paired_test(spec: ModelSpec) -> Iterator[Broken]:
    """Let a test be chosen only for the losses that it is made for."""
    gate = spec.evaluate.gate
    if gate.test == "mcnemar" and (spec.task == "regression" or gate.metric != "zero_one"):
        yield (
            ("evaluate", "gate", "test"),
            "mcnemar compares error rates of a classification; add metric: zero_one, or take bootstrap",
        )
    if gate.test == "delong" and spec.task != "binary":
        yield (
            ("evaluate", "gate", "test"),
            f"delong compares rankings of a binary classification, and the task is {spec.task}; take bootstrap",
        )


def groups(spec: ModelSpec) -> Iterator[Broken]:
    """Let groups be compared only by what the task has, and only where columns name them."""
    fairness = spec.evaluate.gate.fairness
    if fairness is None:
        return
    if not fairness.columns:
        yield ("evaluate", "gate", "fairness", "columns"), "no column names the groups; name one, or leave fairness out"
    for index, measure in enumerate(fairness.measures):
        is_rate = measure in _RATES and spec.task != "binary"
        if is_rate or (measure == "mean_prediction" and spec.task == "multiclass"):
            yield (
                ("evaluate", "gate", "fairness", "measures", index),
                f"a task of kind {spec.task} has no {measure}; take loss",
            )


def guards(spec: ModelSpec) -> Iterator[Broken]:
    """Let a guard name a loss that the task has, and a slice by its column and its value."""
    losses = LOSSES["regression" if spec.task == "regression" else "classification"]
    for index, guard in enumerate(spec.evaluate.gate.guards):
        at = ("evaluate", "gate", "guards", index)
        if guard.metric is not None and guard.metric not in losses:
            yield (*at, "metric"), f"found {guard.metric!r}, expected a loss of the task: {', '.join(losses)}"
        if guard.column is None and guard.value is not None:
            yield (*at, "value"), "names the value of no column; add the column, or leave the value out for all rows"
        if guard.column is not None and "value" not in guard.model_fields_set:
            yield (*at, "column"), "has no value beside it; add the value that makes the slice, null for rows without"


def strangers(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn of a column that the gate looks at and the spec names nowhere else: rows without it stop *evaluate*."""
    from airflow_mlops.spec.rules import close_match

    gate, data = spec.evaluate.gate, spec.data
    known = dict.fromkeys((*spec.features.columns, *data.sensitive, *data.key, data.time, data.target))
    asked: list[tuple[Location, str]] = [
        (("guards", index, "column"), guard.column) for index, guard in enumerate(gate.guards) if guard.column
    ]
    for section, settings in (("worst_slice", gate.worst_slice), ("fairness", gate.fairness)):
        asked += [
            ((section, "columns", index), name) for index, name in enumerate(settings.columns if settings else ())
        ]
    for place, name in asked:
        if name not in known:
            yield (
                "warning",
                ("evaluate", "gate", *place),
                f"{name!r} is named nowhere else in the spec, and evaluate stops where rows lack it"
                f"{close_match(name, known)}",
            )
