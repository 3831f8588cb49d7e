"""Which of the versions already trained serve, and with what weights: judged by losses on windows they did not learn.

References
----------
Littlestone, Warmuth (1994), The Weighted Majority Algorithm, Information and Computation 108(2); Herbster, Warmuth
(1998), Tracking the Best Expert, Machine Learning 32(2): weights that fall exponentially with loss, with a memory that
fades so that another expert may take over. Here the mean loss, not its sum, is in the exponent.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# Newest labelled windows that a score looks back on.
WINDOWS = 16


def scores(losses: np.ndarray, served: np.ndarray, *, memory: float, prior: float, trust: float) -> np.ndarray:
    """Compare versions with what was served, over the windows each was not trained on.

    Parameters
    ----------
    losses : ndarray of shape (n_versions, n_windows)
        Mean loss of each version in each of the newest labelled windows, oldest first; NaN where it was trained on it,
        or was not asked.
    served : ndarray of shape (n_windows,)
        Of what was served.
    memory : float
        Weight of a window relative to the one after it, 0 to 1.
    prior : float
        Windows that a prior belief counts for.
    trust : float
        The prior belief in a version: so much better than what was served, relative to its loss. Windows outweigh it
        as they come, so one noisy window does not end the trust in a new version.

    Returns
    -------
    ndarray of shape (n_versions,)
        Loss beyond that of what was served, relative to it: negative is better.
    """
    import numpy as np

    count = served.shape[0]
    if count == 0:
        return np.full(losses.shape[0], -trust)
    fading = _fading(memory, count)
    scored = losses == losses  # NaN is no equal of itself, and this is quicker than isnan on so few numbers
    weights = scored * fading
    scale = float(served.sum()) / count or 1.0
    beyond = np.where(scored, losses - served, 0.0) @ fading / scale
    total = weights.sum(axis=1)
    return (beyond - prior * trust) / (total + prior)


@lru_cache(maxsize=256)
def _fading(memory: float, count: int) -> np.ndarray:
    import numpy as np

    fading = memory ** np.arange(count - 1, -1, -1.0)
    fading.flags.writeable = False
    return fading


def committee(found: np.ndarray, *, sharpness: float, members: int) -> np.ndarray:
    """Weigh versions by their scores.

    Parameters
    ----------
    found : ndarray of shape (n_versions,)
        From `scores`.
    sharpness : float
        A score that is higher by 1 / sharpness gives 1 / e of the weight.
    members : int
        So many versions get a weight at most.

    Returns
    -------
    ndarray of shape (n_versions,)
        Weights, adding up to 1.
    """
    import numpy as np

    weights = np.exp(-sharpness * (found - found.min()))
    if len(weights) > members:
        # Of equal weights the newer version's counts.
        out = np.argsort(-weights[::-1], kind="stable")[members:]
        weights[len(weights) - 1 - out] = 0.0
    return weights / weights.sum()


def elect(found: Sequence[float] | np.ndarray, serving: int | None, *, margin: float) -> int:
    """Choose one version: the best, unless what serves is as good but for a margin.

    Parameters
    ----------
    found : sequence of float
        From `scores`.
    serving : int or None
        Place of what serves now; None where it is not among them.
    margin : float
        Relative to the served loss.
    """
    import numpy as np

    best = len(found) - 1 - int(np.asarray(found)[::-1].argmin())
    if serving is not None and found[serving] <= found[best] + margin:
        return serving
    return best
