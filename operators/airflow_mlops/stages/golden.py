"""Golden rows: raw rows stored with the model's predictions at training time, replayed before a version serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa

PREFIX = "__prediction_"


def predictions_of(model: Any, rows: pd.DataFrame) -> np.ndarray:
    """Predict as numbers that can be compared.

    Returns
    -------
    ndarray of shape (n_rows, n_classes) or (n_rows, 1)
        Probabilities where the model has them; else its predictions, labels as their place among its classes.
    """
    import numpy as np

    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(rows), dtype="float64")
    predicted = np.asarray(model.predict(rows))
    if hasattr(model, "classes_"):
        predicted = np.searchsorted(model.classes_, predicted)
    return predicted.astype("float64").reshape(len(rows), -1)


def pick_golden(
    rows: pa.Table, *, columns: Sequence[str], sensitive: Sequence[str], count: int, seed: int
) -> pa.Table:
    """Pick rows spread evenly over a table: one at random from each of ``count`` equal parts.

    Parameters
    ----------
    rows : Table
        Raw rows, ordered by time.
    columns : sequence of str
        What the model takes.
    sensitive : sequence of str
        Columns that are stored as nulls of their type.
    count : int
        Most rows to pick.
    seed : int
        Seed of the choice.
    """
    import numpy as np
    import pyarrow as pa

    edges = np.linspace(0, rows.num_rows, min(count, rows.num_rows) + 1).astype(int)
    places = np.random.default_rng(seed).integers(edges[:-1], edges[1:])
    picked = rows.select(list(columns)).take(pa.array(places))
    for name in set(sensitive) & set(columns):
        place = picked.schema.get_field_index(name)
        picked = picked.set_column(place, name, pa.nulls(picked.num_rows, picked.schema.field(name).type))
    return picked


def with_predictions(model: Any, rows: pa.Table) -> pa.Table:
    """Append what the model predicts for ``rows`` as they are stored."""
    import pyarrow as pa

    predictions = predictions_of(model, rows.to_pandas())
    for index in range(predictions.shape[1]):
        rows = rows.append_column(f"{PREFIX}{index}", pa.array(predictions[:, index]))
    return rows


def split_golden(golden: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Split a stored golden table into the raw rows and the predictions of shape (n_rows, n_outputs)."""
    outputs = [name for name in golden.columns if str(name).startswith(PREFIX)]
    return golden.drop(columns=outputs), golden[outputs].to_numpy("float64")
