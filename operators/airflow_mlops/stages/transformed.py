"""What a transformer gave: a frame of numbers with names, and which of its columns are codes of categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import TransformerUnusable
from airflow_mlops.stages.encoders import MAX_CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd


def numeric_frame(transformed: Any, transformer: Any, path: str) -> pd.DataFrame:
    """Return what a transformer gave as a frame of numbers, each column with a name of its own.

    Raises
    ------
    TransformerUnusable
        There is no column, one twice, or one that is not numbers.
    """
    import pandas as pd

    if isinstance(transformed, pd.DataFrame):
        frame = transformed.reset_index(drop=True)
    else:
        dense = transformed.toarray() if hasattr(transformed, "toarray") else transformed
        frame = pd.DataFrame(dense, columns=pd.Index(_names(transformer, dense)))
    frame.columns = [str(name) for name in frame.columns]
    text = [name for name, kind in frame.dtypes.items() if kind.kind not in "biuf"]
    if text or frame.columns.has_duplicates or frame.shape[1] == 0:
        fault = (
            f"columns that are not numbers: {', '.join(map(repr, text[:5]))}"
            if text
            else "no column, because every raw column is null"
            if frame.shape[1] == 0
            else f"the column {frame.columns[frame.columns.duplicated()][0]!r} twice"
        )
        raise TransformerUnusable(f"{path} gives {fault}. Estimators take numbers in columns with names of their own.")
    return frame


def as_fitted(transformed: Any, transformer: Any) -> list[tuple[str, Any]]:
    """See to it that the estimator is asked about what it is fitted on: a frame with names, or at least an array.

    Returns
    -------
    list of (str, transformer)
        Steps that come after the transformer.
    """
    from operator import methodcaller

    import pandas as pd
    from sklearn.preprocessing import FunctionTransformer

    if hasattr(transformed, "toarray"):
        return [("dense", FunctionTransformer(methodcaller("toarray")))]
    is_array = not isinstance(transformed, pd.DataFrame)
    if is_array and hasattr(transformer, "set_output") and hasattr(transformer, "get_feature_names_out"):
        transformer.set_output(transform="pandas")
    return []


def _names(transformer: Any, values: np.ndarray) -> Sequence[str]:
    if hasattr(transformer, "get_feature_names_out"):
        return [str(name) for name in transformer.get_feature_names_out()]
    return [f"feature_{index}" for index in range(values.shape[1])]


def categorical(transformer: Any, frame: pd.DataFrame) -> tuple[str, ...]:
    """Name what ordinal encoders in a column transformer put out: codes, which some estimators tell from numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    if not isinstance(transformer, ColumnTransformer):
        return ()
    inputs = [columns for _, step, columns in transformer.transformers_ if isinstance(step, OrdinalEncoder)]
    names = {str(name) for columns in inputs for name in columns}
    return tuple(name for name in frame.columns if name in names and frame[name].max() < MAX_CATEGORIES)
