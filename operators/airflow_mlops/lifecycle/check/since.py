"""Since when is it so: the first time at which what was found is seen."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.facts import columns_of
from airflow_mlops.stages.validate.value_check import value_check

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.validate import Finding

# Parts of the batch's time that are asked one by one, each of at least so many rows.
PARTS, LEAST_ROWS = 12, 30
# What can be asked of a few rows of one column.
_OF_VALUES = frozenset({"nulls", "unit", "units", "no code for unknown", "range", "spelling", "categories", "renamed"})


def since_when(
    findings: Sequence[Finding], table: pa.Table, spec: ModelSpec, reference: dict[str, Any]
) -> list[str | None]:
    """Return for each finding the first time at which it is seen, ISO 8601; None where the rows have no times.

    It is the time of the first failing row where the rows are known, else the start of the first part of the batch that
    shows it by itself, else the start of the batch.

    Parameters
    ----------
    findings : sequence of Finding
        Of the batch.
    table : Table
        Its rows, with times in microseconds UTC. Not modified.
    spec : ModelSpec
        By which it was judged.
    reference : dict
        Facts of the rows known to be good.
    """
    import pyarrow as pa

    time = spec.data.time
    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type):
        return [None] * len(findings)
    moments = table.column(time).cast(pa.int64()).to_numpy().astype(float)
    if not (moments == moments).any():
        return [None] * len(findings)
    asked = {
        (item.check, item.column)
        for item in findings
        if item.column in table.column_names and item.check in _OF_VALUES and not item.rows
    }
    firsts = _first_parts(asked, table, moments, spec, reference) if asked else {}
    return [_since(finding, moments, firsts) for finding in findings]


def _since(finding: Finding, moments: np.ndarray, firsts: dict[tuple[str, str | None], float]) -> str | None:
    import numpy as np

    stated = getattr(finding, "since", None)
    if stated:
        return stated
    known = moments[list(finding.rows)] if finding.rows else np.array([])
    known = known[~np.isnan(known)]
    first = known.min() if len(known) else firsts.get((finding.check, finding.column), np.nanmin(moments))
    return np.datetime64(int(first), "us").item().replace(tzinfo=UTC).isoformat()


def _first_parts(
    asked: set[tuple[str, str | None]],
    table: pa.Table,
    moments: np.ndarray,
    spec: ModelSpec,
    reference: dict[str, Any],
) -> dict[tuple[str, str | None], float]:
    """Find for each check of a column the start of the first part of the batch that shows it by itself."""
    import numpy as np
    import pyarrow as pa

    firsts: dict[tuple[str, str | None], float] = {}
    order = np.argsort(moments, kind="stable")[: int((moments == moments).sum())]
    parts = np.array_split(order, max(1, min(PARTS, len(order) // LEAST_ROWS)))
    for name in sorted({name for _, name in asked if name} & set(reference["columns"])):
        against = {**reference, "columns": {name: reference["columns"][name]}}
        for part in parts:
            if all(each in firsts for each in asked if each[1] == name):
                break
            for check in _judged(table.select([name]).take(pa.array(np.sort(part))), name, spec, against):
                firsts.setdefault((check, name), float(moments[part].min()))
    return firsts


def _judged(rows: pa.Table, name: str, spec: ModelSpec, reference: dict[str, Any]) -> list[str]:
    """Return the checks of one column's values that some rows fail by themselves."""
    facts = columns_of(rows, time=spec.data.time, sensitive=spec.data.sensitive)
    share = facts["columns"][name]["nulls"] / max(1, rows.num_rows)
    usual = reference["columns"][name]["nulls"] / max(1, reference["rows"])
    nulls = ["nulls"] if share - usual > spec.validate_.max_null_increase else []
    found = value_check(rows, facts, spec, reference)
    return nulls + [item.check for item in found if item.severity == "critical"]
