"""Where a champion stands: what it lost beyond a fresh model, and how long ago the last training was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow_mlops.loop.history import History, Promotion, Window
    from airflow_mlops.loop.signals import Signals
    from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy

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
        What the champion lost beyond level and allowance in the counted windows: see `excess_loss`.
    losing_since : datetime or None
        From when the excess has been above zero.
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
    losing_since: datetime | None = None
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


def standing(
    history: History,
    signals: Signals,
    policy: ExcessLossPolicy | SchedulePolicy,
    *,
    min_labels: int,
    maturity: float = 0.0,
    label_wait: timedelta | None = None,
) -> Standing:
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
    maturity : float, default=0.0
        Nor are windows of whose labels a smaller share has arrived...
    label_wait : timedelta, optional
        ... until they ended so long before the signals; None waits for ever.
    """
    champion = history.promotions[-1] if history.promotions else None
    trained_at = max((training.at for training in history.trainings), default=None)
    if champion is None:
        measured = Standing(None, signals.epoch, trained_at=trained_at)
        return measured if policy.kind == "schedule" else _against(measured, policy, [], now=signals.now)
    latest = max(champion.at, trained_at or champion.at)
    windows = comparable(history, min_labels, maturity, None if label_wait is None else signals.now - label_wait)
    served = [window for window in windows if _rows(window, champion.version) >= min_labels and window.end > latest]
    metric = windows[-1].metric if windows else None
    measured = Standing(
        champion_version=champion.version,
        epoch=champion.epoch,
        since=latest,
        windows=len(served),
        last_loss=served[-1].by_version[champion.version].loss if served else None,
        level=_level(history, windows, metric, min_labels),
        noise=_noise([window.loss for window in windows]),
        trained_at=trained_at,
    )
    return measured if policy.kind == "schedule" else _against(measured, policy, served, now=signals.now)


def _against(measured: Standing, policy: ExcessLossPolicy, served: Sequence[Window], *, now: datetime) -> Standing:
    """Hold what was measured against the policy's limits."""
    latest, trained_at = measured.since, measured.trained_at
    old_at = None if latest is None else latest + policy.max_age
    cool_at = None if trained_at is None else trained_at + policy.cooldown
    held = replace(
        measured,
        old_at=old_at,
        cool_at=cool_at,
        is_old=old_at is not None and now > old_at,
        is_cooling_down=cool_at is not None and now < cool_at,
    )
    if held.level is None:
        return held
    losses = [window.by_version[str(held.champion_version)].loss for window in served]
    excess, windows = excess_loss(losses, held.level, policy.allowance * (held.noise or 0.0))
    limit = policy.threshold * held.level
    return replace(
        held, excess=excess, limit=limit, losing_since=_later(served[-windows].start, latest) if windows else None
    )


def _later(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else max(one, other)


def excess_loss(losses: Sequence[float], level: float, allowance: float) -> tuple[float, int]:
    """Accumulate what losses are beyond level and allowance; what they are below pays back, down to zero.

    Paying back is what keeps chance from adding up: of windows that are only noisy, the good ones cancel the bad ones.

    Parameters
    ----------
    losses : sequence of float
        Oldest first.
    level, allowance : float
        A loss of both together adds nothing.

    Returns
    -------
    excess : float
        What stands at the end.
    windows : int
        How many of the last losses it stems from: those since it was last zero.

    References
    ----------
    Page (1954), Continuous Inspection Schemes, *Biometrika* 41(1/2): the cumulative sum, with the allowance as its
    reference value.
    """
    excess, windows = 0.0, 0
    for loss in losses:
        excess = max(0.0, excess + loss - level - allowance)
        windows = windows + 1 if excess else 0
    return excess, windows


def comparable(history: History, min_labels: int, maturity: float, ended_by: datetime | None) -> list[Window]:
    """Keep sound windows with enough labels, no more to wait for, whose loss is of one kind, that of the newest.

    Parameters
    ----------
    history : History
        As it stood.
    min_labels : int
        Windows with fewer labelled predictions are left out...
    maturity : float
        ... and those of whose labels a smaller share has arrived...
    ended_by : datetime or None
        ... unless they ended by then.
    """
    sound = [window for window in history.windows if window.is_sound and window.labelled >= min_labels]
    windows = [window for window in sound if window.counts(maturity, ended_by=ended_by)]
    return [window for window in windows if window.metric == windows[-1].metric]


def _rows(window: Window, version: str) -> int:
    return window.by_version[version].rows if version in window.by_version else 0


def _noise(losses: Sequence[float]) -> float | None:
    changes = [abs(after - before) for before, after in pairwise(losses)]
    return median(changes[-CHANGES:]) if changes else None


def _level(history: History, windows: Sequence[Window], metric: str | None, min_labels: int) -> float | None:
    """Give what a fresh model loses: the median of what the last versions lost in their first window of service.

    The evaluation of the first champion counts as one more, for one window alone may be a lucky one. Later evaluations
    do not count: where bad weeks asked for a training, its held-out rows are these bad weeks.
    """
    fresh = [holdout_loss(history.promotions[0].metrics, metric)]
    for promotion, later in zip(history.promotions, [*history.promotions[1:], None], strict=True):
        fresh.append(_first_loss(promotion, later.at if later else None, windows, min_labels))
    known = [loss for loss in fresh if loss is not None]
    return median(known[-FRESH_LOSSES:]) if known else None


def _first_loss(
    promotion: Promotion, until: datetime | None, windows: Sequence[Window], min_labels: int
) -> float | None:
    for window in windows:
        is_its_own = window.end > promotion.at and (until is None or window.start < until)
        if is_its_own and _rows(window, promotion.version) >= min_labels:
            return window.by_version[promotion.version].loss
    return None


def holdout_loss(metrics: Mapping[str, float], metric: str | None) -> float | None:
    """Find a challenger's loss among the metrics of its evaluation, which have other names for some.

    Parameters
    ----------
    metrics : mapping
        From an `EvaluationRef`.
    metric : str or None
        One of the losses of the gate; None where no window was measured.
    """
    accuracy, rmse = metrics.get("accuracy"), metrics.get("rmse")
    return {
        "log_loss": metrics.get("log_loss"),
        "brier": metrics.get("brier"),
        "zero_one": None if accuracy is None else 1 - accuracy,
        "mean_absolute_error": metrics.get("mae"),
        "mean_squared_error": None if rmse is None else rmse**2,
    }.get(metric or "")
