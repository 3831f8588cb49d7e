"""Facts of a snapshot in some kilobytes a column: what the data check compares, instead of rows with rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_bytes, encode_table
from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.association import associations, separations
from airflow_mlops.stages.validate.risks import risks
from airflow_mlops.stages.validate.rows_facts import KINDS, count_windows, ordered, rows_facts
from airflow_mlops.stages.validate.text_facts import text_facts
from airflow_mlops.stages.validate.values import class_name, numbers
from airflow_mlops.stages.validate.window_facts import window_facts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    import numpy as np
    import pyarrow as pa

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
# Columns with more distinct texts than this are described by their most frequent ones.
MAX_VALUES = 500
# Columns with more distinct numbers than this have no steps worth knowing.
MAX_STEPS = 1500
# Parts of a snapshot's time, and the fewest values that make a median of one.
PARTS, MIN_PART = 8, 20
# Texts this common are followed from part to part.
COMMON_TEXT = 0.02
# Of facts that are stored: one of another form is made again.
FORM = 7


def lasting_facts(
    table: pa.Table,
    *,
    time: str,
    target: str | None = None,
    key: Sequence[str] = (),
    sensitive: Sequence[str] = (),
    features: Sequence[str] = (),
    is_classification: bool = True,
) -> dict[str, Any]:
    """Describe a snapshot, column by column: all that is the same whatever the window.

    Parameters
    ----------
    table : Table
        The rows. Not modified.
    time : str
        Column with the event time, a timestamp.
    target : str, optional
        Column to predict, where the snapshot holds it.
    key : sequence of str
        Columns that identify a row; all columns where there is none.
    sensitive : sequence of str
        Columns described by type and nulls alone.
    features : sequence of str
        Columns by which a row that comes again is known; all but time and target where there is none.
    is_classification : bool, default=True
        Whether the target is a class.

    Returns
    -------
    dict
        JSON: ``rows``, ``start``, ``end``, ``content`` (digest of all columns but the time), ``duplicates`` (share of
        rows whose key came before), what `rows_facts` tells, ``columns``, and of a target ``classes``,
        ``associations``, ``separations`` and ``risks``.
    """
    present, hidden = target in table.column_names, (time, *sensitive)
    known_by = features or [name for name in table.column_names if name not in (time, target)]
    return {
        "form": FORM,
        **columns_of(table, time=time, sensitive=sensitive),
        "content": digest_bytes(encode_table(table.drop_columns([time]) if time in table.column_names else table)),
        "duplicates": duplicates(table, key),
        **rows_facts(table, time=time, columns=known_by, sensitive=sensitive),
        "classes": _counts(table, target) if present and target and is_classification else {},
        "associations": associations(table, target, skip=hidden, is_classification=is_classification)
        if present and target
        else {},
        "separations": separations(table, target, skip=hidden) if present and target and is_classification else {},
        "risks": risks(table, target, skip=hidden) if present and target and is_classification else {},
    }


def facts_by_window(
    table: pa.Table,
    *,
    time: str,
    target: str | None = None,
    window: timedelta | None = None,
    sensitive: Sequence[str] = (),
    is_classification: bool = True,
) -> dict[str, Any]:
    """Describe windows back from the newest row.

    Returns
    -------
    dict
        JSON: ``windows`` (rows of each full one, oldest first), ``window_s``, and ``by_window`` as of `window_facts`.
    """
    return {
        "windows": count_windows(ordered(table, time)[0], window) if window else [],
        "window_s": window.total_seconds() if window else None,
        "by_window": window_facts(
            table, time=time, target=target, window=window, sensitive=sensitive, is_classification=is_classification
        ),
    }


def columns_of(table: pa.Table, *, time: str, sensitive: Sequence[str] = ()) -> dict[str, Any]:
    """Describe each column by itself: the part of the facts with ``rows``, ``start``, ``end`` and ``columns``."""
    parts, order = _parts(table, time), _order(table, time)
    return {
        "rows": table.num_rows,
        **_span(table, time),
        "columns": {
            name: _column(table, name, parts, order, is_sensitive=name in sensitive) for name in table.column_names
        },
    }


def _order(table: pa.Table, time: str) -> np.ndarray:
    """Return the positions of rows in the order of time, all of them where there is none."""
    import numpy as np

    order = ordered(table, time)[1]
    return order if len(order) else np.arange(table.num_rows)


def _span(table: pa.Table, time: str) -> dict[str, str | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type):
        return {"start": None, "end": None}
    ends = pc.min_max(table.column(time)).as_py()
    return {"start": ends["min"] and ends["min"].isoformat(), "end": ends["max"] and ends["max"].isoformat()}


def _parts(table: pa.Table, time: str) -> np.ndarray:
    """Give each row the number of the part of the snapshot's time it lies in; one part where there is no time."""
    import numpy as np
    import pyarrow as pa

    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type) or not table.num_rows:
        return np.zeros(table.num_rows, dtype=int)
    moments = table.column(time).cast(pa.int64()).to_numpy().astype(float)
    known = moments[np.isfinite(moments)]
    if not len(known) or known.min() == known.max():
        return np.zeros(table.num_rows, dtype=int)
    share = (moments - known.min()) / (known.max() - known.min())
    # A row without a time lies in no part.
    return np.where(np.isfinite(share), np.minimum(np.nan_to_num(share) * PARTS, PARTS - 1), -1).astype(int)


