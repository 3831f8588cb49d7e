"""Rules over who has to approve a change, and over sensitive columns that the model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]
    Found = tuple[str, Location, str]


def sensitive_features(spec: ModelSpec) -> Iterator[Broken]:
    """Let a sensitive column be a feature only where the spec says why, and a person has to approve."""
    taken, columns = spec.features.sensitive, spec.features.columns
    for index, name in enumerate(columns):
        if name in spec.data.sensitive and not taken.get(name, "").strip():
            yield (
                ("features", "columns", index),
                f"{name!r} is in data.sensitive; leave it out, or say in features.sensitive why the model needs it",
            )
    for name in taken:
        if name not in spec.data.sensitive or name not in columns:
            lacking = "data.sensitive" if name not in spec.data.sensitive else "features.columns"
            yield ("features", "sensitive", name), f"{name!r} is not in {lacking}; take it out here, or name it there"
    asked = spec.approval.needs if spec.approval else []
    if taken and "sensitive_columns" not in asked:
        yield (
            ("features", "sensitive"),
            "the model takes sensitive columns, so a person has to approve: add 'sensitive_columns' to approval.needs",
        )


def four_eyes(spec: ModelSpec) -> Iterator[Broken]:
    """Check that two people can be found among those who are named."""
    approval = spec.approval
    if approval is not None and approval.four_eyes and len(set(approval.approvers)) == 1:
        yield (
            ("approval", "approvers"),
            f"names {approval.approvers[0]!r} alone, and approval.four_eyes wants two people; name more, or none, so "
            "that anybody may whom Airflow lets",
        )


def nobody_is_asked(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where people are named who are never asked."""
    if spec.approval is not None and spec.approval.approvers and not spec.approval.needs:
        yield (
            "warning",
            ("approval", "needs"),
            "is empty, so those in approval.approvers are asked only where a run's form says so; name the risks for "
            "which they are to be asked, such as first_version",
        )
