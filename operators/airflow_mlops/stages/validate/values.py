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
