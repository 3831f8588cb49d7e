"""What a check found, said to somebody who has to act: which column, how far, since when, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from airflow_mlops.errors import SourceUnreadable
    from airflow_mlops.stages.validate import Finding

Severity = Literal["block", "warn", "info"]
SEVERITIES: dict[str, Severity] = {"critical": "block", "warning": "warn", "info": "info"}
_INSPECT = "Look at these rows and at what writes them; where they are right, name the column in validate.accept."
_ACTIONS = {
    "column is there": "Give the column its old name again or restore it in the source; a model cannot do without it.",
    "column is known": "Nothing, where it is meant; else find out who added it before a model is trained on it.",
    "columns are in place": "Put each column in its place again: look at an export or a load that goes by position.",
    "type is kept": "Write the column in the type it had (decimal point, no text among numbers), and send it again.",
    "enough rows": "Find out what cut the batch off, and send it whole.",
    "rows are new": "Send the batch of this period: this one was seen before. Look at the job that makes the file.",
    "rows come": "Look at the source: it has stopped.",
    "rows come once": "Send each row once: look for a join or an append that doubles them.",
    "rows a day": "Compare the number of rows with the source's own count.",
    "rows a window": "Compare the number of rows with the source's own count: it is cut off, filtered, or sent twice.",
    "nulls": "Look at the join or the sensor that fills the column, and send the batch again when it is filled.",
    "column has values": "Fill the column, or leave it out of the features.",
    "unit": "Convert the column back to the unit of the reference at the source.",
    "units": "Convert these rows to the unit of the reference at the source.",
    "no code for unknown": "Write nothing where a value is unknown: the code would be taken for a number.",
    "range": _INSPECT,
    "values change": "Look whether the sensor or the job that gives the value still runs.",
    "spelling": "Trim and spell the values as the reference does.",
    "categories": "Look whether the column holds names as before; a new name alone is no fault.",
    "renamed": "Map the new name to the old one at the source, or train a model that knows it.",
    "categories are kept": "Look for a filter that leaves these values out.",
    "more than one class": "Wait for the other labels, or look at the join that makes them.",
    "more than one value": "Wait for the true values, or look at the join that makes them.",
    "known classes": "Write the target in the coding of the reference.",
    "coding": "Write the target in the coding of the reference.",
    "labels are there": "Wait for the labels before a model is trained or judged on these rows.",
    "no leakage": "Leave the column out of the features unless it is known before the answer.",
    "rows are dated": "Write an ISO 8601 time into every row, such as 2013-01-31T08:30:00Z.",
    "times are past": "Look at the clock or the time zone of what writes the rows; --now says until when rows may run.",
    "times are near": "Correct the dates at the source: a year typed wrong, or a default where none was known?",
    "rows as in history": "Compare the number of rows with the source's own count, and with the batches before.",
    "file is read": "Look at the file: a batch of the history that cannot be read tells nothing.",
    "file is whole": "Export or copy the file again, whole.",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was found.

    Attributes
    ----------
    check : str
        What was asked.
    column : str or None
        None where it is about the whole table.
    severity : {"block", "warn", "info"}
    message : str
        What was found, with numbers.
    observed : object
        The number found.
    failing : int
        Rows that failed, where it is about rows.
    since : str or None
        First time at which it is seen, ISO 8601; None where rows have no times.
    do : str
        What to do.
    """

    check: str
    column: str | None
    severity: Severity
    message: str
    observed: Any = None
    failing: int = 0
    since: str | None = None
    do: str = ""

    @classmethod
    def of(cls, finding: Finding, since: str | None = None) -> Reason:
        """Say a finding of the data check or of a suite."""
        return cls(
            finding.check,
            finding.column,
            SEVERITIES[finding.severity],
            finding.message,
            finding.observed,
            finding.failing,
            since,
            action(finding.check),
        )

    @classmethod
    def found(cls, check: str, column: str | None, severity: Severity, message: str, **facts: Any) -> Reason:
        """Say what was found, with what to do about it."""
        return cls(check, column, severity, message, **facts, do=action(check))

    def dated(self, since: str) -> Reason:
        """Return the same with the first time at which it is seen."""
        return replace(self, since=since)

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return asdict(self)


def unreadable(error: SourceUnreadable) -> Reason:
    """Say that a file cannot be read as a table."""
    return Reason.found("file is whole", None, "block", str(error))


def action(check: str) -> str:
    """Return what to do about a check that failed."""
    return _ACTIONS.get(check, _INSPECT)
