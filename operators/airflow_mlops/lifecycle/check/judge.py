"""Is this batch fit for use, judged by rows that are known to be good."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.errors import Permanent, SourceUnreadable
from airflow_mlops.lifecycle.check.aligned import align, alike, like, plain, span_ends, span_of, with_times
from airflow_mlops.lifecycle.check.dates import check_age, check_dates
from airflow_mlops.lifecycle.check.history import History, check_newest, check_rows, excused
from airflow_mlops.lifecycle.check.inferred import infer_spec
from airflow_mlops.lifecycle.check.opened import Opened
from airflow_mlops.lifecycle.check.reasons import Reason
from airflow_mlops.lifecycle.check.repeats import check_reference, check_repeats, known_columns
from airflow_mlops.lifecycle.check.since import since_when
from airflow_mlops.lifecycle.check.weekdays import check_weekdays, names_of_weekdays
from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate import facts_of, validate, worst_first
from airflow_mlops.stages.validate.batch_check import filtered_by
from airflow_mlops.stages.validate.data_check import data_check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

Verdict = Literal["pass", "warn", "block"]
# An earlier batch: its name, and its rows or why they cannot be read.
Earlier = tuple[str, "pa.Table | Opened | SourceUnreadable"]
_ORDER = ("block", "warn", "info")


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on a batch.

    Attributes
    ----------
    verdict : {"pass", "warn", "block"}
    reasons : tuple of Reason
        Worst first.
    rows : int
        Of the batch; 0 where it cannot be read.
    left_out : int
        Rows that were not judged, for their time is missing or wrong.
    start, end : str or None
        First and last time judged, ISO 8601.
    history : int
        Earlier batches that were looked at.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    rows: int
    left_out: int = 0
    start: str | None = None
    end: str | None = None
    history: int = 0

    @classmethod
    def of(cls, reasons: Sequence[Reason], rows: int, **facts: Any) -> Checked:
        """Sum up reasons."""
        found = {reason.severity for reason in reasons}
        verdict: Verdict = "block" if "block" in found else "warn" if "warn" in found else "pass"
        return cls(verdict, tuple(sorted(reasons, key=lambda reason: _ORDER.index(reason.severity))), rows, **facts)

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {
            "verdict": self.verdict,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "rows": self.rows,
            "left_out": self.left_out,
            "start": self.start,
            "end": self.end,
            "history": self.history,
        }


@dataclass(frozen=True, slots=True)
class Terms:
    """By what a batch is judged, beside the reference.

    Attributes
    ----------
    now : datetime
        No row is from after that.
    spec : ModelSpec, optional
        Names of columns and thresholds; default: inferred from the reference.
    suite : mapping, optional
        Expectations of the spec.
    time, target : str, optional
        Without a spec: names of these columns; default ``ts`` and ``y`` where the reference has them.
    is_guessed : bool, default=False
        Whether types of the batch or of the reference were guessed from text.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    spec: ModelSpec | None = None
    suite: Mapping[str, Any] | None = None
    time: str | None = None
    target: str | None = None
    is_guessed: bool = False


def check(
    table: pa.Table | Opened, reference: pa.Table | Opened, terms: Terms, history: Iterable[Earlier] = ()
) -> Checked:
    """Judge a batch.

    Parameters
    ----------
    table, reference : Table or Opened
        The batch, and rows that are known to be good. Not modified.
    terms : Terms
        By what it is judged.
    history : iterable of (name, Table, Opened or SourceUnreadable)
        Earlier good batches, oldest first.

    Raises
    ------
    Permanent
        The reference has no rows, or not the column that was named, or it holds no times.
    """
    given = table if isinstance(table, Opened) else Opened(table)
    known = reference if isinstance(reference, Opened) else Opened(reference)
    if not known.rows:
        raise Permanent("the reference has no rows; name a file with rows that are known to be good.")
    good, batch, time = align(
        given.table, known.table, terms.spec.data.time if terms.spec else terms.time, is_guessed=terms.is_guessed
    )
    rows, reasons = check_dates(batch, good, time=time, now=terms.now)
    rows, unlike = _unlike(rows, good)
    reasons += unlike
    reasons += [] if terms.is_guessed else _written_as_text(given.table, known.table, rows, time)
    spec = terms.spec or infer_spec(
        good, columns=rows.column_names, span=span_of(rows, time), time=time, target=terms.target
    )
    past = _past(history, rows, known, good, spec)
    if not any(reason.column == time and reason.severity == "block" for reason in reasons):
        names = known.remembered("names of weekdays", lambda: names_of_weekdays(good, time=time))
        reasons += check_weekdays(rows, names, time=time) or check_age(rows, good, past.spans, time=time)
    compared = _Compared(given, known, rows, good, spec, terms)
    reasons += compared.reasons(past, said=[reason.column for reason in reasons])
    ends = span_ends(rows, time)
    return Checked.of(
        [*reasons, *past.unread],
        given.rows,
        left_out=(batch.num_rows - rows.num_rows) * given.every,
        start=ends[0].isoformat() if ends else None,
        end=ends[1].isoformat() if ends else None,
        history=len(past.rows),
    )


