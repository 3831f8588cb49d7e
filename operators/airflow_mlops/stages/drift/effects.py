"""From two frames to the size of each column's move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.effects import Effect, category_effect, numeric_effect
from airflow_mlops.stages.drift.compare import PREDICTION, column_kind, holds_numbers, known_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd

    Days = tuple[np.ndarray | None, np.ndarray | None]

_NO_DAYS: Any = (None, None)


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
    """Measure one column, typed as by `column_kind`; None where it cannot be compared."""
    import pandas as pd

    kind, known = column_kind(reference), (known_rows(reference), known_rows(current))
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
