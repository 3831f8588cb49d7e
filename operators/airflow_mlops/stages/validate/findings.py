"""What a check found, and what all findings together mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["critical", "warning", "info"]
Verdict = Literal["passed", "warning", "failed"]
_ORDER = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check about one column, or about the table.

    Attributes
    ----------
    check : str
        Name of the expectation, or of a part of the data check.
    column : str or None
        None where it is about the whole table.
    severity : {"critical", "warning", "info"}
        What it means that the check failed: stop, mark, or only record.
    passed : bool
    message : str
        What was found, with numbers.
    observed : object
        The number found; None for a sensitive column.
    failing : int
        Rows that failed, where the check is about rows.
    rows : tuple of int
        Positions of failing rows, as many as were asked for.
    condition : str or None
        Of DuckDB's SQL: what selects all failing rows, where positions were not asked for, or are those of a sample.
    engine : str or None
        Where an expectation ran: pandas, duckdb or source.
    """

    check: str
    column: str | None
    severity: Severity
    passed: bool
    message: str
    observed: Any = None
    failing: int = 0
    rows: tuple[int, ...] = ()
    since: str | None = None
    do: str | None = None
    condition: str | None = None
    engine: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON, without the positions."""
        return {
            "check": self.check,
            "column": self.column,
            "severity": self.severity,
            "passed": self.passed,
            "message": self.message,
            "observed": self.observed,
            "failing": self.failing,
            "since": self.since,
            "do": self.do,
            **({"engine": self.engine} if self.engine else {}),
        }


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return ``failed`` when a critical check failed, else ``warning`` when a warning did, else ``passed``."""
    failed = {finding.severity for finding in findings if not finding.passed}
    if "critical" in failed:
        return "failed"
    return "warning" if "warning" in failed else "passed"


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the failed findings, critical ones first, in their order otherwise."""
    return sorted((item for item in findings if not item.passed), key=lambda item: _ORDER.index(item.severity))


def failed(check: str, column: str | None, severity: Severity, message: str, **facts: Any) -> Finding:
    """Make a finding of a check that failed."""
    return Finding(check, column, severity, False, message, **facts)
