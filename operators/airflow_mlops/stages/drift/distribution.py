"""A column's distribution function, exact where its values are counted, between points where they are digested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from airflow_mlops.stages.profile.digest import POINTS

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.stages.profile import ColumnProfile


@dataclass(frozen=True, slots=True)
class Distribution:
    """The share of values below and up to some points; between two points it grows evenly.

    Attributes
    ----------
    points : ndarray of shape (n_points,)
        Ascending, all different.
    below, upto : ndarray of shape (n_points,)
        Share of the values that are less than a point, and of those that are not more.
    rows : int
        How many values it stands for.
    is_exact : bool
        Whether each value was counted.
    """

    points: np.ndarray
    below: np.ndarray
    upto: np.ndarray
    rows: int
    is_exact: bool

    @classmethod
    def of(cls, column: ColumnProfile) -> Self:
        """Make it of a profile of numbers, times or booleans with at least one value."""
        import numpy as np

        digest = column.points
        assert digest is not None
        points, starts = np.unique(digest.means, return_index=True)
        weights = np.add.reduceat(digest.weights, starts)
        until = np.cumsum(weights)
        if column.counts is not None:
            return cls(points, (until - weights) / until[-1], until / until[-1], int(until[-1]), True)
        # A single value, or one so frequent that it has points of its own or one too heavy for a digest's, is a step;
        # the values of any other point lie about it, half of them on either side.
        middles = (until - weights / 2) / until[-1]
        usual = np.pi / POINTS * np.sqrt(middles * (1 - middles)) * until[-1] + 1
        is_step = (weights == 1) | (np.diff(starts, append=len(digest.means)) > 1) | (weights > 2 * usual)
        half = np.where(is_step, 0, weights / 2)
        below, upto = np.where(is_step, until - weights, until - half), until - half
        points, below, upto = _bounded(points, below, upto, column)
        return cls(points, below / until[-1], upto / until[-1], int(until[-1]), False)

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the shares of values below these points, and up to them."""
        import numpy as np

        after = np.searchsorted(self.points, points, side="right")
        before = np.clip(after - 1, 0, len(self.points) - 1)
        following = np.clip(after, 0, len(self.points) - 1)
        width = self.points[following] - self.points[before]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            part = np.clip(np.nan_to_num((points - self.points[before]) / width), 0.0, 1.0)
        between = self.upto[before] + part * (self.below[following] - self.upto[before])
        between = np.where(after == 0, 0.0, np.where(after == len(self.points), 1.0, between))
        is_point = (after > 0) & (self.points[before] == points)
        return np.where(is_point, self.below[before], between), np.where(is_point, self.upto[before], between)

    def histogram(self, edges: np.ndarray) -> np.ndarray:
        """Count the values from each edge up to the next; the last one counts in."""
        import numpy as np

        below, upto = self.at(edges)
        shares = np.append(below[:-1], upto[-1])
        counts = np.diff(shares) * self.rows
        return np.maximum(np.rint(counts) if self.is_exact else counts, 0.0)

    def frequencies(self, values: np.ndarray, *, is_whole: bool) -> np.ndarray:
        """Estimate how often each of some values occurs; that of whole numbers reaches halfway to the next."""
        reach = 0.5 if is_whole and not self.is_exact else 0.0
        below, _ = self.at(values - reach)
        upto = self.at(values + reach)[1]
        return (upto - below) * self.rows

    def sample(self, rows: int) -> np.ndarray:
        """Give so many values that are spread as these are; all of them, where they are counted."""
        import numpy as np

        shares = (np.arange(rows) + 0.5) / rows
        if self.is_exact:
            return self.points[np.searchsorted(self.upto, shares - 1e-12, side="left")]
        positions = np.repeat(self.points, 2)
        ranks = np.column_stack([self.below, self.upto]).ravel()
        return np.interp(shares, ranks, positions)


def _bounded(
    points: np.ndarray, below: np.ndarray, upto: np.ndarray, column: ColumnProfile
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Begin at the smallest value and end at the largest; the outermost points are means of some."""
    import numpy as np

    first, last = column.minimum, column.maximum
    if first is not None and points[0] > first:
        points, below, upto = (np.append(start, rest) for start, rest in ((first, points), (0.0, below), (0.0, upto)))
    if last is not None and points[-1] < last:
        rows = float(column.known)
        points, below, upto = (np.append(rest, end) for rest, end in ((points, last), (below, rows), (upto, rows)))
    return points, below, upto


def aligned(then: Distribution, now: Distribution) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all points of both, and how far the two functions are apart just before each, and on it."""
    import numpy as np

    points = np.union1d(then.points, now.points)
    (then_below, then_upto), (now_below, now_upto) = then.at(points), now.at(points)
    return points, then_below - now_below, then_upto - now_upto
