"""A spec for rows that have none, from what the reference shows."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import Permanent
from airflow_mlops.lifecycle.check.aligned import span_of
from airflow_mlops.spec import ModelSpec
from airflow_mlops.stages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from airflow_mlops.spec.sections import Task

# Where nobody says which column is the target, and what it is called where there is none.
TARGET, NO_TARGET = "y", "(no target)"
_ANSWERS = ("number", "boolean", "text")
# Whole numbers of so few values, each of at least this share, are classes and no measurement.
MOST_CLASSES, LEAST_CLASS = 10, 0.005
# The reference is to hold so many windows, or it does not show how much counts differ by themselves.
LEAST_WINDOWS = 4
# A day of hours has 23 rows when the clocks go forward; seven rows are no batch.
MIN_ROWS = 10


def infer_spec(
    reference: pa.Table,
    *,
    columns: Sequence[str],
    span: timedelta | None,
    time: str,
    target: str | None,
) -> ModelSpec:
    """Make the spec by which a batch is compared with a reference that no spec describes.

    Parameters
    ----------
    reference : Table
        Rows that are known to be good.
    columns : sequence of str
        Of the batch: one that is new may be the answer under another name.
    span : timedelta or None
        Time that the batch covers; None where it has no times.
    time : str
        Column with the event time.
    target : str, optional
        Column to predict; default ``y``, where the reference has it.

    Raises
    ------
    Permanent
        The reference has no such column, or it holds nothing that can be predicted.
    """
    names = (time, _target(reference, target))
    features = [name for name in dict.fromkeys([*reference.column_names, *columns]) if name not in names]
    document: dict[str, Any] = {
        "name": "checked",
        "owner": "nobody",
        "task": _task(reference, names[1]),
        "data": {"source": {"kind": "file", "uri": ".", "format": "parquet"}, "time": names[0], "target": names[1]},
        "ingest": {"window": window_of(span_of(reference, names[0]), span)},
        # A spec has a feature at least; rows of a time and a target alone have none.
        "features": {"columns": features or ["(no feature)"]},
        "train": {"estimator": "linear"},
        "validate": {"min_rows": MIN_ROWS},
    }
    return ModelSpec.model_validate(document)


def _target(reference: pa.Table, target: str | None) -> str:
    name = target or TARGET
    if name in reference.column_names and kind_of(reference.schema.field(name).type) in _ANSWERS:
        return name
    if target is None:
        return NO_TARGET
    if name in reference.column_names:
        kind = reference.schema.field(name).type
        raise Permanent(f"--target is {name!r}, and in the reference it holds {kind}: no number, class or text.")
    present = ", ".join(reference.column_names)
    raise Permanent(f"--target is {name!r}, and the reference has no such column; it has {present}.")


def _task(reference: pa.Table, target: str) -> Task:
    import pyarrow as pa
    import pyarrow.compute as pc

    if target not in reference.column_names:
        return "regression"
    column = reference.column(target)
    kind = kind_of(column.type)
    counts = [item["counts"] for item in pc.value_counts(column.drop_null()).to_pylist()] if kind != "number" else None
    if counts is None:
        counts = _class_counts(column.drop_null().cast(pa.float64(), safe=False))
    if counts is None:
        return "regression"
    return "multiclass" if len(counts) > 2 else "binary"


def _class_counts(values: pa.ChunkedArray) -> list[int] | None:
    """Count whole numbers that are classes; None where they are a measurement."""
    import numpy as np

    found, counts = np.unique(values.to_numpy(), return_counts=True)
    is_class = (
        len(found)
        and len(found) <= MOST_CLASSES
        and (found == np.round(found)).all()
        and (len(found) <= 2 or counts.min() >= LEAST_CLASS * counts.sum())
    )
    return counts.tolist() if is_class else None


def window_of(reference: timedelta | None, batch: timedelta | None) -> timedelta:
    """Choose the window in which rows are counted: as long as the batch, and never more than a fourth of the reference.

    A longer batch is judged in stretches of that length.
    """
    if not reference:
        return batch or timedelta(days=1)
    longest = reference / LEAST_WINDOWS
    return _whole(min(batch or longest, longest))


def _whole(length: timedelta) -> timedelta:
    """Round up to whole hours, or to whole minutes or seconds where it is shorter: a day of half-hours ends early."""
    for unit in (timedelta(hours=1), timedelta(minutes=1)):
        if length > unit * 3:
            return unit * ceil(length / unit)
    return timedelta(seconds=max(1, ceil(length.total_seconds())))