def duplicates(table: pa.Table, key: Sequence[str]) -> float:
    """Return the share of rows whose key, or whose every column where there is none, came before."""
    names = [name for name in (key or table.column_names) if name in table.column_names]
    names = [name for name in names if kind_of(table.schema.field(name).type) in KINDS]
    if not names or not table.num_rows:
        return 0.0
    distinct = table.select(names).group_by(names).aggregate([]).num_rows
    return 1 - distinct / table.num_rows


def _column(table: pa.Table, name: str, parts: np.ndarray, order: np.ndarray, *, is_sensitive: bool) -> dict[str, Any]:
    column = table.column(name)
    kind = kind_of(column.type)
    described = {"type": str(column.type), "kind": kind, "nulls": column.null_count}
    if is_sensitive:
        return {**described, "sensitive": True}
    if kind == "number":
        values = numbers(table, name)
        return {**described, **_number(values, parts), **_runs(values[order])}
    if kind == "text":
        known = len(column) - column.null_count
        return {**described, "known": known, **_text(column, parts), **text_facts(column, order)}
    return described


def _number(values: np.ndarray, parts: np.ndarray) -> dict[str, Any]:
    import numpy as np

    known = values[~np.isnan(values)]
    described: dict[str, Any] = {"nulls": len(values) - len(known)}
    if not len(known):
        return described
    sizes = np.abs(known[known != 0])
    distinct = np.unique(known)
    return {
        **described,
        "min": float(known.min()),
        "max": float(known.max()),
        "mean": float(known.mean()),
        "is_whole": bool((known == np.round(known)).all()),
        "quantiles": [float(value) for value in np.quantile(known, QUANTILES)],
        # Of what is not zero: a unit multiplies these three alike, whatever the share of zeros.
        "sizes": [float(value) for value in np.quantile(sizes, (0.1, 0.5, 0.9))] if len(sizes) else [],
        # What a unit leaves behind beside size: the values a column can take, and how its middle moves by itself.
        "steps": distinct.tolist() if len(distinct) <= MAX_STEPS else [],
        "medians": _medians(values, parts),
    }


def _runs(values: np.ndarray) -> dict[str, int]:
    """Count the rows whose value is another than that of the row before, and those of the longest run of one value."""
    import numpy as np

    known = values[~np.isnan(values)]
    changes = np.flatnonzero(known[1:] != known[:-1])
    ends = np.concatenate(([-1], changes, [len(known) - 1]))
    return {"changes": len(changes), "longest": int(np.diff(ends).max(initial=0))}


def _medians(values: np.ndarray, parts: np.ndarray) -> list[float]:
    import numpy as np

    known = ~np.isnan(values)
    within = [values[known & (parts == part)] for part in range(PARTS)]
    return [float(np.median(each)) for each in within if len(each) >= MIN_PART]


def _text(column: pa.ChunkedArray, parts: np.ndarray) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    counts = pc.value_counts(column.drop_null())
    order = pc.sort_indices(counts.field(1), sort_keys=[("", "descending")])[:MAX_VALUES]
    top = counts.take(order)
    values = dict(zip(top.field(0).to_pylist(), top.field(1).to_pylist(), strict=True))
    common = [value for value, count in values.items() if count >= COMMON_TEXT * (len(column) - column.null_count)]
    return {"distinct": len(counts), "values": values, "shares": _shares(column, common, parts)}


def _shares(column: pa.ChunkedArray, values: Sequence[str], parts: np.ndarray) -> dict[str, list[float]]:
    """Give the share of each value in each part of the snapshot's time that has enough rows."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = pc.fill_null(pc.index_in(column, value_set=pa.array(values, column.type)), -1).to_numpy()
    # Of rows without a time nobody knows the part, and what is null has no share.
    is_known = column.is_valid().to_numpy() & (parts >= 0)
    sizes = np.bincount(parts[is_known], minlength=PARTS)
    found = {}
    for code, value in enumerate(values):
        counts = np.bincount(parts[is_known & (codes == code)], minlength=PARTS)
        enough = sizes >= MIN_PART
        found[value] = [round(float(share), 4) for share in counts[enough] / sizes[enough]]
    return found


def _counts(table: pa.Table, name: str) -> dict[str, int]:
    import pyarrow.compute as pc

    counts = pc.value_counts(table.column(name).drop_null()).to_pylist()
    return {class_name(item["values"]): item["counts"] for item in counts}
