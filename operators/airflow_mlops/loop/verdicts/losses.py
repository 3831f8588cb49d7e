"""Verdicts on losses: those of labelled answers, and those that are expected before labels are known."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, Self

from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.verdicts.persistence import FALSE_ALARMS, with_past

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from airflow_mlops.loop.estimate import Estimate
    from airflow_mlops.loop.signals import Quality

QUALITY, ESTIMATED_QUALITY = "quality", "estimated_quality"

# A loss 2 % above that of a fresh model is not worth a verdict, however sure it is.
SMALLEST_LOSS = 0.02
# Changes from window to window below which their size is not known.
FEWEST_CHANGES = 3
# How many windows lie between two whose losses are compared.
_LAGS = (1, 2, 3)
# Two values of a normal sample differ by so many standard deviations in the median.
_MEDIAN_CHANGE = 0.6745 * sqrt(2)
# The median of a normal sample varies so many times as much as its mean.
_MEDIAN_VARIANCE = 1.5708
# A deviation from medians of absolute changes is about as sure as one from so many values a change.
_CHANGE_EFFICIENCY = 0.6


@dataclass(frozen=True, slots=True)
class Level:
    """What a fresh model loses, and how much losses change from window to window.

    Attributes
    ----------
    loss : float or None
        Median of the last first losses after a training; None where there is none.
    losses : int
        How many they were.
    noise : float or None
        Median absolute change of the served loss from one window to another: the next, the second or the third,
        whichever differs most, for windows often resemble the one before.
    changes : int
        How many they were.
    """

    loss: float | None
    losses: int
    noise: float | None
    changes: int

    @classmethod
    def of(cls, first_losses: Sequence[float], served_losses: Sequence[float]) -> Self:
        """Measure both on losses in the order of time; how many of the last ones count, the caller says."""
        served = list(served_losses)
        apart = [[abs(after - before) for before, after in zip(served, served[lag:], strict=False)] for lag in _LAGS]
        known = [median(changes) for changes in apart if len(changes) >= FEWEST_CHANGES]
        fresh = median(first_losses) if first_losses else None
        return cls(fresh, len(first_losses), max(known, default=None), max(0, len(served) - 1))

    def limit(self, rate: float, *, error: float = 0.0) -> float | None:
        """Return the loss that a window stays below with probability ``1 - rate`` where nothing has changed.

        Parameters
        ----------
        rate : float
            Of false alarms.
        error : float, default=0.0
            Standard error of the window's loss, where it is larger than what windows have differed by so far.

        Notes
        -----
        Windows are taken as a normal sample around the level; both are estimated, so the limit is a quantile of
        Student's t of the few changes it is known from. Windows that resemble several before them change by less than
        they differ from the level, and alarm more often than ``rate``.
        """
        from scipy.special import stdtrit

        if self.loss is None or self.noise is None or self.changes < FEWEST_CHANGES:
            return None
        deviation = max(self.noise / _MEDIAN_CHANGE, error) * sqrt(1 + _MEDIAN_VARIANCE / self.losses)
        spread = float(stdtrit(max(2.0, _CHANGE_EFFICIENCY * self.changes), 1 - rate)) * deviation
        return self.loss + max(spread, SMALLEST_LOSS * abs(self.loss))


def quality(
    found: Quality | None,
    level: Level,
    *,
    error: float | None = None,
    min_labels: int = 1,
    maturity: float = 0.0,
    false_alarms: float = FALSE_ALARMS,
    past: Iterable[Signal] = (),
) -> Signal:
    """Judge the loss of served answers against that of a fresh model.

    Parameters
    ----------
    found : Quality or None
        Of the window whose labels have become due.
    level : Level
        Of windows before it.
    error : float, optional
        Standard error of the loss: see `clusters.mean_error`.
    min_labels : int
        Fewer labelled answers have no verdict...
    maturity : float
        ... nor has a window of whose labels a smaller share has arrived.
    false_alarms : float
        Where nothing has changed, so many looks are beyond the limit.
    past : iterable of Signal
        Of earlier looks at the same champion, oldest first.
    """
    if found is None:
        return Signal(QUALITY, None, "unknown", detail="there are no labelled answers")
    low, high = _interval(found.loss, error)
    limit = level.limit(false_alarms, error=error or 0.0)
    wanting = _wanting(found, level, limit, min_labels, maturity)
    facts = (low, high, found.labelled, found.start, found.end, found.maturity, limit)
    if wanting or found.loss is None or limit is None:
        return Signal(QUALITY, found.loss, "unknown", *facts, detail=wanting)
    said = f"{found.metric} {found.loss:.3g}, a fresh model has {level.loss:.3g}, limit {limit:.3g}"
    return with_past(Signal(QUALITY, found.loss, "stable", *facts, detail=said), past)


def estimated_quality(
    found: Estimate | None,
    level: Level,
    *,
    false_alarms: float = FALSE_ALARMS,
    past: Iterable[Signal] = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> Signal:
    """Judge the loss that is expected of answers without labels, as `quality` judges a measured one.

    Parameters
    ----------
    found : Estimate or None
        From `estimate.estimate_loss`.
    level, false_alarms, past
        As for `quality`.
    start, end : datetime, optional
        Window of the rows.
    """
    if found is None:
        return Signal(ESTIMATED_QUALITY, None, "unknown", start=start, end=end, detail="no loss could be estimated")
    limit = level.limit(false_alarms, error=found.error)
    facts = (found.low, found.high, found.rows, start, end, None, limit)
    if limit is None:
        return Signal(ESTIMATED_QUALITY, found.loss, "unknown", *facts, detail=_unsure(level))
    said = f"{found.loss:.3g} is expected ({found.method}), a fresh model has {level.loss:.3g}, limit {limit:.3g}"
    return with_past(Signal(ESTIMATED_QUALITY, found.loss, "stable", *facts, detail=said), past)


def _wanting(found: Quality, level: Level, limit: float | None, min_labels: int, maturity: float) -> str:
    """Say what a verdict still needs, or nothing."""
    if found.labelled < min_labels or found.loss is None:
        return f"{found.labelled} labelled answers, a verdict needs {max(1, min_labels)}"
    if found.maturity < maturity:
        return f"{found.maturity:.0%} of the labels have arrived, a verdict needs {maturity:.0%}"
    return _unsure(level) if limit is None else ""


def _unsure(level: Level) -> str:
    if level.loss is None:
        return "what a fresh model loses is not known yet"
    return f"losses of {level.changes} changes from window to window are known, a verdict needs {FEWEST_CHANGES}"


def _interval(loss: float | None, error: float | None) -> tuple[float | None, float | None]:
    # 95 %, of the mean loss of such rows.
    return (None, None) if loss is None or error is None else (loss - 1.96 * error, loss + 1.96 * error)