def _unlike(rows: pa.Table, good: pa.Table) -> tuple[pa.Table, list[Reason]]:
    """Leave out columns that hold lists or bytes where the reference has plain values: nothing can be asked of them."""
    reasons = []
    for name in rows.column_names:
        now = rows.schema.field(name).type
        then = good.schema.field(name).type if name in good.column_names else now
        if kind_of(now) == "other" and kind_of(then) != "other":
            text = f"column {name!r} holds {now}, but held {kind_of(then)} ({then}) in the reference"
            reasons.append(Reason.found("type is kept", name, "block", text, failing=rows.num_rows))
            rows = rows.drop_columns([name])
    return rows, reasons


def _written_as_text(table: pa.Table, reference: pa.Table, rows: pa.Table, time: str) -> list[Reason]:
    """Mark times that are text now: whoever reads them has to parse them."""
    if not all(time in each.column_names for each in (table, reference, rows)):
        return []
    now, then = table.schema.field(time).type, reference.schema.field(time).type
    if kind_of(now) != "text" or kind_of(then) != "time":
        return []
    text = f"column {time!r} holds times as text ({now}), but held times ({then}) in the reference"
    return [Reason.found("type is kept", time, "warn", text, failing=table.num_rows)]


def _past(history: Iterable[Earlier], rows: pa.Table, known: Opened, good: pa.Table, spec: ModelSpec) -> History:
    """Read the history a batch at a time; of older ones only a trace is kept."""
    past, columns = History(), known_columns(rows, spec)
    for name, batch in history:
        if isinstance(batch, SourceUnreadable):
            past.add_unread(name, batch)
            continue
        found = batch if isinstance(batch, Opened) else Opened(batch)
        timed = with_times(plain(found.table), spec.data.time, is_number_time=True)
        table = alike(like(timed, good, is_guessed=True), good)
        trace = found.trace(name, table, spec, columns, known, is_guessed=True)
        past.add(table, trace, rows=found.rows, time=spec.data.time)
    return past


@dataclass(frozen=True, slots=True)
class _Compared:
    """A batch beside its reference, in the same types."""

    given: Opened
    known: Opened
    rows: pa.Table
    good: pa.Table
    spec: ModelSpec
    terms: Terms

    def reasons(self, past: History, *, said: Sequence[str | None]) -> list[Reason]:
        """Ask all that can be asked; what is wrong with the columns in ``said`` was said."""
        rows, spec, is_guessed = self.rows, self.spec, self.terms.is_guessed
        # Where rows were left out, all that is known is of the others.
        is_whole = rows.num_rows == self.given.table.num_rows
        current = (self.given if is_whole else Opened(rows)).facts(rows, spec, self.known, is_guessed=is_guessed)
        against = self.known.facts(self.good, spec, self.known, is_guessed=is_guessed)
        validation = validate(rows, spec, current=current, reference=against, suite=self.terms.suite)
        findings = [item for item in worst_first(validation.findings) if not (item.column in said and item.column)]
        since = since_when(findings, rows, spec, against)
        reasons = [Reason.of(finding, first) for finding, first in zip(findings, since, strict=True)]
        reasons = _excused(reasons, rows, current, spec, past)
        if any(reason.check == "enough rows" for reason in reasons):
            return reasons
        if not any(reason.check == "rows are new" and reason.severity == "block" for reason in reasons):
            reasons += self._repeated(past)
        number, filtered = rows.num_rows * self.given.every, filtered_by(rows, current, against) if past.rows else None
        reasons += check_rows(number, past, spec, current["start"], filtered=filtered)
        return [*reasons, *check_newest(rows, past, spec)]

    def _repeated(self, past: History) -> list[Reason]:
        columns, time = known_columns(self.rows, self.spec), self.spec.data.time
        now, reference = (
            opened.trace(name, table, self.spec, columns, self.known, is_guessed=self.terms.is_guessed)
            for name, opened, table in (
                ("the batch", self.given, self.rows),
                ("the reference", self.known, self.good),
            )
        )
        found = check_repeats(now, past.traces, reference, self.spec) or check_reference(now, reference, self.spec)
        ends = span_ends(self.rows, time)
        return [reason.dated(ends[0].isoformat()) if ends else reason for reason in found]


def _excused(
    reasons: list[Reason], rows: pa.Table, current: dict[str, Any], spec: ModelSpec, past: History
) -> list[Reason]:
    """Ask again with the newest batches of the history as the reference, where something stops the run."""
    import pyarrow as pa

    if len(past.recent) < 2 or not any(reason.severity == "block" for reason in reasons):
        return reasons
    recent = pa.concat_tables(past.recent, promote_options="permissive")
    findings = data_check(rows, current, spec, reference=facts_of(recent, spec))
    return excused(reasons, {(item.check, item.column) for item in findings if item.severity == "critical"})
