"""A look at a suite file without importing Great Expectations, which takes seconds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec.document import Document, Finding, Unreadable
from airflow_mlops.spec.rules import close_match

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_mlops.spec.rules import Broken

SEVERITIES = ("critical", "warning", "info")


def lint_suite(path: Path) -> list[Finding]:
    """Check the shape of a suite: each expectation's type, arguments and severity."""
    try:
        document = Document.read(path)
    except Unreadable as error:
        return [Finding("error", str(path), error.place.line, error.place.column, "", str(error))]
    return [document.finding("error", location, message) for location, message in _faults(document.value)]


def _faults(suite: dict[str, Any]) -> Iterator[Broken]:
    expectations = suite.get("expectations")
    if not isinstance(expectations, list):
        yield ("expectations",), "missing; a list of expectations was expected, each with type, kwargs and severity"
        return
    known = _expectation_types()
    for index, item in enumerate(expectations):
        at = ("expectations", index)
        if not isinstance(item, dict) or not isinstance(item.get("type"), str):
            yield at, "an expectation needs a 'type', such as expect_column_values_to_not_be_null"
            continue
        # A type that the installed release does not bring may be the user's own: only a near miss is an error.
        near = "" if not known or item["type"] in known else close_match(item["type"], known)
        if near:
            yield (*at, "type"), f"Great Expectations has no {item['type']!r}{near}"
        if not isinstance(item.get("kwargs", {}), dict):
            yield (*at, "kwargs"), "a mapping was expected, such as {column: age}"
        severity = item.get("severity", "critical")
        if severity not in SEVERITIES:
            near = close_match(str(severity), SEVERITIES)
            yield (*at, "severity"), f"found {severity!r}, expected one of {', '.join(SEVERITIES)}{near}"


def _expectation_types() -> set[str]:
    """Read the names of the installed expectations off their files."""
    package = find_spec("great_expectations")
    if package is None or not package.submodule_search_locations:
        return set()
    core = Path(package.submodule_search_locations[0], "expectations", "core")
    return {file.stem for file in core.glob("*expect*.py")}
