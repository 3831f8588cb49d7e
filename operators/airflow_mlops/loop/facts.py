"""What a model's history is made of: who served, what was trained, what was lost, what is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.loop.signals import Quality, Signals, VersionLoss


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version became champion; ``metrics`` are those of its evaluation.

    ``members`` are the weights, by model id, of the trained versions it is made of; of a trained version itself, 1.
    ``correction`` is what is added to its output, ``action`` what had been asked for.
    """

    version: str
    epoch: int
    at: datetime
    metrics: Mapping[str, float]
    members: Mapping[str, float] = field(default_factory=dict)
    correction: float | list[float] | None = None
    action: str = "retrain"


@dataclass(frozen=True, slots=True)
class Training:
    """A training that ended with a verdict on its challenger, judged against the champion of ``epoch``.

    ``trained`` is the id of the new model; ``promoted`` tells that the challenger became champion.
    """

    at: datetime
    verdict: str
    epoch: int
    metrics: Mapping[str, float]
    trained: str | None = None
    promoted: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A trained version, which may be a part of what serves; ``model`` is its `ModelRef` as a dict.

    It has trained on rows before ``holdout_start``, for so many ``seconds``.
    """

    id: str
    at: datetime
    holdout_start: datetime
    seconds: float
    model: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """The signals that a decision's rules read."""

    at: datetime
    signals: Mapping[str, Signal]


@dataclass(frozen=True, slots=True)
class Held:
    """A version was frozen, or let go; ``model`` is its id where the ledger says which model it is."""

    at: datetime
    version: str
    model: str | None
    frozen: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Losses of the served predictions of the rows of [``start``, ``end``), as they were known at ``measured_at``.

    ``is_sound`` tells that the data check let the look's rows pass; ``maturity`` is the share of labels known by then.
    ``by_member`` and ``scorecard`` are those of `signals.Quality`.
    """

    start: datetime
    end: datetime
    measured_at: datetime
    metric: str
    labelled: int
    loss: float
    by_version: Mapping[str, VersionLoss]
    is_sound: bool
    maturity: float = 1.0
    by_member: Mapping[str, VersionLoss] = field(default_factory=dict)
    scorecard: Mapping[str, Any] | None = None

    def counts(self, maturity: float, *, ended_by: datetime | None) -> bool:
        """Tell whether enough labels have arrived, or the window ended so early that no more are waited for."""
        return self.maturity >= maturity or (ended_by is not None and self.end <= ended_by)

    @classmethod
    def of(cls, signals: Signals) -> Window | None:
        """Take the labelled window out of a look's signals; None where nothing was labelled."""
        return cls._measured(signals.quality, signals)

    @classmethod
    def all_of(cls, signals: Signals) -> list[Window]:
        """Take all windows that a look measured: earlier ones that it measured again, and its own."""
        found = [cls._measured(quality, signals) for quality in (*signals.reopened, signals.quality)]
        return [window for window in found if window]

    @classmethod
    def _measured(cls, quality: Quality | None, signals: Signals) -> Window | None:
        if quality is None or quality.loss is None:
            return None
        return cls(
            start=quality.start,
            end=quality.end,
            measured_at=signals.now,
            metric=quality.metric,
            labelled=quality.labelled,
            loss=quality.loss,
            by_version=quality.by_version,
            is_sound=signals.data_check in ("passed", "warning"),
            maturity=quality.maturity,
            by_member=quality.by_member,
            scorecard=quality.scorecard,
        )
