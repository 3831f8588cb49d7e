"""What travels of models: bytes, the verdict on them, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.refs.base import Ref

# Verdicts of an evaluation with which a challenger may go on; the second is what earlier releases wrote.
PASSED = ("pass", "passed")


@dataclass(frozen=True, slots=True)
class ModelRef(Ref):
    """A fitted model in the artifact store; ``version`` once it is registered.

    ``members`` are the weights by model id of a committee, and empty for a trained model; ``correction`` is what is
    added to the output on link scale: a number, or one a class.
    """

    id: str
    uri: str
    digest: str
    serialization: str
    estimator: str
    rows: int
    features: dict[str, Any]
    registered_name: str | None = None
    version: str | None = None
    mlflow_run_id: str | None = None
    same_as: str | None = None
    members: dict[str, float] = field(default_factory=dict)
    correction: float | list[float] | None = None


@dataclass(frozen=True, slots=True)
class EvaluationRef(Ref):
    """The verdict on a challenger, with the epoch it was judged against.

    ``verdict`` is "pass", "fail" or "not enough labels". ``action`` is what asked for it, ``gate`` is "full" after a
    training and "light" where nothing was trained, and ``trained_id`` names the model that was trained for it, which
    may be a member of the challenger only. ``risks`` are what the spec may want a person to see before it serves.
    """

    id: str
    uri: str
    verdict: str
    reasons: list[str]
    metrics: dict[str, float]
    epoch: int
    champion_version: str | None = None
    html_uri: str | None = None
    mlflow_run_id: str | None = None
    model_id: str | None = None
    action: str = "retrain"
    gate: str = "full"
    trained_id: str | None = None
    risks: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the challenger may replace the champion."""
        return self.verdict in PASSED


@dataclass(frozen=True, slots=True)
class ApprovalRef(Ref):
    """Whether a version may serve: by itself, or by whom and why.

    ``answer`` is "automatic", "approved" or "rejected"; ``by`` are the users who answered.
    """

    answer: str
    version: str
    reason: str
    risks: list[str]
    by: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeploymentRef(Ref):
    """What serves after a deploy, and at which epoch."""

    model: str
    version: str
    epoch: int
    promoted: bool
    previous_version: str | None = None
    latency_ms: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class ReproductionRef(Ref):
    """Whether a version, trained again from what was recorded, predicts the same.

    ``verdict`` is "same" or "different"; ``first_difference`` names the part of the chain from which on it differs, and
    ``largest_difference`` is of a prediction, None where the answers cannot be compared.
    """

    model: str
    version: str
    verdict: str
    sentence: str
    largest_difference: float | None = None
    first_difference: str | None = None
