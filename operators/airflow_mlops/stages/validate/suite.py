"""A suite of expectations, run by Great Expectations on a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SpecError
from airflow_mlops.extras import require
from airflow_mlops.stages.validate.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.datasource.fluent.interfaces import Batch

# Position in the file: results come in another order, and with changed arguments (10 becomes 10.0).
_PLACE = "place"


def run_suite(
    frame: pd.DataFrame, suite: Mapping[str, Any], *, keep_rows: int = 1000, sensitive: Sequence[str] = ()
) -> list[Finding]:
    """Check a frame against a suite.

    Parameters
    ----------
    frame : DataFrame
        The rows, numbered from 0. Not modified.
    suite : mapping
        ``name`` and ``expectations``, each with ``type``, ``kwargs`` and ``severity`` (default critical).
    keep_rows : int, default=1000
        Most positions of failing rows kept for each expectation.
    sensitive : sequence of str
        Columns whose values and bounds are not repeated in messages.

    Returns
    -------
    list of Finding
        One an expectation, passed or not, in the order of the suite.

    Raises
    ------
    SpecError
        An expectation is unknown or its arguments are wrong.
    MissingExtra
        Great Expectations is not installed.
    """
    require("great_expectations", extra="validate", needed_by="the suite", library="Great Expectations")
    items = suite.get("expectations") or []
    if not items:
        return []
    batch = _batch(frame)
    results = _by_place(batch.validate(_build(suite["name"], items), result_format={"result_format": "BASIC"}))
    failed = [place for place, result in results.items() if not result.success and not _exception(result)]
    # Row numbers cost time and memory, so they are asked for only where something failed.
    rows = _failing_rows(batch, suite["name"], items, failed, keep=keep_rows) if failed and keep_rows else {}
    return [
        _finding(item, results[place], rows.get(place, ()), frame, is_sensitive=_column(item) in sensitive)
        for place, item in enumerate(items)
    ]


def _batch(frame: pd.DataFrame) -> Batch:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("snapshot")
    definition = asset.add_batch_definition_whole_dataframe("whole")
    return definition.get_batch(batch_parameters={"dataframe": frame})


def _build(name: str, items: Sequence[Mapping[str, Any]], places: Sequence[int] | None = None) -> ExpectationSuite:
    """Build the suite, expectation by expectation: as a whole, one fault would be logged with a traceback."""
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_expectation_impl

    built = []
    for place in range(len(items)) if places is None else places:
        item = items[place]
        where = f"expectation {place + 1} of suite {name!r}"
        try:
            kind = get_expectation_impl(item["type"])
        except ExpectationNotFoundError as error:
            raise SpecError(f"{where} is {item['type']!r}, which Great Expectations does not have.") from error
        try:
            built.append(
                kind(**item.get("kwargs", {}), severity=FailureSeverity(_severity(item)), meta={_PLACE: place})
            )
        except (ValueError, TypeError) as error:
            raise SpecError(f"{where}, {item['type']}, has wrong arguments: {_faults(error)}.") from error
    return ExpectationSuite(name=name, expectations=built)


def _faults(error: ValueError | TypeError) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in errors())


def _by_place(result: ExpectationSuiteValidationResult) -> dict[int, ExpectationValidationResult]:
    return {(item.expectation_config.meta or {})[_PLACE]: item for item in result.results if item.expectation_config}


def _failing_rows(
    batch: Batch, name: str, items: Sequence[Mapping[str, Any]], places: Sequence[int], *, keep: int
) -> dict[int, tuple[int, ...]]:
    complete = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
    results = _by_place(batch.validate(_build(name, items, places), result_format=complete))
    return {
        place: tuple(int(row) for row in (result.result.get("unexpected_index_list") or [])[:keep])
        for place, result in results.items()
    }


def _finding(
    item: Mapping[str, Any],
    result: ExpectationValidationResult,
    rows: tuple[int, ...],
    frame: pd.DataFrame,
    *,
    is_sensitive: bool,
) -> Finding:
    facts = result.result or {}
    observed = None if is_sensitive else _plain(facts.get("observed_value"))
    return Finding(
        check=item["type"],
        column=_column(item),
        severity=_severity(item),
        passed=bool(result.success),
        message=_sentence(item, result, observed, frame, is_sensitive=is_sensitive),
        observed=observed if observed is not None else _share(facts),
        failing=int(facts.get("unexpected_count") or 0),
        rows=rows,
    )


def _sentence(
    item: Mapping[str, Any],
    result: ExpectationValidationResult,
    observed: object,
    frame: pd.DataFrame,
    *,
    is_sensitive: bool,
) -> str:
    column, facts = _column(item), result.result or {}
    what = item["type"].removeprefix("expect_").replace("_", " ")
    bounds = {name: value for name, value in item.get("kwargs", {}).items() if name != "column"}
    rule = f"{what} ({_short(bounds)})" if bounds and not is_sensitive else what
    if column and column not in frame.columns:
        return f"column {column!r} is not there; expected: {rule}"
    raised = _exception(result)
    if raised:
        return f"{rule}: could not be checked{'' if is_sensitive else f' ({raised})'}"
    if facts.get("unexpected_count") is not None and "element_count" in facts:
        return f"{rule}: {facts['unexpected_count']} of {facts['element_count']} rows do not meet it"
    if observed is None:
        return rule
    return f"{rule}: found {observed:.6g}" if isinstance(observed, float) else f"{rule}: found {observed}"


def _exception(result: ExpectationValidationResult) -> str | None:
    """Return what was raised; the facts are flat when nothing was, and keyed by metric when something was."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else [item for item in info.values() if isinstance(item, dict)]
    raised = [item.get("exception_message") for item in entries if item.get("raised_exception")]
    return str(raised[0]).strip().splitlines()[0] if raised else None


def _column(item: Mapping[str, Any]) -> str | None:
    return item.get("kwargs", {}).get("column")


def _severity(item: Mapping[str, Any]) -> Severity:
    return item.get("severity", "critical")


def _share(facts: Mapping[str, Any]) -> float | None:
    share = facts.get("unexpected_percent")
    return None if share is None else round(float(share) / 100, 6)


def _plain(value: Any) -> Any:
    """Turn numpy's numbers into Python's; whatever else is no JSON becomes short text."""
    value = value.item() if hasattr(value, "item") else value
    return value if value is None or isinstance(value, bool | int | float) else _short(value)


def _short(value: object) -> str:
    text = ", ".join(f"{name} {item}" for name, item in value.items()) if isinstance(value, dict) else str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
