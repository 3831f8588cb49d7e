"""From the columns of any table to times, a target with its task, and features that are numbers or text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype, is_timedelta64_dtype

from airflow_mlops.errors import HistoryUnusable

MOST_CLASSES = 20
"""Numbers with more values than this are a regression."""

_NUMBERS = {"integer", "floating", "decimal", "boolean", "mixed-integer-float"}
_TIMES = {"datetime", "datetime64", "date", "time", "timedelta", "timedelta64", "period"}


def times_of(column: pd.Series) -> pd.Series:
    """Read times with a zone or without, as values or text; what is no time becomes null, and so do all numbers."""
    if is_numeric_dtype(column):
        return pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns, UTC]")
    form = {} if is_datetime64_any_dtype(column) else {"format": "mixed"}
    plain = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    return pd.to_datetime(plain, utc=True, errors="coerce", **form).astype("datetime64[ns, UTC]")


def target_of(column: pd.Series) -> tuple[pd.Series, str, tuple[Any, ...]]:
    """Find the task from the values of a target, and give classes their numbers.

    Returns
    -------
    target : Series
        Floats; null where there is no value, or an infinite one.
    task : {"binary", "multiclass", "regression"}
        Two values are binary; more than twenty numbers are a regression.
    classes : tuple
        The value behind each number; none for a regression.

    Raises
    ------
    HistoryUnusable
        There are fewer than two values.
    """
    known = _plain(column).dropna()
    numbers = _as_numbers(known)
    if numbers is not None:
        known = numbers[np.isfinite(numbers)]
        if known.nunique() > MOST_CLASSES:
            return known.reindex(column.index), "regression", ()
    else:
        known = known.map(str)
    codes, classes = pd.factorize(known, sort=True)
    if len(classes) < 2:
        raise HistoryUnusable(f"y has {len(classes)} distinct values; a stream needs at least two.")
    task = "binary" if len(classes) == 2 else "multiclass"
    return pd.Series(codes, known.index, dtype=float).reindex(column.index), task, tuple(classes.tolist())


def _as_numbers(known: pd.Series) -> pd.Series | None:
    """Return numbers of any kind, also where they are text, else None."""
    if is_datetime64_any_dtype(known) or is_timedelta64_dtype(known):
        return None
    if not is_numeric_dtype(known) and pd.api.types.infer_dtype(known) in _NUMBERS:
        return known.astype(float)
    numbers = pd.to_numeric(known, errors="coerce").astype(float)
    return numbers if len(numbers) and numbers.notna().all() else None


def features_of(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Turn columns into numbers or text, and leave out what no model can use; the notes say which.

    Raises
    ------
    HistoryUnusable
        No column is left.
    """
    kept: dict[str, pd.Series] = {}
    left_out: dict[str, list[str]] = {"without any value": [], "of times": []}
    for name, column in frame.items():
        if column.isna().all():
            left_out["without any value"].append(str(name))
        elif (values := _feature(column)) is None:
            left_out["of times"].append(str(name))
        else:
            kept[str(name)] = values
    if not kept:
        raise HistoryUnusable(f"none of the {frame.shape[1]} columns beside ts and y is a feature.")
    notes = [f"columns {why} were left out: {', '.join(names)}" for why, names in left_out.items() if names]
    return pd.DataFrame(kept, index=frame.index), notes


def _feature(column: pd.Series) -> pd.Series | None:
    if isinstance(column.dtype, pd.CategoricalDtype) and pd.api.types.infer_dtype(column.cat.categories) == "string":
        return column
    column = _plain(column)
    if is_datetime64_any_dtype(column) or is_timedelta64_dtype(column):
        return None
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if is_numeric_dtype(column) or is_bool_dtype(column) or kind in _NUMBERS:
        numbers = column.astype("Float64") if pd.api.types.is_extension_array_dtype(column) else column
        return numbers.astype(float).where(lambda values: np.isfinite(values))
    if kind in _TIMES:
        return None
    return column.map(str, na_action="ignore").astype("category")


def _plain(column: pd.Series) -> pd.Series:
    return column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
