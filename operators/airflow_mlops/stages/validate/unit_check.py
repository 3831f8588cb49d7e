"""Did a column change its unit? A known conversion explains its values where the values of the reference do not.

Three kinds of evidence, because a world that changes also multiplies and shifts. Measurements have a step: flights have
the lengths of known routes, a weather station rounds to knots. Values between these steps that all lie on the converted
steps cannot come from the weather. Where steps are too fine to tell, all of a steady column must have been multiplied
alike, or the whole distribution must sit where a conversion puts it, far from where any part of the reference was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.conversions import CONVERSIONS, SAME, Conversion
from airflow_mlops.stages.validate.findings import Finding, Severity, failed

if TYPE_CHECKING:
    import numpy as np


# Constants are often cut off: 1.609 for 1.609344.
CUT_OFF = 3e-4
# Conversions that are none; where they explain as much, steps are too fine to tell.
WRONG = (0.941, 0.959, 0.973, 0.987, 1.013, 1.027, 1.041, 1.059)
# Values that no step of the reference explains: at least this share of the rows, and so many different ones.
LEAST_SHARE, LEAST_VALUES = 0.05, 6
# Share of these that the conversion must explain, and that a wrong one may.
EXPLAINED, BY_CHANCE = 0.9, 0.3
# So many widths beyond the converted reference is another season; farther is no conversion of it.
NEAR = 1.5
# From this share on the rows are of another unit; below, two units are mixed.
MOSTLY = 0.5
# How far values that were not rounded may lie from a step, and values of the reference from their grid.
EXACT, GRID_EXACT = 1e-6, 1e-5
# The scale: within the reference medians differ by no more than this share of the median; no conversion nearer to 1 is
# asked about; all quantiles must have been multiplied alike, but for so much; and they must be so wide apart, for what
# has one value only, such as an interest rate, moves as a whole by itself.
STILL, SCALED, ALIKE, WIDE = 0.1, 0.25, 0.03, 2.0
# The distribution: how far, in widths of it, each quantile may lie from where a conversion puts it; by how much its
# width may differ; and how many times as far as it ever did within the reference the median must have moved for that.
LOOKS = ((0.15, 1.3, 2.0), (0.35, 1.6, 3.5))
# Conversions with an offset: this part of that distance.
OFFSET = 0.7
# The median of a part of the reference moves so far in any case, in widths of the distribution.
USUAL = 0.3
# Quantiles of fewer rows move by chance.
LEAST_ROWS = 20


def unit_check(
    values: np.ndarray, name: str, now: dict[str, Any], then: dict[str, Any], *, is_recent: bool = True
) -> Finding | None:
    """Find a conversion that explains a column.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        The column, NaN where it is null.
    name : str
        Of the column.
    now, then : dict
        What the facts say of the column, and those of the reference. One that was stored before facts had ``steps`` and
        ``medians`` shows nothing.
    is_recent : bool, default=True
        Whether the reference lies so near in time that it shows how far the column moves by itself.
    """
    import numpy as np

    found = _by_steps(values, name, then)
    if found or not is_recent or np.isfinite(values).sum() < LEAST_ROWS:
        return found
    found = _by_scale(name, now, then)
    # Counts grow by any factor, and stay whole.
    return found if found or (now["is_whole"] and then["is_whole"]) else _by_distribution(name, now, then)


def _by_steps(values: np.ndarray, name: str, then: dict[str, Any]) -> Finding | None:
    import numpy as np

    if len(then.get("steps") or ()) < LEAST_VALUES:
        return None
    seen, counts = np.unique(values[np.isfinite(values) & (values != 0)], return_counts=True)
    if not len(seen):
        return None
    steps = np.array(then["steps"])
    scales = [scale for scale in (Known(steps), Grid.through(steps)) if scale is not None]
    # Converted values may be left as they are, or rounded.
    found = (
        _explanation(seen, counts, scale, rounding, then) for scale in scales for rounding in (EXACT, _rounding(seen))
    )
    share, explained, best = max(found, key=lambda each: each[0] * each[1])
    if best is None:
        return None
    text = f"{share:.0%} of {name!r} are no values seen at training; {explained:.0%} of these are such values converted"
    severity: Severity = "critical" if share >= MOSTLY else "warning"
    return failed("unit", name, severity, f"{text} from {best.name}", observed=round(best.factor, 6))


@dataclass(frozen=True, slots=True)
class Known:
    """The values of the reference themselves."""

    values: np.ndarray

    def distance(self, seen: np.ndarray, one: Conversion = SAME) -> np.ndarray:
        """Give how far each value is from the nearest known one, converted."""
        import numpy as np

        steps = np.sort(one.of(self.values))
        right = np.searchsorted(steps, seen).clip(0, len(steps) - 1)
        return np.minimum(np.abs(steps[right] - seen), np.abs(steps[(right - 1).clip(0)] - seen))

    def gap(self, seen: np.ndarray, one: Conversion = SAME) -> np.ndarray:
        """Give how far apart the known values are between which each value lies, converted."""
        import numpy as np

        steps = np.sort(one.of(self.values))
        right = np.searchsorted(steps, seen).clip(1, len(steps) - 1)
        return steps[right] - steps[right - 1]


@dataclass(frozen=True, slots=True)
class Grid:
    """Multiples of a step, from an origin: the values an instrument can give, seen or not."""

    origin: float
    step: float

    @classmethod
    def through(cls, values: np.ndarray) -> Grid | None:
        """Find the grid that all values lie on; None where there is none."""
        import numpy as np

        gaps = np.diff(np.sort(values))
        step = float(gaps[gaps > GRID_EXACT].min(initial=np.inf))
        if not np.isfinite(step):
            return None
        grid = cls(float(values.min()), step)
        return grid if (grid.distance(values) <= GRID_EXACT).all() else None

    def distance(self, seen: np.ndarray, one: Conversion = SAME) -> np.ndarray:
        """Give how far each value is from the nearest one on the grid, converted."""
        import numpy as np

        step, origin = abs(one.factor) * self.step, one.of(np.array(self.origin))
        return np.abs(seen - origin - step * np.round((seen - origin) / step))

    def gap(self, seen: np.ndarray, one: Conversion = SAME) -> np.ndarray:
        """Give the step for each value, converted."""
        import numpy as np

        return np.full(len(seen), abs(one.factor) * self.step)


def _explanation(
    seen: np.ndarray, counts: np.ndarray, scale: Known | Grid, rounding: float, then: dict[str, Any]
) -> tuple[float, float, Conversion | None]:
    """Give the share of values that do not fit, how much of it a conversion explains, and which; else no conversion."""
    import numpy as np

    is_new = scale.distance(seen) > rounding
    new, weights = seen[is_new], counts[is_new]
    share = float(weights.sum() / counts.sum())
    if share < LEAST_SHARE or len(new) < LEAST_VALUES:
        return share, 0.0, None

    reach = rounding + CUT_OFF * abs(new)

    def explained(one: Conversion) -> float:
        return float(weights[scale.distance(new, one) <= reach].sum() / weights.sum())

    def by_chance(one: Conversion) -> float:
        # Values anywhere between two steps: of large numbers with small steps the constant's cut-off reaches them all.
        anywhere = float((weights * np.minimum(1, 2 * reach / scale.gap(new, one))).sum() / weights.sum())
        return max(anywhere, sum(explained(one.times(wrong)) for wrong in WRONG) / len(WRONG))

    middle = float(new[np.searchsorted(weights.cumsum(), weights.sum() / 2)])
    placed = [one for one in CONVERSIONS if _is_near(middle, one, then)]
    likely = [one for one in placed if explained(one) >= EXPLAINED and by_chance(one) <= BY_CHANCE]
    best = max(likely, key=explained, default=None)
    return share, explained(best) if best else 0.0, best


def _is_near(middle: float, one: Conversion, then: dict[str, Any]) -> bool:
    """Tell whether a value lies where a conversion puts the reference, or not far from there."""
    import numpy as np

    low, high = then["quantiles"][1], then["quantiles"][-2]
    low, high = (low, high) if low < high else (then["sizes"][0], then["sizes"][-1])
    ends = one.of(np.array([low, high]))
    reach = NEAR * (ends[1] - ends[0])
    return bool(ends[0] - reach <= middle <= ends[1] + reach)


def _rounding(seen: np.ndarray) -> float:
    """Return half of the last decimal that values are rounded to."""
    import numpy as np

    for decimals in range(6):
        if np.allclose(seen, np.round(seen, decimals), rtol=1e-12, atol=1e-9):
            return 0.5 * 10.0**-decimals
    return EXACT


def _by_scale(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Find a conversion that multiplies all quantiles of a column whose median has hardly moved so far."""
    import numpy as np

    medians = np.array(then.get("medians") or [])
    is_, was = np.array(now["quantiles"][1:-1]), np.array(then["quantiles"][1:-1])
    if len(medians) < 2 or was[0] <= 0 or was[-1] < WIDE * was[0] or np.ptp(medians) > STILL * np.median(medians):
        return None
    for one in CONVERSIONS:
        if not one.offset and abs(one.factor - 1) > SCALED and abs(is_ / was / one.factor - 1).max() <= ALIKE:
            text = f"every quantile of {name!r} is {one.factor:.4g} times what it was at training"
            return failed(
                "unit", name, "critical", f"{text}: converted from {one.name}?", observed=round(one.factor, 6)
            )
    return None


