"""Were two columns of numbers written into each other's place? Each lies where the other was, and far from itself."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.facts import QUANTILES
from airflow_mlops.stages.validate.findings import Finding, failed
from airflow_mlops.stages.validate.values import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pyarrow as pa

Column = dict[str, Any]
# Of the bins between quantiles at training: so much lies in others than a column's own, and no more than so much in
# others than those of the column that it is now (total variation distance).
OTHERS, OWN = 0.5, 0.35
# In few rows, or in a calm window: of one column so much lies outside its whole range, of the other so much beyond its
# first or last tenth, and so much of each within the range of the other.
OUTSIDE, WITHIN = 0.9, 0.98
# By so many times as far as it ever did between parts of the reference the middle of each has moved.
MOVED = 2.0
LEAST_ROWS, LEAST_PARTS, LEAST_CHANGES = 10, 4, 100


def swapped(
    table: pa.Table, names: Sequence[str], current: dict[str, Column], reference: dict[str, Column]
) -> Iterator[Finding]:
    """Find pairs of columns that changed places.

    Parameters
    ----------
    table : Table
        The rows. Not modified.
    names : sequence of str
        Columns of numbers in both.
    current, reference : dict
        Facts of columns.

    Notes
    -----
    A season moves columns too, but hardly two at once into each other's place and far beyond where they were.
    """
    moved = [name for name in names if _is_moved(current[name], reference[name])]
    for one, other in combinations(moved, 2):
        values = [_known(table, name) for name in (one, other)]
        if not _are_crossed(values, reference[one], reference[other]):
            continue
        middles = [f"{facts[name]['quantiles'][4]:g}" for facts in (current, reference) for name in (one, other)]
        text = f"{one!r} and {other!r} seem to have changed places: their middles are {middles[0]} and {middles[1]}"
        yield failed("columns are in place", one, "critical", f"{text}, {middles[2]} and {middles[3]} at training")


def _is_moved(now: Column, then: Column) -> bool:
    """Tell whether a column that varies without ties has its middle far from where it ever was."""
    medians = then.get("medians") or []
    if len(medians) < LEAST_PARTS or then.get("changes", 0) < LEAST_CHANGES or "quantiles" not in now:
        return False
    if any(a >= b for a, b in pairwise(then["quantiles"])):
        return False
    low, high = min(medians), max(medians)
    middle = now["quantiles"][4]
    return max(low - middle, middle - high) > MOVED * (high - low)


def _known(table: pa.Table, name: str) -> np.ndarray:
    import numpy as np

    values = numbers(table, name)
    return values[~np.isnan(values)]


def _are_crossed(values: Sequence[np.ndarray], first: Column, second: Column) -> bool:
    one, other = values
    if min(len(one), len(other)) < LEAST_ROWS:
        return False
    if min(_distance(one, first), _distance(other, second)) >= OTHERS:
        return max(_distance(one, second), _distance(other, first)) <= OWN or _are_apart(one, other, first, second)
    return False


def _are_apart(one: np.ndarray, other: np.ndarray, first: Column, second: Column) -> bool:
    """Tell whether one has left its range, the other its middle, and each is within the range of the other."""
    if min(_within(one, second), _within(other, first)) < WITHIN:
        return False
    left = [1 - _within(one, first), 1 - _within(other, second)]
    return max(left) >= OUTSIDE and min(_beyond(one, first), _beyond(other, second)) >= OUTSIDE


def _within(values: np.ndarray, then: Column) -> float:
    return float(((values >= then["min"]) & (values <= then["max"])).mean())


def _beyond(values: np.ndarray, then: Column) -> float:
    """Return the share beyond the first or the last tenth, whichever is more."""
    return float(max((values < then["quantiles"][2]).mean(), (values > then["quantiles"][6]).mean()))


def _distance(values: np.ndarray, then: Column) -> float:
    """Return the total variation distance to the reference, in the bins between its quantiles."""
    import numpy as np

    edges = np.array([then["min"], *then["quantiles"], then["max"]])
    places = np.searchsorted(edges, values, side="left")
    now = np.bincount(places, minlength=len(edges) + 1) / len(values)
    shares = np.diff([0.0, *QUANTILES, 1.0])
    return float(np.abs(now - np.array([0.0, *shares, 0.0])).sum() / 2)
