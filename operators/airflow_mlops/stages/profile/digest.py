"""A distribution in a few thousand weighted points: a merging t-digest.

DataSketches has one too, but it takes single values, which costs eight times as much as sorting a batch, and takes no
weights, which is how a warehouse gives its share of a distribution. The points are finer towards the ends, and carry
the mean of what they stand for: a distance between two distributions needs the far tails, not only their ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.profile.encoding import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# Most points of a digest. A point in the middle stands for pi / 2 / POINTS of all values, those at the ends for less.
POINTS = 4000
# The share of all values by which a rank read off a digest may be wrong, points that overlap after merges included.
RANK_ERROR = 0.001


@dataclass(frozen=True, slots=True)
class Digest:
    """Points of a distribution.

    Attributes
    ----------
    means : ndarray of shape (n_points,)
        What each point stands for, on average; ascending.
    weights : ndarray of shape (n_points,)
        How many values each stands for.

    References
    ----------
    Dunning and Ertl (2019), Computing extremely accurate quantiles using t-digests, arXiv:1902.04023: scale function
    k1, by which points at the ends are as good as single values.
    """

    means: np.ndarray
    weights: np.ndarray

    @property
    def rows(self) -> int:
        """How many values it stands for."""
        return int(self.weights.sum())

    @property
    def rank_error(self) -> float:
        """The share of values by which a rank may be wrong."""
        return RANK_ERROR

    @classmethod
    def of_sorted(cls, values: np.ndarray) -> Digest:
        """Make a digest of values in ascending order."""
        import numpy as np

        # Not np.unique: what is sorted needs no hashing.
        places = np.minimum((_cuts() * len(values)).astype(np.int64), len(values) - 1)
        starts = places[np.diff(places, prepend=-1) > 0]
        weights = np.diff(starts, append=len(values))
        return cls(_means(_sums(values, starts), weights, values, starts), weights)

    @classmethod
    def of_counts(cls, values: np.ndarray, counts: np.ndarray) -> Digest:
        """Make a digest of distinct values in ascending order, each with its count."""
        return cls(values, counts)._compressed()

    @classmethod
    def merged(cls, digests: Sequence[Digest]) -> Digest:
        """Put several together."""
        import numpy as np

        means = np.concatenate([each.means for each in digests])
        weights = np.concatenate([each.weights for each in digests])
        order = np.argsort(means, kind="stable")
        return cls(means[order], weights[order])._compressed()

    def _compressed(self) -> Digest:
        import numpy as np

        if len(self.means) <= POINTS:
            return self
        until = np.cumsum(self.weights)
        first, cuts = np.unique(np.searchsorted(until, _cuts() * until[-1], side="right"), return_counts=True)
        # A point with several cuts is a value that many rows share: it stands alone, and nothing is added to it.
        starts = np.union1d(first, first[cuts > 1] + 1)
        starts = starts[starts < len(self.means)]
        weights = np.add.reduceat(self.weights, starts)
        with np.errstate(over="ignore"):
            sums = _sums(self.means * self.weights, starts)
        return Digest(_means(sums, weights, self.means, starts), weights)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return the values below which these shares of all values lie."""
        import numpy as np

        middles = (np.cumsum(self.weights) - self.weights / 2) / self.weights.sum()
        return [float(value) for value in np.interp(shares, middles, self.means)]

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {"means": encoded(self.means, "<f8", is_random=True), "weights": encoded(self.weights, "<i8")}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Digest:
        """Read back what `to_dict` gave."""
        return cls(decoded(stored["means"], "<f8"), decoded(stored["weights"], "<i8"))


@cache
def _cuts() -> np.ndarray:
    """Give the shares of all values at which points begin."""
    import numpy as np

    return (np.sin(np.pi * (np.arange(POINTS) / POINTS - 0.5)) + 1) / 2


def _sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Add up each stretch; a sum that no float holds is infinite, and its mean the stretch's end."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        return np.add.reduceat(values, starts)


def _means(sums: np.ndarray, weights: np.ndarray, values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Divide; a mean of equal values is that value, whatever rounding says."""
    import numpy as np

    ends = np.append(starts[1:], len(values)) - 1
    return np.clip(sums / weights, values[starts], values[ends])
