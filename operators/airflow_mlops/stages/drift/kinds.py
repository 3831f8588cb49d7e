"""What Evidently would take a column for, told by its profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.stages.drift.tables import is_integer

if TYPE_CHECKING:
    from airflow_mlops.stages.profile import ColumnProfile

# Evidently takes an integer column with no more distinct values than this for a categorical one.
_FEW_INTEGERS = 10


def column_kind(column: ColumnProfile) -> str:
    """Type a column as Evidently does the pandas column of it: what is not compared is ``text``, ``datetime`` or other.

    pandas has no integers with gaps: they become floats, which Evidently takes for numerical however few there are.
    Unsigned integers count as integers, and booleans with gaps as categorical; Evidently leaves both out.

    References
    ----------
    Evidently 0.7.23, ``evidently.core.datasets.infer_column_type``.
    """
    if column.kind == "number" and is_integer(column):
        return "categorical" if not column.nulls and (column.distinct or 0) <= _FEW_INTEGERS else "numerical"
    if column.kind == "number" and column.type in ("halffloat", "float", "double"):
        return "numerical"
    if column.kind == "boolean":
        return "categorical"
    if column.kind == "text" and column.known:
        return "text" if (column.distinct or 0) > column.known * 0.5 else "categorical"
    if column.type.startswith("timestamp"):
        return "datetime"
    return "unknown"
