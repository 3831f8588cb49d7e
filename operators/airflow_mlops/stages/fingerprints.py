"""Rows as numbers of 64 bits, so that it can be told later which rows a model was trained on without reading them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import ArtifactCorrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec import ModelSpec


def identity_columns(spec: ModelSpec) -> list[str]:
    """Return the columns that make a row the row it is: its time and its key, or all that a model sees of it.

    With a key a row stays the same one when a later snapshot corrects its values.
    """
    beside = spec.data.key or spec.features.columns
    return list(dict.fromkeys([spec.data.time, *beside]))


def fingerprints(rows: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Hash the values of columns, row by row.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        Raw rows. Not modified.
    columns : sequence of str
        What is hashed; their order in the frame does not matter.

    Returns
    -------
    ndarray of shape (n_rows,)
        Unsigned integers of 64 bits; of a million different rows two share one once in 37 million tries.
    """
    import pandas as pd

    plain = pd.DataFrame({name: _plain(rows[name]) for name in columns})
    return pd.util.hash_pandas_object(plain, index=False).to_numpy()


def _plain(column: pd.Series) -> pd.Series:
    """Bring a column to the one type of its kind: files and databases give the same numbers in many."""
    import pandas as pd
    from pandas.api.types import infer_dtype, is_datetime64_any_dtype, is_numeric_dtype

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("object")
    if is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True).astype("datetime64[ns, UTC]").astype("int64")
    numbers = {"integer", "floating", "decimal", "boolean", "mixed-integer-float"}
    if is_numeric_dtype(column) or infer_dtype(column, skipna=True) in numbers:
        # Zero with a minus has other bits than zero without.
        return pd.to_numeric(column).astype("Float64").astype("float64") + 0.0
    return column.astype("object").where(column.notna(), None).map(str)


def encode(numbers: np.ndarray) -> bytes:
    """Write fingerprints as bytes, sorted, each once."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.unique(numbers), allow_pickle=False)
    return buffer.getvalue()


def decode(payload: bytes) -> np.ndarray:
    """Read what `encode` wrote.

    Raises
    ------
    ArtifactCorrupt
        The bytes are something else.
    """
    import numpy as np

    try:
        found: Any = np.load(io.BytesIO(payload), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ArtifactCorrupt(
            f"the fingerprints of training rows cannot be read ({error}); delete the folder and run features again."
        ) from error
    return found
