"""Shares of one column's values that two sides, or one, can be drawn by: bins on common edges, or frequent values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.stages.drift.distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_mlops.stages.profile.column import ColumnProfile

BINS, LABELS = 40, 9
# Ends of the picture where the tails are so long that the rest would be one bar.
_ENDS, _LONG = [0.005, 0.995], 4.0


@dataclass(frozen=True, slots=True)
class Bins:
    """Numbers or times on common edges.

    ``shares`` has an array for each side, of its values; what lies beyond the edges is in ``outside``.
    """

    edges: np.ndarray
    shares: list[np.ndarray]
    outside: list[float]


@dataclass(frozen=True, slots=True)
class Heads:
    """The most frequent values of the last side, then those of the first; the last share is that of all others."""

    values: list[str]
    shares: list[list[float]]


def are_comparable(sides: Sequence[ColumnProfile]) -> bool:
    """Tell whether there is something to draw: values on every side, of one kind, that are not sensitive."""
    return all(side.known and not side.is_sensitive for side in sides) and len({side.kind for side in sides}) == 1


def bins_of(sides: Sequence[ColumnProfile]) -> Bins:
    """Count the values of numbers or times between common edges."""
    edges = _edges(sides)
    shares = [Distribution.of(side).histogram(edges) / side.known for side in sides]
    return Bins(edges, shares, [max(1.0 - float(each.sum()), 0.0) for each in shares])


def _edges(sides: Sequence[ColumnProfile]) -> np.ndarray:
    import numpy as np

    least = min(side.minimum for side in sides if side.minimum is not None)
    most = max(side.maximum for side in sides if side.maximum is not None)
    ends = [side.quantiles(_ENDS) for side in sides]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    if high > low and most - least > _LONG * (high - low):
        least, most = low, high
    is_few = sides[0].kind == "number" and all(side.is_whole for side in sides) and most - least < BINS
    if is_few or most == least:
        return np.arange(np.floor(least), np.floor(most) + 2) - 0.5 if is_few else np.array([least - 0.5, least + 0.5])
    return np.linspace(least, most, BINS + 1)


def heads_of(sides: Sequence[ColumnProfile]) -> Heads:
    """Count the most frequent values of texts, or of yes and no."""
    counted = [{str(value): count for value, count, _ in side.heads} for side in sides]
    names = [name for name, _ in sorted(counted[-1].items(), key=lambda pair: -pair[1])]
    names += [name for name in counted[0] if name not in counted[-1]]
    # The last bar is for all others, unless a single one is left.
    shown = names if len(names) <= LABELS + 1 else names[:LABELS]
    return Heads(shown, [_shares(side, counts, shown) for side, counts in zip(sides, counted, strict=True)])


def _shares(side: ColumnProfile, counts: Mapping[str, int], shown: Sequence[str]) -> list[float]:
    found = [counts.get(name, 0) / side.known for name in shown]
    return [*found, max(1.0 - sum(found), 0.0)]
