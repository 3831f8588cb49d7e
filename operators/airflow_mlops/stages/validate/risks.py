"""What all columns together say of the second of two classes: to see that a coding was turned round.

References
----------
Hand and Yu (2001), Idiot's Bayes - not so stupid after all?: sums of log odds of each column rank rows well even where
columns depend on each other. Hanley and McNeil (1982), The meaning and use of the area under a receiver operating
characteristic (ROC) curve: its standard error.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.association import thinned
from airflow_mlops.stages.validate.values import class_name, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

# A number is cut at so many quantiles; of a text so many values have odds of their own.
BINS, VALUES = 8, 60
# Rows of each class added to each value, so that a rare one says little.
PRIOR = 5.0
# So far from the middle of all rows to that of one class, rows look like that class.
HALF_WAY = 0.5


def risks(table: pa.Table, target: str, *, skip: Sequence[str] = ()) -> dict[str, Any]:
    """Learn the log odds of the second class for each value of each column.

    Parameters
    ----------
    table : Table
        Every n-th row is used where there are many. Rows without a target are left out.
    target : str
        Column with two classes.
    skip : sequence of str
        Columns left out.

    Returns
    -------
    dict
        JSON: ``columns`` for `rank`; ``area``: how well they rank these rows themselves; ``middles``: the median score
        of each class, and of all rows as ``""``. Empty for other than two classes.
    """
    import numpy as np

    rows, is_second = _labelled(table, target)
    if is_second is None or is_second.all() or not is_second.any():
        return {}
    columns: dict[str, Any] = {}
    for name in rows.column_names:
        kind = kind_of(rows.schema.field(name).type)
        if name == target or name in skip or kind not in ("number", "text", "boolean"):
            continue
        scale = _edges(numbers(rows, name)) if kind == "number" else _values(rows.column(name))
        if len(scale):
            columns[name] = {"kind": kind, "scale": scale, "odds": []}
            codes = _codes(rows, name, columns[name])
            columns[name]["odds"] = _odds(codes, is_second, len(scale) + 2)
    scores = _scores(rows, columns)
    names = sorted(rows.column(target).to_pandas().unique(), key=str)
    middles = {class_name(names[side]): float(np.median(scores[is_second == side])) for side in (0, 1)}
    return {
        "columns": columns,
        "area": _area(scores, is_second)[0],
        "middles": {**middles, "": float(np.median(scores))},
    }


def looks_like(table: pa.Table, name: str, known: dict[str, Any]) -> bool:
    """Tell whether the middle of some rows lies nearer to that of one class of the reference than to that of all."""
    import numpy as np

    if not known or name not in known["middles"]:
        return False
    middle, middles = float(np.median(_scores(thinned(table), known["columns"]))), known["middles"]
    towards = (middle - middles[""]) / (middles[name] - middles[""]) if middles[name] != middles[""] else 0.0
    return towards > HALF_WAY


def rank(table: pa.Table, target: str, known: dict[str, Any]) -> tuple[float, float] | None:
    """Return how well log odds of a reference rank other rows (area under the curve), and its standard error.

    None where either has not two classes.
    """
    rows, is_second = _labelled(table, target)
    if not known or is_second is None or is_second.all() or not is_second.any():
        return None
    return _area(_scores(rows, known["columns"]), is_second)


def _labelled(table: pa.Table, target: str) -> tuple[pa.Table, np.ndarray | None]:
    import numpy as np

    rows = thinned(table)
    rows = rows.filter(rows.column(target).is_valid())
    answer = rows.column(target).to_pandas()
    classes = sorted(answer.unique(), key=str)
    return rows, (np.asarray(answer == classes[-1]) if len(classes) == 2 else None)


def _edges(values: np.ndarray) -> list[float]:
    import numpy as np

    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, np.arange(1, BINS) / BINS)).tolist() if len(known) else []


def _values(column: pa.ChunkedArray) -> list[str | bool]:
    counts = column.drop_null().to_pandas().value_counts()
    return counts.index[:VALUES].tolist()


def _codes(rows: pa.Table, name: str, described: dict[str, Any]) -> np.ndarray:
    """Give each row the number of its bin or value; one more than all for others, and the last for nulls."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    scale = described["scale"]
    if described["kind"] == "number":
        values = numbers(rows, name)
        return np.where(np.isnan(values), len(scale) + 1, np.searchsorted(scale, values, side="right"))
    column = rows.column(name)
    codes = pc.fill_null(pc.index_in(column, value_set=pa.array(scale, column.type)), len(scale)).to_numpy()
    return np.where(column.is_valid().to_numpy(), codes, len(scale) + 1)


def _odds(codes: np.ndarray, is_second: np.ndarray, number: int) -> list[float]:
    import numpy as np

    share = is_second.mean()
    second = np.bincount(codes[is_second], minlength=number) + PRIOR * share
    first = np.bincount(codes[~is_second], minlength=number) + PRIOR * (1 - share)
    return [round(float(odds), 4) for odds in np.log(second / first) - np.log(share / (1 - share))]


def _scores(rows: pa.Table, columns: dict[str, Any]) -> np.ndarray:
    import numpy as np

    total = np.zeros(rows.num_rows)
    for name, described in columns.items():
        if name in rows.column_names and kind_of(rows.schema.field(name).type) == described["kind"]:
            total += np.array(described["odds"])[_codes(rows, name, described)]
    return total


def _area(scores: np.ndarray, is_second: np.ndarray) -> tuple[float, float]:
    import numpy as np

    first, second = np.sort(scores[~is_second]), scores[is_second]
    below = np.searchsorted(first, second, "left") + np.searchsorted(first, second, "right")
    area = float(below.mean() / 2 / len(first))
    return round(area, 4), round(area_error(len(first), len(second)), 4)


def area_error(first: int, second: int) -> float:
    """Return the standard error of the area under the curve of so many rows of each class.

    At no rank at all (an area of one half) it is largest.
    """
    return sqrt((first + second + 1) / (12 * first * second))
