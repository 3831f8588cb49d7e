"""Which expectations SQL answers as Great Expectations on pandas does; the others go to pandas, with their columns."""

from __future__ import annotations

import re
from datetime import datetime
from numbers import Number
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.stages.validate.suite.patterns import Untranslatable, to_re2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_mlops.stages.validate.suite.rows import SqlRows

Way = Literal["sql", "types", "pandas"]
_PLAIN = frozenset({"number", "boolean", "text", "time"})
_ORDERED = frozenset({"number", "time"})
_NUMBER, _TEXT = frozenset({"number"}), frozenset({"text"})
_VALUES = frozenset({"number", "text"})
_ANY = _PLAIN | {"nothing", "other"}
# Kinds of columns for which the answer was found to be pandas'.
_KINDS: dict[str, frozenset[str]] = {
    "expect_table_row_count_to_be_between": _ANY,
    "expect_table_row_count_to_equal": _ANY,
    "expect_table_column_count_to_be_between": _ANY,
    "expect_table_column_count_to_equal": _ANY,
    "expect_table_columns_to_match_set": _ANY,
    "expect_table_columns_to_match_ordered_list": _ANY,
    "expect_column_to_exist": _ANY,
    "expect_column_values_to_be_null": _ANY,
    "expect_column_values_to_not_be_null": _ANY,
    "expect_column_proportion_of_non_null_values_to_be_between": _PLAIN,
    "expect_column_values_to_be_in_set": _VALUES,
    "expect_column_values_to_not_be_in_set": _VALUES,
    "expect_column_values_to_be_between": _PLAIN - {"boolean"},
    "expect_column_values_to_be_unique": _PLAIN,
    "expect_column_value_lengths_to_be_between": _TEXT,
    "expect_column_value_lengths_to_equal": _TEXT,
    "expect_column_values_to_match_regex": _TEXT,
    "expect_column_values_to_not_match_regex": _TEXT,
    "expect_column_values_to_match_regex_list": _TEXT,
    "expect_column_values_to_not_match_regex_list": _TEXT,
    "expect_column_values_to_be_increasing": _ORDERED,
    "expect_column_values_to_be_decreasing": _ORDERED,
    "expect_column_value_z_scores_to_be_less_than": _NUMBER,
    "expect_column_min_to_be_between": _ORDERED,
    "expect_column_max_to_be_between": _ORDERED,
    "expect_column_mean_to_be_between": _NUMBER,
    "expect_column_median_to_be_between": _NUMBER,
    "expect_column_stdev_to_be_between": _NUMBER,
    "expect_column_sum_to_be_between": _NUMBER,
    "expect_column_quantile_values_to_be_between": _NUMBER,
    "expect_column_unique_value_count_to_be_between": _PLAIN,
    "expect_column_proportion_of_unique_values_to_be_between": _PLAIN,
    "expect_column_distinct_values_to_be_in_set": _VALUES,
    "expect_column_distinct_values_to_contain_set": _VALUES,
    "expect_column_distinct_values_to_equal_set": _VALUES,
    "expect_column_most_common_value_to_be_in_set": _VALUES,
    "expect_column_pair_values_to_be_equal": _PLAIN - {"boolean"},
    "expect_column_pair_values_a_to_be_greater_than_b": _ORDERED,
    "expect_multicolumn_sum_to_equal": _NUMBER,
    "expect_compound_columns_to_be_unique": _PLAIN,
    "expect_select_column_values_to_be_unique_within_record": _PLAIN,
}
# Answered from the types: pandas is shown a few rows.
_BY_TYPES = frozenset({"expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"})
# A database keeps no order, has patterns of its own, and not all have these statistics.
_DUCKDB_ONLY = frozenset(
    {
        "expect_column_values_to_match_regex",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_not_match_regex_list",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_decreasing",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_median_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_quantile_values_to_be_between",
    }
)


def way_of(item: Mapping[str, Any], rows: SqlRows) -> Way:
    """Decide how an expectation is answered.

    Parameters
    ----------
    item : mapping
        From `written_out`.
    rows : SqlRows
        With all columns the expectation names.

    Returns
    -------
    {"sql", "types", "pandas"}
    """
    kind, kwargs = item["type"], item["kwargs"]
    if kind in _BY_TYPES:
        return "types" if rows.place == "duckdb" and "row_condition" not in kwargs else "pandas"
    if kind not in _KINDS or isinstance(kwargs.get("row_condition"), str):
        return "pandas"
    if rows.place == "source" and kind in _DUCKDB_ONLY:
        return "pandas"
    kinds = {rows.kinds[name] for name in named_columns(item)}
    if not kinds <= _KINDS[kind] or (len(kinds) > 1 and "pair" in kind):
        return "pandas"
    return "sql" if _fits(kinds, kwargs) and _translates(kwargs) else "pandas"


def named_columns(item: Mapping[str, Any]) -> list[str]:
    """Return the columns whose values an expectation is about."""
    if item["type"].startswith("expect_table") or item["type"] == "expect_column_to_exist":
        return []
    kwargs = item.get("kwargs") or {}
    found = [kwargs[name] for name in ("column", "column_A", "column_B") if kwargs.get(name) is not None]
    return [*found, *(kwargs.get("column_list") or [])]


def needed_columns(item: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the columns pandas has to see: those named anywhere in the arguments; all where none is."""
    if item["type"].startswith("expect_table_column"):
        return list(names)
    said = repr({name: value for name, value in item["kwargs"].items() if name != "value_set"})
    words = set(re.findall(r"\w+", said))
    found = set(named_columns(item))
    needed = [name for name in names if name in found or name in words]
    return needed or list(names)


def _fits(kinds: Iterable[str], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether constants are of the column's kind: SQL would turn the text '1' into a number, pandas would not."""
    constants = [kwargs[name] for name in ("min_value", "max_value") if kwargs.get(name) is not None]
    if "quantile_ranges" in kwargs or "column_list" in kwargs or "column" not in kwargs:
        return True
    constants += [one for one in kwargs.get("value_set") or [] if one is not None]
    kind = next(iter(kinds), "nothing")
    if "value_set" in kwargs and not constants:
        return False
    return all(_is(kind, one) for one in constants) or not _compares(kwargs, kind)


def _compares(kwargs: Mapping[str, Any], kind: str) -> bool:
    """Tell whether the bounds are about values, not about counts, shares or lengths."""
    return (
        "value_set" in kwargs
        or kind == "time"
        or not all(isinstance(kwargs.get(name, 0), Number | None) for name in ("min_value", "max_value"))
    )


def _is(kind: str, constant: Any) -> bool:
    if kind == "number":
        return isinstance(constant, Number) and not isinstance(constant, bool)
    return isinstance(constant, {"text": str, "time": datetime}.get(kind, ()))


def _translates(kwargs: Mapping[str, Any]) -> bool:
    try:
        for pattern in [*(kwargs.get("regex_list") or []), *([kwargs["regex"]] if "regex" in kwargs else [])]:
            to_re2(pattern)
    except Untranslatable:
        return False
    return True
