"""Where a champion stands: what it lost beyond a fresh model, and how long ago the last training was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_mlops.loop.history import History, Promotion, Window
    from airflow_mlops.loop.signals import Signals
    from airflow_mlops.spec.loop_sections import ExcessLossPolicy, Policy

# So many fresh losses, and so many changes from window to window, make a level and a noise.
FRESH_LOSSES = 5
CHANGES = 12


@dataclass(frozen=True, slots=True)
class Standing:
    """The numbers behind a decision; None where they could not be measured.

    Attributes
    ----------
    champion_version, epoch
        Who serves.
    since : datetime or None
        Windows that end later count: the last promotion or, where it came later, the last training that was refused.
    windows : int
        Counted labelled windows.
    last_loss : float or None
        The champion's, in the newest of them.
    level : float or None
        What a fresh model loses.
    noise : float or None
        Median absolute change of the served loss from window to window.
    excess : float or None
        What the champion lost beyond level and allowance, summed over the counted windows.
    limit : float or None
        An excess above this asks for a training.
    trained_at, old_at, cool_at : datetime or None
        End of the last training, when it is too long ago, and from when the next is allowed.
    is_old, is_cooling_down : bool
        The same, compared with the signals' ``now``.
    """

    champion_version: str | None
    epoch: int
    since: datetime | None = None
    windows: int = 0
    last_loss: float | None = None
    level: float | None = None
    noise: float | None = None
    excess: float | None = None
    limit: float | None = None
    trained_at: datetime | None = None
    old_at: datetime | None = None
    cool_at: datetime | None = None
    is_old: bool = False
    is_cooling_down: bool = False

    @property
    def is_losing(self) -> bool:
        """Whether the excess asks for a training."""
        return self.excess is not None and self.limit is not None and self.excess > self.limit

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON; times are ISO 8601."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in plain.items()}


def standing(history: History, signals: Signals, policy: Policy, *, min_labels: int) -> Standing:
    """Measure where the champion stands.

    Parameters
    ----------
    history : History
        As it stood when the signals were measured: `History.seen_by`.
    signals : Signals
        The newest.
    policy : ExcessLossPolicy or SchedulePolicy
        Threshold, allowance, maximum age, cooldown. By schedule only level and noise are measured.
    min_labels : int
        Windows with fewer labelled predictions are not counted.
    """
    champion = history.promotions[-1] if history.promotions else None
    trained_at = max((training.at for training in history.trainings), default=None)
    if champion is None:
        return Standing(None, signals.epoch, trained_at=trained_at)
    latest = max(champion.at, trained_at or champion.at)
    windows = _comparable(history, min_labels)
    served = [window for window in windows if _rows(window, champion.version) >= min_labels and window.end > latest]
    losses = [window.by_version[champion.version].loss for window in served]
    metric = windows[-1].metric if windows else None
    measured = Standing(
        champion_version=champion.version,
        epoch=champion.epoch,
        since=latest,
        windows=len(losses),
        last_loss=losses[-1] if losses else None,
        level=_level(history, windows, metric, min_labels),
        noise=_noise([window.loss for window in windows]),
        trained_at=trained_at,
    )
    return measured if policy.kind == "schedule" else _against(measured, policy, losses, now=signals.now)


def _against(measured: Standing, policy: ExcessLossPolicy, losses: Sequence[float], *, now: datetime) -> Standing:
    """Hold what was measured against the policy's limits."""
    level, latest, trained_at = measured.level, measured.since, measured.trained_at
    old_at = None if latest is None else latest + policy.max_age
    cool_at = None if trained_at is None else trained_at + policy.cooldown
    return replace(
        measured,
        excess=None if level is None else excess_loss(losses, level, policy.allowance * (measured.noise or 0.0)),
        limit=None if level is None else policy.threshold * level,
        old_at=old_at,
        cool_at=cool_at,
        is_old=old_at is not None and now > old_at,
        is_cooling_down=cool_at is not None and now < cool_at,
    )


def excess_loss(losses: Sequence[float], level: float, allowance: float) -> float:
    """Sum what each loss is beyond level and allowance."""
    return sum(max(0.0, loss - level - allowance) for loss in losses)


def _comparable(history: History, min_labels: int) -> list[Window]:
    """Keep sound windows with enough labels whose loss is of one kind, that of the newest."""
    windows = [window for window in history.windows if window.is_sound and window.labelled >= min_labels]
    return [window for window in windows if window.metric == windows[-1].metric]


def _rows(window: Window, version: str) -> int:
    return window.by_version[version].rows if version in window.by_version else 0


def _noise(losses: Sequence[float]) -> float | None:
    changes = [abs(after - before) for before, after in pairwise(losses)]
    return median(changes[-CHANGES:]) if changes else None


def _level(history: History, windows: Sequence[Window], metric: str | None, min_labels: int) -> float | None:
    """Give what a fresh model loses: the median of what the last ones lost, first in service.

    A refused training tells it too: the better of challenger and champion on the rows held out for them is what there
    was to be had. Before the first window of service the champion's own evaluation has to do.
    """
    fresh = [
        *_first_losses(history.promotions, windows, min_labels),
        *(
            (training.at, best)
            for training in history.trainings
            if training.verdict == "refused" and (best := _best_loss(training.metrics, metric)) is not None
        ),
    ]
    if fresh:
        return median(loss for _, loss in sorted(fresh)[-FRESH_LOSSES:])
    return holdout_loss(history.promotions[-1].metrics, metric)


def _first_losses(
    promotions: Sequence[Promotion], windows: Sequence[Window], min_labels: int
) -> list[tuple[datetime, float]]:
    found = []
    for promotion, later in zip(promotions, [*promotions[1:], None], strict=True):
        for window in windows:
            is_its_own = window.end > promotion.at and (later is None or window.start < later.at)
            if is_its_own and _rows(window, promotion.version) >= min_labels:
                found.append((promotion.at, window.by_version[promotion.version].loss))
                break
    return found


def _best_loss(metrics: Mapping[str, float], metric: str | None) -> float | None:
    both = [holdout_loss(metrics, metric), holdout_loss(metrics, metric, of="champion_")]
    return min((loss for loss in both if loss is not None), default=None)


def holdout_loss(metrics: Mapping[str, float], metric: str | None, *, of: str = "") -> float | None:
    """Find a loss among the metrics of an evaluation, which have other names for some.

    Parameters
    ----------
    metrics : mapping
        From an `EvaluationRef`.
    metric : str or None
        One of the losses of the gate; None where no window was measured.
    of : str, optional
        ``champion_`` for what the champion of that time lost on the same rows.
    """
    accuracy, rmse = metrics.get(f"{of}accuracy"), metrics.get(f"{of}rmse")
    return {
        "log_loss": metrics.get(f"{of}log_loss"),
        "brier": metrics.get(f"{of}brier"),
        "zero_one": None if accuracy is None else 1 - accuracy,
        "mean_absolute_error": metrics.get(f"{of}mae"),
        "mean_squared_error": None if rmse is None else rmse**2,
    }.get(metric or "")
