"""From a result of Great Expectations to a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.findings import Finding, Severity
from airflow_mlops.stages.validate.suite.push import named_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from great_expectations.core.expectation_validation_result import ExpectationValidationResult


def finding_of(
    item: Mapping[str, Any], result: ExpectationValidationResult, *, is_sensitive: bool, **more: Any
) -> Finding:
    """Make the finding of one expectation.

    Parameters
    ----------
    item : mapping
        The expectation, as the suite has it.
    result : ExpectationValidationResult
    is_sensitive : bool
        Leave out values and bounds.
    **more
        Fields of the finding: rows, condition, engine.
    """
    facts = result.result or {}
    observed = None if is_sensitive else _plain(facts.get("observed_value"))
    return Finding(
        check=item["type"],
        column=column_of(item),
        severity=severity_of(item),
        passed=bool(result.success),
        message=_sentence(item, result, observed, is_sensitive=is_sensitive),
        observed=observed if observed is not None else _share(facts),
        failing=int(facts.get("unexpected_count") or 0),
        **more,
    )


def missing(item: Mapping[str, Any], names: Collection[str], *, is_sensitive: bool, engine: str) -> Finding | None:
    """Make the finding of an expectation on a column that is not there; None where all are."""
    lost = [name for name in named_columns(item) if name not in names]
    if not lost:
        return None
    message = f"column {lost[0]!r} is not there; expected: {_rule(item, is_sensitive=is_sensitive)}"
    return Finding(item["type"], column_of(item), severity_of(item), False, message, engine=engine)


def _sentence(
    item: Mapping[str, Any], result: ExpectationValidationResult, observed: object, *, is_sensitive: bool
) -> str:
    facts, rule = result.result or {}, _rule(item, is_sensitive=is_sensitive)
    raised = raised_by(result)
    if raised:
        return f"{rule}: could not be checked{'' if is_sensitive else f' ({raised})'}"
    if facts.get("unexpected_count") is not None and "element_count" in facts:
        return f"{rule}: {facts['unexpected_count']} of {facts['element_count']} rows do not meet it"
    if observed is None:
        return rule
    return f"{rule}: found {observed:.6g}" if isinstance(observed, float) else f"{rule}: found {observed}"


def _rule(item: Mapping[str, Any], *, is_sensitive: bool) -> str:
    what = item["type"].removeprefix("expect_").replace("_", " ")
    bounds = {name: value for name, value in (item.get("kwargs") or {}).items() if name != "column"}
    return f"{what} ({_short(bounds)})" if bounds and not is_sensitive else what


def raised_by(result: ExpectationValidationResult) -> str | None:
    """Return what was raised; the facts are flat when nothing was, and keyed by metric when something was."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else [item for item in info.values() if isinstance(item, dict)]
    raised = [item.get("exception_message") for item in entries if item.get("raised_exception")]
    return (str(raised[0]).strip().splitlines() or ["no reason given"])[0] if raised else None


def column_of(item: Mapping[str, Any]) -> str | None:
    """Return the one column an expectation is about."""
    return (item.get("kwargs") or {}).get("column")


def severity_of(item: Mapping[str, Any]) -> Severity:
    """Return the severity; critical where the suite says none."""
    return item.get("severity", "critical")


def _share(facts: Mapping[str, Any]) -> float | None:
    share = facts.get("unexpected_percent")
    return None if share is None else round(float(share) / 100, 6)


def _plain(value: Any) -> Any:
    """Turn numpy's numbers into Python's; whatever else is no JSON becomes short text."""
    value = _bare(value)
    return value if value is None or isinstance(value, bool | int | float) else _short(value)


def _bare(value: Any) -> Any:
    """Leave numpy out, also within lists; a column with nulls is one of floats to pandas, so 82.0 there is 82."""
    if isinstance(value, dict):
        return {name: _bare(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        items = [_bare(item) for item in value]
        return [int(item) if isinstance(item, float) and item.is_integer() else item for item in items]
    value = value.item() if hasattr(value, "item") else value
    if not hasattr(value, "isoformat"):
        return value
    # pandas has a time that is none.
    return value.isoformat() if value == value else None


def _short(value: object) -> str:
    text = ", ".join(f"{name} {item}" for name, item in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
