"""How far columns go by themselves from window to window: what a short batch is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.association import associations, separations
from airflow_mlops.stages.validate.rows_facts import ordered
from airflow_mlops.stages.validate.values import class_name, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    import numpy as np
    import pyarrow as pa

# Windows that are looked at, the newest; those in which columns are held against the target; the fewest rows of one.
MOST_WINDOWS, MOST_JUDGED, LEAST_ROWS = 60, 20, 10
# Rows of a window that are held against the target.
JUDGED_ROWS = 1000


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
        and ``separations``: the largest of each column with the target; ``classes``: from each class to its least and
        largest share. Empty where there are not at least two.
    """
    cuts = list(_cuts(table, time, window))
    if len(cuts) < 2:
        return {}
    found: dict[str, Any] = {"number": len(cuts), "nulls": _nulls(table, cuts, sensitive)}
    if target in table.column_names and target is not None:
        judged = cuts[:: max(1, len(cuts) // MOST_JUDGED)]
        found |= _against(table, judged, target, (time, *sensitive), is_classification)
        if is_classification:
            found |= _classes(table, cuts, target)
    return found


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
    most: dict[str, dict[str, float]] = {"associations": {}, "separations": {}}
    for rows in cuts:
        part = table.take(rows[:: max(1, len(rows) // JUDGED_ROWS)])
        for kind, found in (
            ("associations", associations(part, target, skip=skip, is_classification=is_classification)),
            ("separations", separations(part, target, skip=skip) if is_classification else {}),
        ):
            for name, value in found.items():
                most[kind][name] = max(abs(value), most[kind].get(name, 0.0))
    return most


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
    return {"classes": ends}
