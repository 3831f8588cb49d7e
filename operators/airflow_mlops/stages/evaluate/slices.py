"""The slices that a search for the worst one looks at: values of columns, parts of numbers, and their pairs."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec.gate_sections import WorstSlice

# More would take memory and time, and each further one raises the bar for all.
MOST_SLICES, MOST_VALUES, MOST_COLUMNS = 400, 30, 40


def slices_of(rows: pd.DataFrame, columns: Sequence[str], settings: WorstSlice) -> dict[str, np.ndarray]:
    """Cut rows into named slices.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        Raw rows. Not modified.
    columns : sequence of str
        What is cut; the first 40 are.
    settings : WorstSlice
        Fewest rows, most columns together, parts of a number.

    Returns
    -------
    dict of str to ndarray of bool
        Rows by name: ``carrier = UA``, ``3 <= hour < 9 and carrier = UA``. Of columns together the largest, 400 in
        all at most. A slice of all rows is none.
    """
    parts = {name: parts_of(rows[name], settings.bins) for name in list(columns)[:MOST_COLUMNS]}
    found: dict[str, np.ndarray] = {}
    for depth in range(1, settings.depth + 1):
        made = [
            slice_
            for together in combinations(parts, depth)
            for slice_ in _crossed([parts[name] for name in together], settings.min_rows)
        ]
        made.sort(key=lambda each: -int(each[1].sum()))
        found |= dict(made[: max(0, MOST_SLICES - len(found))])
        if len(found) >= MOST_SLICES:
            break
    return found


def parts_of(column: pd.Series, bins: int) -> tuple[np.ndarray, list[str]]:
    """Cut one column into parts, one code a row.

    Returns
    -------
    codes : ndarray of shape (n_rows,)
        Place in ``names``; -1 for values that are too rare to have a part.
    names : list of str
        Of the parts.
    """
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    nulls = column.isna().to_numpy()
    if is_datetime64_any_dtype(column):
        # Blocks of time are what the gate resamples; they are no slices.
        return np.full(len(column), -1), []
    if is_numeric_dtype(column) and not is_bool_dtype(column) and column.nunique() > bins:
        values = column.to_numpy(dtype="float64", na_value=np.nan)
        edges = np.unique(np.nanquantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
        codes = np.where(nulls, len(edges) + 1, np.searchsorted(edges, values, side="right"))
        shown = [f"{edge:.6g}" for edge in edges]
        between = [f"{low} <= {column.name} < {high}" for low, high in pairwise(shown)]
        names = [f"{column.name} < {shown[0]}", *between, f"{column.name} >= {shown[-1]}"]
        return codes, [*names, f"{column.name} is null"]
    codes, found = pd.factorize(column.astype("object").where(~nulls, None), use_na_sentinel=True)
    frequent = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(found)), kind="stable")[:MOST_VALUES]
    places = np.full(len(found) + 1, -1)
    places[frequent] = np.arange(len(frequent))
    names = [f"{column.name} = {found[place]}" for place in frequent]
    return np.where(nulls, len(names), places[codes]), [*names, f"{column.name} is null"]


def _crossed(parts: Sequence[tuple[np.ndarray, list[str]]], min_rows: int) -> list[tuple[str, np.ndarray]]:
    """Return the slices that the parts of several columns make together."""
    import numpy as np

    size, code, valid = 1, np.zeros(len(parts[0][0]), dtype="int64"), np.ones(len(parts[0][0]), dtype=bool)
    for codes, names in parts:
        code = code * max(len(names), 1) + np.maximum(codes, 0)
        valid &= codes >= 0
        size *= max(len(names), 1)
    counts = np.bincount(code[valid], minlength=size)
    found = []
    for place in np.flatnonzero((counts >= min_rows) & (counts < len(code))):
        rest, words = int(place), []
        for _, names in reversed(parts):
            rest, own = divmod(rest, len(names))
            words.append(names[own])
        found.append((" and ".join(reversed(words)), valid & (code == place)))
    return found
