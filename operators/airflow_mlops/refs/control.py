"""What travels of the loop: requests, decisions, and what was done with what serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.refs.base import Ref


@dataclass(frozen=True, slots=True)
class RequestRef(Ref):
    """Why a run goes on, where in event time it stands, and on which rows it trains.

    ``decision`` is the ledger's key of the decision that is taken, ``action`` what it asks for. Where that needs no
    training, ``weights`` are those of the members that are to serve, by model id.
    """

    cause: str
    now: str
    window: str
    reason: str
    decision: str | None = None
    action: str = "retrain"
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecisionRef(Ref):
    """What the monitor decided at a moment.

    ``id`` is the decision's key in the ledger, and that of the signals it rests on. ``held_by`` says what kept a
    retraining back; ``signals`` are `loop.signals.Signals` as a dict.
    """

    id: str
    action: str
    reasons: list[str]
    counterfactual: str
    now: str
    epoch: int
    champion_version: str | None = None
    window: str | None = None
    held_by: str | None = None
    html_uri: str | None = None
    signals: dict[str, Any] = field(default_factory=dict)
    same_as: str | None = None


@dataclass(frozen=True, slots=True)
class BakeRef(Ref):
    """What watching a promotion came to.

    ``verdict`` is "held", "broken", or "over" where nothing is on trial; ``decision`` is the ledger's key of
    the policy's decision about a broken one, and ``goes_back`` whether it asks for a rollback. ``now`` is in event
    time.
    """

    epoch: int
    version: str | None
    verdict: str
    now: str
    reason: str
    decision: str | None = None
    goes_back: bool = False


@dataclass(frozen=True, slots=True)
class RollbackRef(Ref):
    """What serves after a rollback, at which epoch, what it took the place of, and how long each part took."""

    model: str
    version: str
    epoch: int
    replaced: str
    reason: str
    by: str
    frozen: bool
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DrillRef(Ref):
    """How a rehearsed rollback went; ``seconds["total"]`` is the time to restore, ``limit_s`` what the spec allows.

    ``verdict`` is "held", "late", "overtaken" where somebody promoted meanwhile, or "cut short".
    """

    model: str
    version: str
    replaced: str
    epoch: int
    verdict: str
    limit_s: float
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FreezeRef(Ref):
    """What is frozen or free now, by whom and why; ``changed`` is False where it was so before."""

    model: str
    scope: str
    version: str | None
    frozen: bool
    reason: str
    by: str
    changed: bool


@dataclass(frozen=True, slots=True)
class OverrideRef(Ref):
    """Which policy decides now, "shadow" or "own", by whom and why; ``changed`` is False where it was so before."""

    model: str
    policy: str
    reason: str
    by: str
    changed: bool


@dataclass(frozen=True, slots=True)
class NoticesRef(Ref):
    """Of what people were told now: by target, the incidents and questions."""

    model: str
    told: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReconciledRef(Ref):
    """What serves, what had to be written to MLflow to show it, and what people had changed there."""

    model: str
    epoch: int
    champion: str | None
    changes: list[str] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)
