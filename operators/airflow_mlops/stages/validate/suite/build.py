"""From what a suite says to Great Expectations' objects: written once, for any engine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SpecError
from airflow_mlops.spec.durations import parse_duration
from airflow_mlops.stages.validate.suite.conditions import Unreadable, read_condition
from airflow_mlops.stages.validate.suite.patterns import like_to_regex

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from great_expectations.expectations.expectation import Expectation

# Position in the file: results come in another order, and with changed arguments (10 becomes 10.0).
PLACE = "place"
_NOW = re.compile(r"\{now(?:\s*([+-])\s*(\w+))?\}")
_BOUNDS = ("min_value", "max_value")
# A type has one name in a suite, whatever engine reads the rows: those of Arrow and SQL are pandas' here.
_TYPES = {
    "string": "str", "large_string": "str", "varchar": "str", "text": "str",
    "double": "float64", "float": "float32", "real": "float32",
    "bigint": "int64", "integer": "int32", "smallint": "int16", "tinyint": "int8",
    "boolean": "bool", "timestamp": "Timestamp", "timestamptz": "Timestamp",
}  # fmt: skip
# LIKE is SQL's; pandas knows regular expressions only.
_LIKES = {
    "expect_column_values_to_match_like_pattern": "expect_column_values_to_match_regex",
    "expect_column_values_to_not_match_like_pattern": "expect_column_values_to_not_match_regex",
    "expect_column_values_to_match_like_pattern_list": "expect_column_values_to_match_regex_list",
    "expect_column_values_to_not_match_like_pattern_list": "expect_column_values_to_not_match_regex_list",
}


def written_out(
    items: Sequence[Mapping[str, Any]], *, zoned: Collection[str] = (), times: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Translate what only one engine would understand, so that any of them can run it.

    Parameters
    ----------
    items : sequence of mapping
        The suite's expectations.
    zoned : collection of str
        Columns of times that have a zone.
    times : collection of str
        All columns of times.

    Returns
    -------
    list of dict
        The same expectations, in the same order.
    """
    return [_written_out(dict(item), zoned, times) for item in items]


def _written_out(item: dict[str, Any], zoned: Collection[str], times: Collection[str]) -> dict[str, Any]:
    kwargs = dict(item.get("kwargs") or {})
    if item["type"] in _LIKES:
        item["type"] = _LIKES[item["type"]]
        _like(kwargs)
    if "type_" in kwargs:
        kwargs["type_"] = _type(kwargs["type_"])
    if "type_list" in kwargs:
        kwargs["type_list"] = [_type(name) for name in kwargs["type_list"] or []]
    if kwargs.get("column") in times:
        for name in _BOUNDS:
            kwargs[name] = _moment(kwargs[name], kwargs["column"] in zoned) if kwargs.get(name) is not None else None
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
    if isinstance(kwargs.get("value_set"), list):
        # Great Expectations' SQL counts a value that is given twice as two.
        given = kwargs["value_set"]
        kwargs["value_set"] = [one for place, one in enumerate(given) if one not in given[:place]]
    if isinstance(kwargs.get("row_condition"), str):
        _condition(kwargs)
    return {**item, "kwargs": kwargs}


def _like(kwargs: dict[str, Any]) -> None:
    if "like_pattern" in kwargs:
        kwargs["regex"] = like_to_regex(kwargs.pop("like_pattern"))
    if "like_pattern_list" in kwargs:
        kwargs["regex_list"] = [like_to_regex(one) for one in kwargs.pop("like_pattern_list")]


def _type(name: str) -> str:
    return _TYPES.get(str(name).lower(), name)


def _moment(value: Any, has_zone: bool) -> Any:
    """Read a bound as a time of the column's kind: without a zone it is meant as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if not isinstance(value, datetime):
        return value
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC) if has_zone else aware.astimezone(UTC).replace(tzinfo=None)


def _condition(kwargs: dict[str, Any]) -> None:
    """Read a condition on rows, in pandas' or Great Expectations' words; what cannot be read stays pandas'."""
    try:
        kwargs["row_condition"] = read_condition(kwargs["row_condition"])
    except Unreadable:
        kwargs.setdefault("condition_parser", "pandas")
        return
    kwargs.pop("condition_parser", None)


def at_moment(suite: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Put times in the place of ``{now}`` and ``{now - 2d}``.

    Parameters
    ----------
    suite : mapping
        As read from its file.
    now : datetime
        The run's moment, with a zone.

    Raises
    ------
    SpecError
        What follows ``now`` is not a duration.
    """
    return {**suite, "expectations": [_at(item, now) for item in suite.get("expectations") or []]}


def _at(value: Any, now: datetime) -> Any:
    if isinstance(value, dict):
        return {name: _at(item, now) for name, item in value.items()}
    if isinstance(value, list):
        return [_at(item, now) for item in value]
    return _NOW.sub(lambda found: _shifted(found, now), value) if isinstance(value, str) else value


def _shifted(found: re.Match[str], now: datetime) -> str:
    sign, length = found.groups()
    if sign is None:
        return now.isoformat()
    try:
        span = parse_duration(length)
    except ValueError as error:
        raise SpecError(f"the suite says {found.group()!r}, but {error}.") from error
    return (now - span if sign == "-" else now + span).isoformat()


def build(
    name: str, items: Sequence[Mapping[str, Any]], places: Sequence[int], *, written: Sequence[Mapping[str, Any]]
) -> list[Expectation]:
    """Build expectations one by one: as a whole suite, one fault would be logged with a traceback.

    Parameters
    ----------
    name : str
        Of the suite.
    items : sequence of mapping
        As the suite has them, for messages.
    places : sequence of int
        Which of them.
    written : sequence of mapping
        From `written_out`.

    Raises
    ------
    SpecError
        An expectation is unknown or its arguments are wrong.
    """
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_expectation_impl

    built = []
    for place in places:
        item, where = written[place], f"expectation {place + 1} of suite {name!r}"
        try:
            kind = get_expectation_impl(item["type"])
        except ExpectationNotFoundError as error:
            raise SpecError(f"{where} is {items[place]['type']!r}, which Great Expectations does not have.") from error
        try:
            severity = FailureSeverity(item.get("severity", "critical"))
            built.append(kind(**item["kwargs"], severity=severity, meta={PLACE: place}))
        except (ValueError, TypeError) as error:
            raise SpecError(f"{where}, {items[place]['type']}, has wrong arguments: {_faults(error)}.") from error
    return built


def _faults(error: ValueError | TypeError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in errors())