def _by_distribution(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    import numpy as np

    medians = then.get("medians") or []
    if len(medians) < 2:
        return None
    is_, was = np.array(now["quantiles"][1:-1]), np.array(then["quantiles"][1:-1])
    middle, width = len(was) // 2, was[-1] - was[0]
    moved = abs(is_[middle] - was[middle]) / max(max(medians) - min(medians), USUAL * width, EXACT)
    if not width or moved < LOOKS[0][-1]:
        return None
    best = min(CONVERSIONS, key=lambda one: _misfit(is_, one.of(was)))
    misfit, wider = _misfit(is_, best.of(was)), (is_[-1] - is_[0]) / (best.factor * width)
    # With an offset a conversion moves a distribution as a rise of prices does, so it has to fit more closely.
    strict = OFFSET if best.offset else 1.0
    if not any(misfit <= strict * fit and 1 / most <= wider <= most and moved >= far for fit, most, far in LOOKS):
        return None
    text = f"{name!r} has a median of {is_[middle]:,.6g}, {was[middle]:,.6g} at training"
    return failed(
        "unit", name, "critical", f"{text}: it fits when converted from {best.name}", observed=round(best.factor, 6)
    )


def _misfit(is_: np.ndarray, expected: np.ndarray) -> float:
    import numpy as np

    return float(np.abs(is_ - expected).max() / (expected[-1] - expected[0]))
