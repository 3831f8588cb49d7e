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

    Neighbouring windows are alike, so blocks of them are resampled, and bounds are studentized by blocks as those of
    the gate are.

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
    Götze, Künsch (1996), Second-order correctness of the blockwise bootstrap for stationary observations, Annals of
    Statistics 24(5): studentized by blocks, as here.
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
    error = np.sqrt((apart**2).sum() / (count - block) / (count / block))
    if error <= 1e-12 * max(1.0, abs(mean)):
        return Difference(mean, mean, mean, count, block)
    drawn = apart[np.random.default_rng(seed).integers(0, count, (RESAMPLES, blocks))]
    spread = np.maximum(drawn.std(axis=1, ddof=1) / np.sqrt(blocks), 1e-300)
    low, high = np.quantile(drawn.mean(axis=1) / spread, [LEVEL, 1 - LEVEL])
    return Difference(mean, float(mean - high * error), float(mean - low * error), count, block)


def block_length(windows: int) -> int:
    """Return how many windows are resampled together: twice the cube root of their number."""
    return max(2, round(2 * windows ** (1 / 3)))
