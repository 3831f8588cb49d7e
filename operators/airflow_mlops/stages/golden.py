"""Golden rows: raw rows stored with the model's predictions at training time, replayed before a version serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa


def pick_golden(rows: pa.Table, *, columns: Sequence[str], sensitive: Sequence[str], count: int, seed: int) -> pa.Table:
    """Pick rows spread evenly over a table: one at random from each of ``count`` equal parts.

    Parameters
    ----------
    rows : Table
        Raw rows, ordered by time.
    columns : sequence of str
        What the model takes.
    sensitive : sequence of str
        Columns that come back as nulls of their type: golden rows are shown to people.
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
    for name in sorted(set(sensitive) & set(columns)):
        place = picked.schema.get_field_index(name)
        picked = picked.set_column(place, name, pa.nulls(picked.num_rows, picked.schema.field(name).type))
    return picked


def predict_method(model: Any) -> Literal["predict_proba", "predict"]:
    """Return the name of the method whose answers say most: probabilities where the model has them."""
    return "predict_proba" if hasattr(model, "predict_proba") else "predict"


def answers(model: Any, rows: pd.DataFrame) -> list[Any]:
    """Return what the model answers to golden rows, as JSON: a list of class probabilities, or one prediction, a row.

    Raises
    ------
    ModelUnusable
        It refuses them, most often because sensitive columns are null in them.
    """
    try:
        return getattr(model, predict_method(model))(rows).tolist()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        first = str(error).partition("\n")[0]
        raise ModelUnusable(
            f"the model refuses its own golden rows ({type(error).__name__}: {first}). Columns in data.sensitive are "
            "null in them; take an estimator, or a features.transformer, that accepts nulls."
        ) from error
