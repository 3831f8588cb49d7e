"""Who is played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy under the name that the report gives it."""

    name: str
    policy: Policy


def own_candidates(spec: ModelSpec) -> list[Candidate]:
    """Name the policies of a spec: its own, and the one in shadow."""
    found = [Candidate(f"{spec.retrain.policy.kind} (spec)", spec.retrain.policy)]
    if spec.retrain.shadow is not None:
        found.append(Candidate(f"{spec.retrain.shadow.kind} (shadow)", spec.retrain.shadow))
    return found
