"""From two frames to the size of each column's move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.effects import Effect, category_effect, numeric_effect
from airflow_mlops.stages.drift.report import PREDICTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd

    Days = tuple[np.ndarray | None, np.ndarray | None]

_NO_DAYS: Any = (None, None)
# Evidently takes an integer column with no more distinct values than this for a categorical one.
_FEW_INTEGERS = 10


def measure_effects(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Iterable[str], *, time: str | None = None
) -> dict[str, Effect]:
    """Measure how far each column has moved.

    Parameters
    ----------
    reference, current : DataFrame of shape (n_rows, n_columns)
        Rows of then and of now. Not modified.
    columns : iterable of str
        Which; those that hold no values on a side, text, or times, are left out.
    time : str, optional
        Column with the event time. Rows of a day (UTC) then count as what they are: alike.

    Returns
    -------
    dict of str to Effect
        By column.
    """
    days = (days_of(reference[time]), days_of(current[time])) if time else _NO_DAYS
    found = ((name, effect_of(name, reference[name], current[name], days=days)) for name in columns)
    return {name: effect for name, effect in found if effect is not None}


def prediction_effect(then: Any, now: Any, *, days: Days = _NO_DAYS) -> Effect | None:
    """Measure how far predictions have moved: numbers, such as probabilities, or labels."""
    import pandas as pd

    return effect_of(PREDICTION, pd.Series(then), pd.Series(now), days=days)


def days_of(times: pd.Series) -> np.ndarray:
    """Give the number of the day, in UTC, that each time lies in."""
    import numpy as np
    import pandas as pd

    return pd.to_datetime(times, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[D]").astype(np.int64)


def effect_of(name: str, reference: pd.Series, current: pd.Series, *, days: Days = _NO_DAYS) -> Effect | None:
    """Measure one column, typed as by `frame_kind`; None where it cannot be compared."""
    import pandas as pd

    kind, known = frame_kind(reference), (known_rows(reference), known_rows(current))
    then, now = reference[known[0]], current[known[1]]
    if kind not in ("numerical", "categorical") or not (len(then) and len(now)):
        return None
    kept = (None if days[0] is None else days[0][known[0]], None if days[1] is None else days[1][known[1]])
    if kind == "numerical":
        if not (holds_numbers(then) and holds_numbers(now)):
            return None
        return numeric_effect(name, then.to_numpy(dtype=float), now.to_numpy(dtype=float), days=kept)
    codes, values = pd.factorize(pd.concat([then.astype(object), now.astype(object)], ignore_index=True))
    return category_effect(name, (codes[: len(then)], codes[len(then) :]), len(values), days=kept)


def frame_kind(column: pd.Series) -> str:
    """Type a column as Evidently does: ``numerical``, ``categorical``, ``text``, ``datetime`` or ``unknown``.

    Unsigned integers count as integers, and booleans with gaps as categorical; Evidently leaves both out.

    References
    ----------
    Evidently 0.7.23, ``evidently.core.datasets.infer_column_type``.
    """
    name = column.dtype.name.lower()
    if name.startswith("float"):
        return "numerical"
    if name.startswith(("int", "uint")):
        return "categorical" if column.nunique() <= _FEW_INTEGERS else "numerical"
    if name.startswith("datetime"):
        return "datetime"
    if name in ("bool", "boolean", "category"):
        return "categorical"
    known = column.dropna()
    if known.empty or not all(isinstance(known.iloc[end], str | bool) for end in (0, -1)):
        return "unknown"
    return "text" if isinstance(known.iloc[0], str) and known.nunique() > len(known) * 0.5 else "categorical"


def known_rows(column: pd.Series) -> np.ndarray:
    """Tell which rows have a value that is neither null nor infinite."""
    import numpy as np

    return np.isfinite(column.to_numpy()) if column.dtype.kind == "f" else column.notna().to_numpy()


def holds_numbers(column: pd.Series) -> bool:
    """Tell whether a column is of numbers; yes and no are none."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) and not is_bool_dtype(column)
