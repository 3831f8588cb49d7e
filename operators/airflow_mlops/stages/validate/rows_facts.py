"""What facts say of the rows as a whole: how many a window, how long none came, and which came before."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.values import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    import numpy as np
    import pyarrow as pa

# Windows whose rows are counted, the newest.
MOST_WINDOWS = 60
# The oldest window counts where no more than this part of it is missing.
SHORT = 0.1
# Fingerprints of rows kept of a snapshot: the smallest, so that two snapshots keep those of the same rows.
FINGERPRINTS = 2048
# What can be written as a text, to know it again.
KINDS = frozenset({"number", "boolean", "text", "time"})
# The newest part of a snapshot, whose rows are looked for among the others.
NEWEST = 0.25


def rows_facts(table: pa.Table, *, time: str, columns: Sequence[str], sensitive: Sequence[str] = ()) -> dict[str, Any]:
    """Describe the rows of a snapshot.

    Parameters
    ----------
    table : Table
        The rows. Not modified.
    time : str
        Column with the event time, a timestamp.
    columns : sequence of str
        What makes a row the same again: the features, for the time of a batch that comes again may be another.
    sensitive : sequence of str
        Columns that leave no trace.

    Returns
    -------
    dict
        ``silence_s`` (longest time without a row); ``sketch``, from which `share_among` tells how many other rows are
        among these; ``repeats``, the share of the newest quarter's rows that are also in the older three.

    References
    ----------
    Broder (1997), On the resemblance and containment of documents: the smallest fingerprints as a sample by which two
    sets can be compared.
    """
    import numpy as np

    moments, order = ordered(table, time)
    prints = fingerprints(table, [name for name in columns if name not in sensitive])
    kept = np.unique(prints)[:FINGERPRINTS]
    return {
        "silence_s": float(np.diff(moments).max() / 1e6) if len(moments) > 1 else None,
        "sketch": {"kept": b64encode(kept.astype("<u8").tobytes()).decode(), "is_all": len(kept) < FINGERPRINTS},
        "repeats": share_repeated(prints[order]) if len(prints) else None,
    }


def ordered(table: pa.Table, time: str) -> tuple[np.ndarray, np.ndarray]:
    """Return event times in microseconds, sorted, and the position of each; rows without a time are left out."""
    import numpy as np
    import pyarrow as pa

    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type):
        return np.array([], dtype="int64"), np.array([], dtype="int64")
    moments = table.column(time).cast(pa.timestamp("us"), safe=False).to_numpy()
    order = np.argsort(moments, kind="stable")[: len(moments) - table.column(time).null_count]
    return moments[order].astype("int64"), order


def fingerprints(table: pa.Table, columns: Sequence[str]) -> np.ndarray:
    """Return a number for each row, the same for rows of the same values, whatever their types' width."""
    import numpy as np
    import pandas as pd

    values = {}
    for name in columns:
        if name not in table.column_names or kind_of(table.schema.field(name).type) not in KINDS:
            continue
        values[name] = _hashable(table, name)
    if not values:
        return np.array([], dtype="uint64")
    # By order of names, for that of columns may change.
    frame = pd.DataFrame({name: values[name] for name in sorted(values)})
    return pd.util.hash_pandas_object(frame, index=False).to_numpy()


def _hashable(table: pa.Table, name: str) -> Any:
    import pyarrow as pa

    kind = table.schema.field(name).type
    if kind_of(kind) == "number":
        return numbers(table, name)
    if pa.types.is_timestamp(kind):  # as text it would take most of the time
        return table.column(name).cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy()
    return table.column(name).cast(pa.string()).to_pandas()


def share_among(prints: np.ndarray, sketch: dict[str, Any]) -> tuple[float, int]:
    """Estimate the share of rows that are also among the rows of a sketch, and tell by how many rows.

    Of rows whose fingerprint is below the largest that the sketch kept, it knows whether they are among its own.
    """
    import numpy as np

    kept = np.frombuffer(b64decode(sketch["kept"]), dtype="<u8")
    known = prints if sketch["is_all"] else prints[prints <= kept.max(initial=np.uint64(0))]
    return (float(np.isin(known, kept).mean()), len(known)) if len(known) else (0.0, 0)


def count_windows(moments: np.ndarray, window: timedelta) -> list[int]:
    """Count the rows of each full window back from the newest row, oldest first; times in microseconds, sorted."""
    import numpy as np

    length = int(window.total_seconds() * 1e6)
    if len(moments) < 2 or not length:
        return []
    # Four weeks of rows end some hours short of four weeks.
    number = min(MOST_WINDOWS, int((moments[-1] - moments[0] + SHORT * length) // length))
    # One microsecond on, so that the newest row lies within the newest window.
    edges = moments[-1] + 1 - length * np.arange(number, -1, -1)
    return [int(count) for count in np.diff(np.searchsorted(moments, edges))]


def share_repeated(prints: np.ndarray) -> float | None:
    """Return the share of the newest quarter that is also in the older three; by order of time."""
    import numpy as np

    cut = int((1 - NEWEST) * len(prints))
    return float(np.isin(prints[cut:], prints[:cut]).mean()) if cut else None
