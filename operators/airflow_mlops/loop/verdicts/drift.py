"""Verdicts on rows and answers that moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.verdicts.persistence import FALSE_ALARMS, with_past

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_mlops.loop.effects import Effect
    from airflow_mlops.loop.signal import Verdict

DATA_DRIFT, PREDICTION_DRIFT = "data_drift", "prediction_drift"

# A tenth of the rows at another place is little for a model; a smaller move is not called one, however sure it is.
SMALLEST_EFFECT = 0.1
# Where chance alone moves a column by half, only a world turned round could be told from it.
MOST_NOISE = 0.5
FEWEST_ROWS = 100
# A column that the model hardly uses still counts so much of an average one: importance is a sample too.
LEAST_WEIGHT = 0.05
# Columns named in a sentence.
_NAMED = 3


def column_limit(effect: Effect, *, threshold: float | None, rate: float) -> float | None:
    """Return the effect from which a column counts as moved, or None where there are not enough rows to tell.

    Parameters
    ----------
    effect : Effect
        How far it moved, on how many rows.
    threshold : float or None
        Calibrated on past windows. Rows of a day are alike in those too, so chance is only asked what it does to
        independent rows; without calibration chance is asked what it does to days as alike as those of now.
    rate : float
        Of false alarms of this column.
    """
    if min(effect.rows, effect.reference_rows) < FEWEST_ROWS:
        return None
    noise = effect.noise_limit(rate, independent=threshold is not None)
    if noise > MOST_NOISE:
        return None
    return max(SMALLEST_EFFECT, threshold or 0.0, noise)


def weights_of(columns: Sequence[str], importance: Mapping[str, float] | None) -> dict[str, float]:
    """Weigh columns by what the model leans on; without importances all alike. They sum to one."""
    rises = {name: max(0.0, (importance or {}).get(name, 0.0)) for name in columns}
    total = sum(rises.values())
    if not total:
        return {name: 1 / len(columns) for name in columns}
    floor = LEAST_WEIGHT * total / len(columns)
    weights = {name: rise + floor for name, rise in rises.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def data_drift(
    effects: Mapping[str, Effect],
    *,
    importance: Mapping[str, float] | None = None,
    thresholds: Mapping[str, float] | None = None,
    false_alarms: float = FALSE_ALARMS,
    share: float = 0.5,
    past: Iterable[Signal] = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> Signal:
    """Say how much of what the model leans on has moved.

    The value is the importance of the columns that moved, of all that can be compared: 0 to 1. A weighted mean of the
    effects would call many harmless little moves drift, and the largest effect alone does not know the model.

    Parameters
    ----------
    effects : mapping of str to Effect
        By column.
    importance : mapping of str to float, optional
        Rise in loss when a column is shuffled, from the champion's evaluation.
    thresholds : mapping of str to float, optional
        Calibrated effects; see `calibration`. A column without one has a default that grows where rows are few.
    false_alarms : float
        Where nothing has moved, so many looks have a column beyond its limit, or fewer (Bonferroni: it is promised for
        any dependence, and limits are known before the look).
    share : float
        Importance of moved columns from which the look is beyond.
    past : iterable of Signal
        Of earlier looks at the same champion, oldest first.
    start, end : datetime, optional
        Window of the rows.
    """
    limits = {
        name: limit
        for name, effect in effects.items()
        if (limit := column_limit(effect, threshold=(thresholds or {}).get(name), rate=false_alarms / len(effects)))
        is not None
    }
    rows = max((effect.rows for effect in effects.values()), default=0)
    if not limits:
        said = f"none of {len(effects)} columns has enough rows, or days, to be told from chance"
        return Signal(DATA_DRIFT, None, "unknown", rows=rows, start=start, end=end, limit=share, detail=said)
    weights = weights_of(list(limits), importance)
    low, value, high = (
        min(1.0, sum(weights[name] for name, limit in limits.items() if getattr(effects[name], bound) >= limit))
        for bound in ("low", "value", "high")
    )
    moved = [name for name, limit in limits.items() if effects[name].value >= limit]
    detail = _moved(effects, limits, moved)
    verdict: Verdict = "watch" if moved else "stable"
    signal = Signal(DATA_DRIFT, value, verdict, low, high, rows, start, end, limit=share, detail=detail)
    return with_past(signal, past)


def _moved(effects: Mapping[str, Effect], limits: Mapping[str, float], moved: list[str]) -> str:
    farthest = sorted(moved, key=lambda name: effects[name].value / limits[name], reverse=True)
    named = ", ".join(f"{name} by {effects[name].value:.2f}, limit {limits[name]:.2f}" for name in farthest[:_NAMED])
    said = f"{len(moved)} of {len(limits)} columns moved" + (f" ({named})" if named else "")
    untold = [name for name in effects if name not in limits]
    return said + (f"; {len(untold)} have too few rows, or days, to tell" if untold else "")


def prediction_drift(
    effect: Effect | None,
    *,
    threshold: float | None = None,
    false_alarms: float = FALSE_ALARMS,
    past: Iterable[Signal] = (),
    start: datetime | None = None,
    end: datetime | None = None,
) -> Signal:
    """Say how far the champion's answers have moved from those it gave to rows held out when it was trained.

    Parameters
    ----------
    effect : Effect or None
        Of the probability of the second class, the predicted class, or the predicted number.
    threshold, false_alarms, past, start, end
        As for `data_drift`; the threshold is of the one effect.
    """
    limit = None if effect is None else column_limit(effect, threshold=threshold, rate=false_alarms)
    if effect is None or limit is None:
        said = "too few answers, or days, to tell a move from chance" if effect else "there are no answers to compare"
        rows = effect.rows if effect else 0
        return Signal(PREDICTION_DRIFT, None, "unknown", rows=rows, start=start, end=end, detail=said)
    said = f"answers moved by {effect.value:.2f}, limit {limit:.2f}"
    facts = (effect.low, effect.high, effect.rows, start, end)
    return with_past(Signal(PREDICTION_DRIFT, effect.value, "stable", *facts, limit=limit, detail=said), past)
