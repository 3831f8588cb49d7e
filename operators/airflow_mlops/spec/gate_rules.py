"""Rules over which test and which measures of fairness fit a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]

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
