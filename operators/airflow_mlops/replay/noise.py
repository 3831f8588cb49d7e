"""Is one play worse than another by more than chance? A paired bootstrap of whole stretches of windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 2000
# Half of the 5 % that is promised: neighbouring windows that are much alike take the other half.
LEVEL = 0.025
# With fewer windows, resampled blocks say nothing of how much windows differ.
FEWEST_WINDOWS = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of paired differences; ``low`` and ``high`` bound it, each one-sided at 97.5 %."""

    mean: float
    low: float
    high: float
    windows: int
    block: int

    @property
    def is_worse(self) -> bool:
        """Whether what was subtracted from is larger by more than noise."""
        return self.low > 0

    @property
    def is_better(self) -> bool:
        """Whether it is smaller by more than noise."""
        return self.high < 0


def difference(one: np.ndarray, other: np.ndarray, *, seed: int = 0) -> Difference:
    """Bound how much larger one series of losses is than another, window by window.

    Neighbouring windows are alike, so blocks of them are resampled. The resampled means are widened by what few blocks
    leave out, and not studentized one by one: where one policy falls behind for good after a change, some resamples
    hold hardly anything but the time after it, and their small spread would drown the difference.

    Parameters
    ----------
    one, other : ndarray of shape (n_windows,)
        In time; a window in which either is not a number is left out.
    seed : int, default=0
        The same seed gives the same bounds.

    Returns
    -------
    Difference
        With fewer than ten windows the bounds are infinite.

    References
    ----------
    Politis, Romano (1992), A Circular Block-Resampling Procedure for Stationary Data, in Exploring the Limits of
    Bootstrap: blocks that wrap around, so that each window is drawn as often as any other.
    Künsch (1989), The Jackknife and the Bootstrap for General Stationary Observations, Annals of Statistics 17(3):
    resampling overlapping blocks.
    """
    import numpy as np

    known = np.isfinite(one) & np.isfinite(other)
    paired = (one - other)[known]
    count = len(paired)
    mean = float(paired.mean()) if count else 0.0
    block = block_length(count)
    if count < FEWEST_WINDOWS:
        return Difference(mean, -np.inf, np.inf, count, block)
    blocks = -(-count // block)
    # Means of the blocks that begin at each window, and how far each lies from the mean of all.
    wrapped = np.concatenate([paired, paired[: block - 1]])
    apart = np.convolve(wrapped, np.full(block, 1 / block), "valid") - mean
    drawn = apart[np.random.default_rng(seed).integers(0, count, (RESAMPLES, blocks))].mean(axis=1)
    low, high = np.quantile(drawn, [LEVEL, 1 - LEVEL]) * _widened(count, block)
    return Difference(mean, float(mean - high), float(mean - low), count, block)


def _widened(count: int, block: int) -> float:
    """Return by how much few blocks make resampled means too narrow: Student's factor, and what the mean used up."""
    from scipy.stats import norm, t

    blocks = max(2, count // block)
    return float(t.ppf(1 - LEVEL, blocks - 1) / norm.ppf(1 - LEVEL) * (count / (count - block)) ** 0.5)


def block_length(windows: int) -> int:
    """Return how many windows are resampled together: twice the cube root of their number."""
    return max(2, round(2 * windows ** (1 / 3)))
