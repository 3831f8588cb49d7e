"""A first suite, drafted from a snapshot that is believed to be good."""

from __future__ import annotations

from typing import Any

# A draft that fails on the next batch teaches nobody: ranges get room, shares too.
MARGIN = 0.5
NULL_ROOM = 0.05
# A column with at most this many texts is a set of categories.
MAX_CATEGORIES = 12
# Every row of a set or a range need not meet it: new values come, and extremes are wider than any sample.
MOSTLY = 0.99


def suggest_suite(facts: dict[str, Any], name: str, *, share: float = 1.0) -> dict[str, Any]:
    """Draft a suite from the facts of a snapshot; a person reads and sharpens it.

    Parameters
    ----------
    facts : dict
        Of a good snapshot, from `facts_of`.
    name : str
        Of the suite: the model's name.
    share : float, default=1.0
        Of these rows, how many the smallest window has that the suite is held against; above 0, at most 1. A suite made
        of months alone would stop every monitored week.

    Returns
    -------
    dict
        ``name`` and ``expectations``, ready to be written as YAML. What cannot be otherwise is critical (rows, columns,
        nulls where there were none), ranges and categories mark. Values of sensitive columns are left out.
    """
    columns, fewest = facts["columns"], max(1, int(facts["rows"] * share) // 10)
    expectations = [
        _expectation("expect_table_row_count_to_be_between", "critical", min_value=fewest),
        _expectation("expect_table_columns_to_match_set", "critical", column_set=list(columns), exact_match=False),
    ]
    for column, described in columns.items():
        expectations += _of_column(column, described, facts["rows"])
    return {"name": name, "expectations": expectations}


def _of_column(column: str, facts: dict[str, Any], rows: int) -> list[dict[str, Any]]:
    drafted = []
    nulls = facts["nulls"] / rows if rows else 0.0
    if nulls == 0:
        drafted.append(_expectation("expect_column_values_to_not_be_null", "critical", column=column))
    elif nulls < 1 - NULL_ROOM:
        mostly = round(max(0.0, 1 - nulls * (1 + MARGIN) - NULL_ROOM), 3)
        drafted.append(_expectation("expect_column_values_to_not_be_null", "warning", column=column, mostly=mostly))
    if facts["kind"] == "number" and "min" in facts:
        low, high = _range(facts)
        drafted.append(
            _expectation(
                "expect_column_values_to_be_between",
                "warning",
                column=column,
                min_value=low,
                max_value=high,
                mostly=MOSTLY,
            )
        )
    elif facts["kind"] == "text" and 0 < facts.get("distinct", 0) <= MAX_CATEGORIES:
        drafted.append(
            _expectation(
                "expect_column_values_to_be_in_set",
                "warning",
                column=column,
                value_set=sorted(facts["values"]),
                mostly=MOSTLY,
            )
        )
    return drafted


def _range(facts: dict[str, Any]) -> tuple[float, float]:
    """Widen the range by half of itself; what is never negative stays so."""
    low, high = facts["min"], facts["max"]
    room = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
    wide = low - room, high + room
    if facts["is_whole"]:
        wide = float(int(wide[0] // 1)), float(-int(-wide[1] // 1))
    low = max(0.0, wide[0]) if facts["min"] >= 0 else wide[0]
    return _tidy(low), _tidy(wide[1])


def _tidy(value: float) -> float:
    """Write 1234.5678 as 1235: a drafted bound claims no precision."""
    tidy = float(f"{value:.4g}")
    return int(tidy) if tidy.is_integer() else tidy


def _expectation(kind: str, severity: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "severity": severity}
