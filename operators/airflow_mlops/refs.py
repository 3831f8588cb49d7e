"""What travels between tasks: small frozen references that turn into JSON, never frames or models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from airflow_mlops.errors import NotAReference

# Verdicts of an evaluation with which a challenger may go on; the second is what earlier releases wrote.
PASSED = ("pass", "passed")


@dataclass(frozen=True, slots=True)
class Ref:
    """Base of all references.

    Every field is JSON by itself. `to_dict` is what an operator returns; `from_dict` is what the next one reads, and
    it ignores keys it does not know, so that a newer producer can talk to an older consumer.
    """

    def to_dict(self) -> dict[str, Any]:
        """Turn into a plain dict for XCom."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Read back what `to_dict` wrote; a reference passes through unchanged.

        Raises
        ------
        NotAReference
            It is something else, or a field without a default is missing.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise NotAReference(value, wanted=cls.__name__)
        known = {f.name for f in fields(cls)}
        try:
            return cls(**{key: item for key, item in value.items() if key in known})
        except TypeError as error:
            raise NotAReference(value, wanted=cls.__name__) from error


@dataclass(frozen=True, slots=True)
class SnapshotRef(Ref):
    """An immutable Parquet snapshot with its manifest.

    ``uri`` is the folder, ``digest`` that of the file in it, `table_uri`; ``start`` and ``end`` are the first and last
    time of its rows.
    """

    id: str
    uri: str
    digest: str
    rows: int
    columns: int
    start: str
    end: str
    source_version: str | None = None
    same_as: str | None = None

    @property
    def table_uri(self) -> str:
        """Where the rows are: one Parquet file."""
        return f"{self.uri}/data.parquet"


@dataclass(frozen=True, slots=True)
class ReportRef(Ref):
    """A stored report of a stage: JSON always, HTML where there is something to look at."""

    id: str
    uri: str
    stage: str
    verdict: str
    html_uri: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeaturesRef(Ref):
    """A feature matrix, the transformer fitted on it, and the rows held out for the gate.

    ``snapshots`` and ``label_snapshots`` are `SnapshotRef` as dicts, in order; ``training_set`` is the digest of both
    with the split.
    """

    id: str
    uri: str
    transformer_uri: str
    training_set: str
    snapshots: list[dict[str, Any]]
    rows: int
    holdout_rows: int
    feature_names: list[str]
    holdout_start: str
    now: str
    window: str = "all"
    label_snapshots: list[dict[str, Any]] = field(default_factory=list)
    same_as: str | None = None


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


@dataclass(frozen=True, slots=True)
class ReconciledRef(Ref):
    """What serves, what had to be written to MLflow to show it, and what people had changed there."""

    model: str
    epoch: int
    champion: str | None
    changes: list[str] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)


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
class ScoresRef(Ref):
    """A version's predictions for the rows of a snapshot; ``digest`` is that of the table."""

    id: str
    uri: str
    digest: str
    version: str
    snapshot: str
    rows: int
    same_as: str | None = None

    @property
    def table_uri(self) -> str:
        """Where the predictions are: one Parquet file."""
        return f"{self.uri}/data.parquet"
