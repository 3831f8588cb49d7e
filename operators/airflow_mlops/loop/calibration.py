"""Thresholds of drift from past windows that are believed to be stable: what a window moves by where nothing is wrong.

All columns are scaled by how far they move in one window of ten, and one factor is found which the largest of them
stays below in so many windows. So the rate of false alarms is that of a whole look, not of a column, and holds however
columns hang together. A move that is too small to be called one counts for nothing here as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from airflow_mlops.errors import CalibrationUnusable
from airflow_mlops.loop.verdicts.drift import SMALLEST_EFFECT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

# Below, even the promise of the largest of all would be an alarm in every eleventh look.
FEWEST_WINDOWS = 10
# An effect is 1 at most: where a threshold is so near to it, a column may move almost wholly and is not found.
ALMOST_ALL = 0.9
# Half of the rows at another place, and nothing was wrong.
_FAR = 0.5
_SCALE = 0.9
# Windows so near resemble each other, and leave each other out.
_NEIGHBOURS = 2
# A column that never moved in the past has a scale too.
_LEAST_SCALE = 0.01


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds and what they promise.

    Attributes
    ----------
    thresholds : dict of str to float
        Effect from which each column counts as moved.
    windows : int
        Past windows they come from.
    wanted : float
        Rate of false alarms a look that was asked for.
    rate : float
        Mean rate that these thresholds have: not above ``wanted`` where there were windows enough for it.
    low, high : float
        Where the rate of just these thresholds lies, 95 %: they are a sample too.
    usual, largest : dict of str to float
        Median and largest effect of each column.
    widest : tuple of str
        Columns that the thresholds of all go by: the farthest, for its scale, in the windows that set the factor.
    """

    thresholds: dict[str, float]
    windows: int
    wanted: float
    rate: float
    low: float
    high: float
    usual: dict[str, float]
    largest: dict[str, float]
    widest: tuple[str, ...]

    @property
    def blind(self) -> list[str]:
        """Columns in which almost nothing would be found."""
        return [name for name, threshold in self.thresholds.items() if threshold >= ALMOST_ALL]

    @property
    def restless(self) -> list[str]:
        """Of these the columns that are so by their own moves, and not by the scale of another."""
        return [name for name in self.blind if self.largest[name] >= _FAR or name in self.widest]

    @property
    def is_reached(self) -> bool:
        """Whether there were windows enough for the rate that was asked for."""
        return self.rate <= self.wanted + 1e-12

    @property
    def windows_needed(self) -> int:
        """How many windows the rate that was asked for needs."""
        return _needed(self.wanted)


def calibrate(effects: Mapping[str, Sequence[float]], *, false_alarms: float) -> Calibration:
    """Find thresholds that a look at stable rows exceeds, in any column, with a stated rate.

    With n windows, the next one of the same kind exceeds the k-th largest of them with probability ``k / (n + 1)``,
    whatever their distribution. So the rarest rate that n windows can show is ``1 / (n + 1)``; where it is above what
    was asked for, the largest is taken and that rate is stated. No tail is fitted: 40 windows do not know one.

    Parameters
    ----------
    effects : mapping of str to sequence of float of shape (n_windows,)
        Effect of each column in each window; all of one length.
    false_alarms : float
        Rate of looks with a false alarm, 0 to 1.

    Raises
    ------
    CalibrationUnusable
        The rate is not between 0 and 1, there is no column, or there are too few windows.

    References
    ----------
    Vovk (2012), Conditional Validity of Inductive Conformal Predictors, ACML, JMLR W&CP 25: mean rate, and the beta
    distribution of the rate given the sample. Westfall, Young (1993), Resampling-Based Multiple Testing: the maximum
    over columns keeps their dependence.
    """
    import numpy as np
    from scipy.special import betaincinv

    require_rate(false_alarms)
    if not effects:
        raise CalibrationUnusable("no column can be compared in every window: columns of text, times or nulls only.")
    table = np.array([list(values) for values in effects.values()], dtype=float)
    windows = table.shape[1]
    if windows < FEWEST_WINDOWS:
        raise CalibrationUnusable(
            f"{windows} past windows are too few to calibrate on: {FEWEST_WINDOWS} are the least, and a rate of "
            f"{false_alarms:g} needs {_needed(false_alarms)}. Give more history, or a shorter monitor.window."
        )
    # As odds, so that no column's threshold is scaled to one or beyond, where nothing is ever found.
    odds = table / np.maximum(1 - table, 1e-9)
    scales = _scales(odds)
    largest, who = _largest(np.where(table < SMALLEST_EFFECT, 0.0, odds), odds)
    place = max(1, int(false_alarms * (windows + 1) + 1e-9))
    factor = float(np.sort(largest)[windows - place])
    low, high = (float(betaincinv(place, windows + 1 - place, share)) for share in (0.025, 0.975))
    names = list(effects)
    return Calibration(
        dict(zip(names, _above(factor * scales / (1 + factor * scales)), strict=True)),
        windows,
        false_alarms,
        place / (windows + 1),
        low,
        high,
        dict(zip(names, np.median(table, axis=1).tolist(), strict=True)),
        dict(zip(names, table.max(axis=1).tolist(), strict=True)),
        tuple(names[place] for place in sorted(set(who[largest == factor].tolist()))),
    )


def require_rate(false_alarms: float) -> None:
    """Refuse what is no rate.

    Raises
    ------
    CalibrationUnusable
        It is not between 0 and 1.
    """
    if not 0 < false_alarms < 1:
        raise CalibrationUnusable(f"a rate of false alarms of {false_alarms:g} is none; take one between 0 and 1.")


def _scales(odds: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.maximum(np.quantile(odds, _SCALE, axis=1), _LEAST_SCALE)


def _largest(counted: np.ndarray, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the farthest column of each window moved, and which it is.

    Scaled by other windows: the next one has no part in them either.
    """
    import numpy as np

    windows = odds.shape[1]
    scaled = np.empty_like(odds)
    for place in range(windows):
        others = np.abs(np.arange(windows) - place) > _NEIGHBOURS
        scaled[:, place] = counted[:, place] / _scales(odds[:, others])
    return scaled.max(axis=0), scaled.argmax(axis=0)


def _needed(rate: float) -> int:
    return ceil(1 / rate - 1e-9) - 1


def _above(thresholds: np.ndarray) -> list[float]:
    """Round up to four digits: a window is beyond from its threshold on, and those it was found on are not."""
    import numpy as np

    return np.clip(np.floor(thresholds * 1e4 + 1) / 1e4, SMALLEST_EFFECT, 1.0).tolist()
