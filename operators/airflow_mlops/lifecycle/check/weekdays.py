"""Dates moved by whole days: a column that names the weekday gives them away, however far the batch lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.lifecycle.check.aligned import span_ends
from airflow_mlops.lifecycle.check.reasons import Reason
from airflow_mlops.stages.kinds import kind_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# A column names the weekday when each of seven values goes with one of them, in all but so many rows.
OTHERS = 0.001
# Dates are moved when so many of the rows, and so many of them, are off by the same number of days.
MOVED, LEAST_ROWS = 0.99, 10

# From columns to the weekday of each of their values.
Names = dict[str, dict[Any, int]]


def names_of_weekdays(reference: pa.Table, *, time: str) -> Names:
    """Find columns of the reference that name the weekday of the time, and what they call each."""
    import numpy as np

    days, found = _weekdays(reference, time), Names()
    if days is None or len(np.unique(days[days >= 0])) < 7:
        return found
    for name in reference.column_names:
        if name == time or kind_of(reference.schema.field(name).type) not in ("number", "text"):
            continue
        values = reference.column(name).combine_chunks().dictionary_encode()
        codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        if len(values.dictionary) != 7:
            continue
        is_known = (codes >= 0) & (days >= 0)
        counts = np.bincount(codes[is_known] * 7 + days[is_known], minlength=49).reshape(7, 7)
        weekdays = counts.argmax(axis=1)
        if len(set(weekdays.tolist())) == 7 and counts.max(axis=1).sum() >= (1 - OTHERS) * counts.sum():
            found[name] = dict(zip(values.dictionary.to_pylist(), weekdays.tolist(), strict=True))
    return found


def check_weekdays(table: pa.Table, names: Names, *, time: str) -> list[Reason]:
    """Find that a column names other weekdays than the dates have, all by the same number of days."""
    import numpy as np

    days, ends = _weekdays(table, time), span_ends(table, time)
    if days is None or ends is None:
        return []
    for name, weekdays in names.items():
        if name not in table.column_names:
            continue
        named = np.array([weekdays.get(value, -1) for value in table.column(name).to_pylist()], dtype="int64")
        is_known = (named >= 0) & (days >= 0)
        off = np.bincount((days[is_known] - named[is_known]) % 7, minlength=7)
        by, rows = int(off.argmax()), int(off.sum())
        if by and rows >= LEAST_ROWS and off[by] >= MOVED * len(days):
            text = (
                f"{time!r} and {name!r} say other weekdays in {off[by]} of {len(days)} rows, always {by} days apart, "
                "and never did in the reference: were the dates moved?"
            )
            facts = {"observed": by, "failing": int(off[by]), "since": ends[0].isoformat()}
            return [Reason.found("times are near", time, "block", text, **facts)]
    return []


def _weekdays(table: pa.Table, time: str) -> np.ndarray | None:
    """Give each row the number of its weekday, -1 where it has no time; None where there are no times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type):
        return None
    return pc.fill_null(pc.day_of_week(table.column(time)), -1).to_numpy()
