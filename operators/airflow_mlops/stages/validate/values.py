"""What a column of a table holds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec


def numbers(table: pa.Table, name: str) -> np.ndarray:
    """Return a numeric column as floats, NaN where it is null or infinite."""
    import numpy as np
    import pyarrow as pa

    values = table.column(name).cast(pa.float64(), safe=False).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def most_kept(spec: ModelSpec) -> int:
    """Return how many failing rows of each check are kept at most."""
    limit = spec.validate_.quarantine_rows
    return sys.maxsize if limit is None else limit


def hashes(texts: np.ndarray) -> np.ndarray:
    """Return a number for each text, the same wherever it is asked."""
    import pandas as pd

    return pd.util.hash_array(texts, categorize=False)


def class_name(value: object) -> str:
    """Write a class: 1 and 1.0 are one, for a null among integers makes them floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
