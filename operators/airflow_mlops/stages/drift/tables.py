"""Frequency tables of two columns on a common scale: a row for each value, or for each bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.drift.distribution import Distribution
from airflow_mlops.stages.drift.scores import sturges

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.stages.profile import ColumnProfile

    Tables = tuple[np.ndarray, np.ndarray]

# Evidently compares a number by its values up to so many different ones in the reference, and by bins beyond.
_MOST_COMPARED_VALUES = 20


def distinct_of(then: ColumnProfile, now: ColumnProfile) -> float:
    """Count the different values of both together; an estimate where a side has too many to count each."""
    import numpy as np

    if then.counts is not None and now.counts is not None:
        return float(len(set(then.values) | set(now.values)))
    if then.kind == now.kind == "number":
        from airflow_mlops.stages.profile.measure import distinct_numbers

        return distinct_numbers([then, now]) or float(np.inf)
    return max(each.distinct or 0.0 for each in (then, now))


def tables_of(then: ColumnProfile, now: ColumnProfile, method: str, *, is_numerical: bool) -> Tables:
    """Count what a method compares, as Evidently does.

    References
    ----------
    Evidently 0.7.23, ``evidently.legacy.calculations.stattests.utils.get_binned_data`` and ``.hellinger_distance``.
    """
    if is_numerical and method == "hellinger":
        return _binned(then, now, size=distinct_of(then, now))
    if is_numerical and method != "chisquare" and (then.distinct or 0) > _MOST_COMPARED_VALUES:
        return _binned(then, now, size=then.known + now.known)
    return _counted(then, now)


def _binned(then: ColumnProfile, now: ColumnProfile, *, size: float) -> Tables:
    sides = then, now
    edges = sturges(
        min(side.minimum for side in sides if side.minimum is not None),
        max(side.maximum for side in sides if side.maximum is not None),
        size,
        is_whole=all(is_integer(side) and not side.nulls for side in sides),
    )
    return Distribution.of(then).histogram(edges), Distribution.of(now).histogram(edges)


def is_integer(column: ColumnProfile) -> bool:
    """Tell whether a column is of a type of whole numbers, signed or not."""
    return column.type.startswith(("int", "uint"))


def _counted(then: ColumnProfile, now: ColumnProfile) -> Tables:
    """Count each value, in ascending order; those that a profile has not counted are one row at the end."""
    import numpy as np

    heads = [_heads(side) for side in (then, now)]
    values = sorted({value for side in heads for value in side}, key=lambda value: (isinstance(value, str), value))
    tables = []
    for side, counted in zip((then, now), heads, strict=True):
        if side.digest is not None:
            at = np.asarray([value for value in values if not isinstance(value, str)], dtype=float)
            found = Distribution.of(side).frequencies(at, is_whole=side.is_whole)
            counts = np.append(found, np.zeros(len(values) - len(at)))
        else:
            counts = np.array([counted.get(value, 0) for value in values], dtype=float)
        tables.append(np.append(counts, max(0.0, side.known - counts.sum())))
    is_there = tables[0] + tables[1] > 0
    return tables[0][is_there], tables[1][is_there]


def _heads(column: ColumnProfile) -> dict[Any, int]:
    if column.counts is not None:
        return dict(zip(list(column.values), column.counts.tolist(), strict=True))
    return {value: count - error for value, count, error in column.heads}
