"""How far columns go by themselves from window to window: what a short batch is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.association import associations, codes_of, separations
from airflow_mlops.stages.validate.rows_facts import ordered
from airflow_mlops.stages.validate.values import class_name, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    import numpy as np
    import pyarrow as pa

# Windows that are looked at, the newest; those in which columns are held against the target; the fewest rows of one.
MOST_WINDOWS, MOST_JUDGED, LEAST_ROWS = 60, 20, 10
# Rows of a window that are held against the target, and against each other.
JUDGED_ROWS = 1000
# What tells all has no finite z.
MOST = 0.9999
# What lies beyond these two quantiles is no sign of variety.
ENDS = (0.05, 0.95)


def window_facts(
    table: pa.Table,
    *,
    time: str,
    target: str | None,
    window: timedelta | None,
    sensitive: Sequence[str] = (),
    is_classification: bool = True,
) -> dict[str, Any]:
    """Describe the extremes of windows.

    Parameters
    ----------
    table : Table
        The rows. Not modified.
    time, target : str
        Columns with the event time and the answer.
    window : timedelta or None
        Length of a window.
    sensitive : sequence of str
        Columns left out.
    is_classification : bool, default=True
        Whether the target is a class.

    Returns
    -------
    dict
        ``number`` of windows; ``nulls``: of each column that has any the largest share in a window; ``associations``
        and ``separations``: the largest of each column with the target; ``scatter``: the standard deviation of Fisher's
        z of the former; ``classes``: from each class to its least and
        largest share; ``alone``: from a class to the most rows of a window that had no other; ``variety``: of each
        column the least in a window, see `variety`. Empty where there are not at least two.
    """
    cuts = list(_cuts(table, time, window))
    if len(cuts) < 2:
        return {}
    found: dict[str, Any] = {
        "number": len(cuts),
        "nulls": _nulls(table, cuts, sensitive),
        "variety": _variety(table, cuts, sensitive),
    }
    if target in table.column_names and target is not None:
        judged = cuts[:: max(1, len(cuts) // MOST_JUDGED)]
        found |= _against(table, judged, target, (time, *sensitive), is_classification)
        if is_classification:
            found |= _classes(table, cuts, target)
    return found


def variety(table: pa.Table, name: str) -> float | None:
    """Tell how much a column varies; what a filter takes away, and taking rows at random does not.

    Of a number the distance from its first twentieth to its last, of a text the share of all but the commonest one, of
    times the hours of the day; None of other kinds, and where nothing is known.
    """
    values = _values(table, name)
    return None if values is None else _spread(values, kind_of(table.schema.field(name).type))


def _values(table: pa.Table, name: str) -> np.ndarray | None:
    """Give numbers, or of texts and times a number each (the hour of a time) and -1 for a null."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column(name)
    kind = kind_of(column.type)
    if kind == "number":
        return numbers(table, name)
    if kind == "text":
        return codes_of(column)
    if kind != "time":
        return None
    if not pa.types.is_timestamp(column.type):
        return np.where(column.is_valid().to_numpy(), 0, -1)
    return pc.fill_null(pc.hour(column), -1).to_numpy()


def _spread(values: np.ndarray, kind: str) -> float | None:
    import numpy as np

    if kind == "number":
        known = np.sort(values[~np.isnan(values)])
        if not len(known):
            return 0.0
        low, high = np.interp(np.array(ENDS) * (len(known) - 1), np.arange(len(known)), known)
        return float(high - low)
    counts = np.bincount(values[values >= 0])
    if not len(counts):
        return None
    return float(1 - counts.max() / counts.sum()) if kind == "text" else float(np.count_nonzero(counts))


def _variety(table: pa.Table, cuts: Sequence[np.ndarray], sensitive: Sequence[str]) -> dict[str, float]:
    """Give of each column the least variety in a window."""
    least: dict[str, float] = {}
    parts = [_even(rows) for rows in cuts]
    for name in table.column_names:
        values = None if name in sensitive else _values(table, name)
        if values is None:
            continue
        kind = kind_of(table.schema.field(name).type)
        found = [value for value in (_spread(values[rows], kind) for rows in parts) if value is not None]
        if found:
            least[name] = round(min(found), 6)
    return least


def _even(rows: np.ndarray) -> np.ndarray:
    """Take at least so many rows that lie evenly."""
    return rows[:: max(1, len(rows) // JUDGED_ROWS)]


def _cuts(table: pa.Table, time: str, window: timedelta | None) -> Iterator[np.ndarray]:
    """Give the positions of the rows of each window, the newest first."""
    import numpy as np

    moments, order = ordered(table, time)
    length = int(window.total_seconds() * 1e6) if window else 0
    if len(moments) < 2 or not length:
        return
    edges = moments[-1] + 1 - length * np.arange(MOST_WINDOWS + 1)
    places = np.searchsorted(moments, edges)
    for last, first, edge in zip(places[:-1], places[1:], edges[1:], strict=True):
        if last - first >= LEAST_ROWS and edge >= moments[0] - length // 10:
            yield order[first:last]


def _nulls(table: pa.Table, cuts: Sequence[np.ndarray], sensitive: Sequence[str]) -> dict[str, float]:
    import numpy as np

    found = {}
    for name in table.column_names:
        column = table.column(name)
        is_number = kind_of(column.type) == "number"
        if name in sensitive or (not column.null_count and not is_number):
            continue
        is_null = np.isnan(numbers(table, name)) if is_number else column.is_null().to_numpy()
        if is_null.any():
            found[name] = round(float(max(is_null[rows].mean() for rows in cuts)), 4)
    return found


def _against(
    table: pa.Table, cuts: Sequence[np.ndarray], target: str, skip: Sequence[str], is_classification: bool
) -> dict[str, dict[str, float]]:
    import numpy as np

    told: dict[str, list[float]] = {}
    apart: dict[str, list[float]] = {}
    for rows in cuts:
        part = table.take(rows[:: max(1, len(rows) // JUDGED_ROWS)])
        for name, value in associations(part, target, skip=skip, is_classification=is_classification).items():
            told.setdefault(name, []).append(abs(value))
        for name, value in (separations(part, target, skip=skip) if is_classification else {}).items():
            apart.setdefault(name, []).append(value)
    return {
        "associations": {name: max(values) for name, values in told.items()},
        "scatter": {name: round(float(np.std(np.arctanh(np.minimum(v, MOST)))), 4) for name, v in told.items()},
        "separations": {name: max(values) for name, values in apart.items()},
    }


def _classes(table: pa.Table, cuts: Sequence[np.ndarray], target: str) -> dict[str, Any]:
    import pandas as pd

    codes, names = pd.factorize(table.column(target).to_pandas())
    shares = [
        pd.Series(codes[rows])[codes[rows] >= 0].value_counts(normalize=True).reindex(range(len(names)), fill_value=0.0)
        for rows in cuts
        if (codes[rows] >= 0).sum() >= LEAST_ROWS
    ]
    ends = {
        class_name(name): [float(min(share[code] for share in shares)), float(max(share[code] for share in shares))]
        for code, name in enumerate(names)
        if shares
    }
    return {"classes": ends, "alone": _alone(codes, names, cuts)}


def _alone(codes: np.ndarray, names: Sequence[object], cuts: Sequence[np.ndarray]) -> dict[str, int]:
    """Give of each class the rows of the largest window that had no other."""
    found: dict[str, int] = {}
    for rows in cuts:
        known = codes[rows][codes[rows] >= 0]
        if len(known) >= LEAST_ROWS and (known == known[0]).all():
            name = class_name(names[known[0]])
            found[name] = max(len(known), found.get(name, 0))
    return found
