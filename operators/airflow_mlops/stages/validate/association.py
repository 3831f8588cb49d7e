"""How well one column alone tells the target: for leakage and for a flipped coding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.values import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

# Enough to tell 0.95 from 0.9; more rows cost time only.
MAX_ROWS = 20_000
# A category seen fewer times on average tells the target by chance; in a batch of few rows, where nothing else can be.
MIN_ROWS_PER_VALUE, MIN_ROWS_OF_FEW, FEW_ROWS = 20, 8, 200
# Fewer rows tell nothing.
LEAST_ROWS = 10
# Two heaps of one value each are infinitely far apart.
FARTHEST = 1e6


def associations(
    table: pa.Table, target: str, *, skip: Sequence[str] = (), is_classification: bool
) -> dict[str, float]:
    """Measure each column's association with the target.

    A number against two classes: the Gini coefficient ``2 AUC - 1``, with its sign. A number against a number:
    Pearson's correlation, with its sign. A text against a class: the share of errors it saves (lambda). A text against
    a number, or a number against several classes: the correlation ratio. Both from 0 to 1.

    Parameters
    ----------
    table : Table
        Every n-th row is used where there are more than 20,000.
    target : str
        Column to predict; rows without it are left out.
    skip : sequence of str
        Columns left out.
    is_classification : bool
        Whether the target is a class.

    Returns
    -------
    dict
        From column to a number in [-1, 1]; columns of other kinds, and constant ones, are left out.
    """
    rows = thinned(table)
    rows = rows.filter(_is_known(rows.column(target)))
    answer = _answer(rows, target, is_classification=is_classification)
    if answer is None or len(answer) < LEAST_ROWS or answer.min() == answer.max():
        return {}
    found = {}
    for name in rows.column_names:
        if name == target or name in skip:
            continue
        value = _association(rows, name, answer, is_classification=is_classification)
        if value is not None:
            found[name] = round(value, 4)
    return found


def _is_known(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.invert(pc.is_null(column, nan_is_null=True))


def _answer(rows: pa.Table, target: str, *, is_classification: bool) -> np.ndarray | None:
    """Give the target as numbers, or as numbers of classes in the order of their names; None where it has neither."""
    import numpy as np
    import pandas as pd

    if not is_classification:
        is_number = kind_of(rows.schema.field(target).type) in ("number", "boolean")
        return numbers(rows, target) if is_number else None
    codes, classes = pd.factorize(rows.column(target).to_pandas())
    places = np.argsort(sorted(range(len(classes)), key=lambda place: str(classes[place])))
    return places[codes]


def separations(table: pa.Table, target: str, *, skip: Sequence[str] = ()) -> dict[str, float]:
    """Return how far apart each number's means are in two classes, in standard deviations within the wider one.

    A column that was made from the target lies in two heaps. One that orders a calm day by itself does not: its values
    meet at the border between the classes. Nor does one that has its limit in one class, such as a clear view.

    Parameters
    ----------
    table : Table
        Every n-th row is used where there are many. Rows without a target are left out.
    target : str
        Column with two classes.
    skip : sequence of str
        Columns left out.

    References
    ----------
    Cohen (1988), Statistical power analysis for the behavioral sciences: the standardised difference d.
    """
    import numpy as np

    rows = thinned(table)
    rows = rows.filter(rows.column(target).is_valid())
    answer = rows.column(target).to_pandas()
    classes = sorted(answer.unique(), key=str)
    if len(classes) != 2:
        return {}
    is_second, found = np.asarray(answer == classes[1]), {}
    for name in rows.column_names:
        if name == target or name in skip or kind_of(rows.schema.field(name).type) != "number":
            continue
        values = numbers(rows, name)
        heaps = [values[side & ~np.isnan(values)] for side in (is_second, ~is_second)]
        if min(map(len, heaps)) < 2:
            continue
        apart = abs(heaps[0].mean() - heaps[1].mean())
        within = max(heaps[0].std(), heaps[1].std())
        found[name] = round(float(min(apart / within, FARTHEST)) if within else FARTHEST * bool(apart), 3)
    return found


def thinned(table: pa.Table) -> pa.Table:
    """Take every n-th row of a long table."""
    import numpy as np

    step = max(1, table.num_rows // MAX_ROWS)
    return table if step == 1 else table.take(np.arange(0, table.num_rows, step))


def _per_value(rows: int) -> int:
    return MIN_ROWS_PER_VALUE if rows >= FEW_ROWS else MIN_ROWS_OF_FEW


def _association(rows: pa.Table, name: str, answer: np.ndarray, *, is_classification: bool) -> float | None:
    import numpy as np

    column = rows.column(name)
    kind = kind_of(column.type)
    if kind not in ("number", "boolean", "text"):
        return None
    values = codes_of(column) if kind == "text" else numbers(rows, name)
    known = values >= 0 if kind == "text" else ~np.isnan(values)
    values, answer = values[known], answer[known]
    if len(values) < LEAST_ROWS or values.min() == values.max() or answer.min() == answer.max():
        return None
    if kind != "text":
        return _of_number(values, answer, is_classification=is_classification)
    if np.count_nonzero(np.bincount(values)) * _per_value(len(values)) > len(values):
        return None
    return _errors_removed(values, answer) if is_classification else _correlation_ratio(answer, values)


def codes_of(column: pa.ChunkedArray) -> np.ndarray:
    """Give each text a number, and what is null -1."""
    import numpy as np

    codes = column.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return np.nan_to_num(codes, nan=-1).astype("int64")


def _of_number(values: np.ndarray, answer: np.ndarray, *, is_classification: bool) -> float | None:
    if not is_classification:
        return _pearson(values, answer)
    classes = set(answer.tolist())
    return _gini(values, answer == max(classes)) if len(classes) == 2 else _correlation_ratio(values, answer)


def _gini(values: np.ndarray, is_positive: np.ndarray) -> float:
    """Return ``2 AUC - 1`` from the ranks of the positive rows; ties count half."""
    import numpy as np

    negative = np.sort(values[~is_positive])
    positive = values[is_positive]
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.mean() / len(negative) - 1)


def _pearson(values: np.ndarray, answer: np.ndarray) -> float | None:
    import numpy as np

    if not (np.isfinite(values).all() and np.isfinite(answer).all()) or not values.std() or not answer.std():
        return None
    return float(np.corrcoef(values, answer)[0, 1])


def _correlation_ratio(values: np.ndarray, groups: np.ndarray) -> float | None:
    """Return the root of the share of variance that lies between the groups."""
    import numpy as np

    total = ((values - values.mean()) ** 2).sum()
    if not np.isfinite(total) or not total:
        return None
    sizes = np.bincount(groups)
    means = np.bincount(groups, weights=values) / np.maximum(sizes, 1)
    return float(np.sqrt((sizes * (means - values.mean()) ** 2).sum() / total))


def _errors_removed(codes: np.ndarray, classes: np.ndarray) -> float:
    """Return Goodman and Kruskal's lambda: how many errors of always naming the commonest class the column saves."""
    import numpy as np

    counts = np.zeros((codes.max() + 1, classes.max() + 1))
    np.add.at(counts, (codes, classes), 1)
    base = counts.sum(axis=0).max()
    return float((counts.max(axis=1).sum() - base) / (len(codes) - base))
