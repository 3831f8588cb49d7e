"""Earlier good batches: what differs between them by itself, and what came already."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from airflow_mlops.lifecycle.check.aligned import span_ends
from airflow_mlops.lifecycle.check.reasons import Reason, Severity
from airflow_mlops.stages.validate.batch_check import ALMOST_NOTHING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import pyarrow as pa

    from airflow_mlops.lifecycle.check.repeats import Trace
    from airflow_mlops.spec import ModelSpec

# Fewer batches do not show how much they differ by themselves.
LEAST_BATCHES = 3
# Rows beyond what was by so much are marked; validate.max_row_ratio is where they stop the run.
MARKED = 1.5
# Of the newest batches so many rows are kept, as a second reference.
RECENT_ROWS, RECENT_BATCHES = 250_000, 12
# A batch that comes so many usual distances after the last one, and so long after, is not the next; half as many are
# marked, for a history may have stopped where the batches went on.
STEPS, FAR_LEAST = 15, timedelta(days=180)
STEPS_MARKED, MARKED_LEAST = 7, timedelta(days=60)
# What a second reference may excuse: values that were so in the newest batches, which are known to be good.
_EXCUSED = frozenset(
    {"nulls", "unit", "units", "range", "no code for unknown", "spelling", "categories", "renamed", "rows a window"}
)


@dataclass(slots=True)
class History:
    """What is kept of earlier batches, oldest first.

    Attributes
    ----------
    traces : list of Trace
    rows : list of int
    spans : list of (datetime, datetime)
        Oldest and newest time of each that has times.
    recent : list of Table
        The newest batches, up to 250,000 rows.
    unread : list of Reason
        One for each file that is no batch.
    """

    traces: list[Trace] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    spans: list[tuple[datetime, datetime]] = field(default_factory=list)
    recent: list[pa.Table] = field(default_factory=list)
    unread: list[Reason] = field(default_factory=list)

    def add(self, table: pa.Table, trace: Trace, *, rows: int, time: str) -> None:
        """Take in the next batch, of whose rows the table has all or an even sample."""
        self.traces.append(trace)
        self.rows.append(rows)
        ends = span_ends(table, time)
        if ends:
            self.spans.append(ends)
        self.recent.append(table)
        while len(self.recent) > RECENT_BATCHES or (
            len(self.recent) > 1 and sum(table.num_rows for table in self.recent) > RECENT_ROWS
        ):
            self.recent.pop(0)

    def add_unread(self, name: str, error: Exception) -> None:
        """Take note of a file that cannot be read."""
        text = f"{name} of the history is left out: {error}"
        self.unread.append(Reason.found("file is read", None, "warn", text))


def check_rows(
    rows: int, history: History, spec: ModelSpec, since: str | None, *, filtered: str | None = None
) -> list[Reason]:
    """Compare the number of rows with that of every earlier batch; few ones in which a filter shows are marked."""
    if len(history.rows) < LEAST_BATCHES or not max(history.rows):
        return []
    low, high = min(history.rows), max(history.rows)
    text = f"{rows:,} rows, and the {len(history.rows)} batches of the history have {low:,} to {high:,}"
    limits: tuple[tuple[float, Severity], ...] = ((spec.validate_.max_row_ratio, "block"), (MARKED, "warn"))
    for ratio, severity in limits:
        if not low / ratio <= rows <= high * ratio:
            observed = round(rows / median(history.rows), 4)
            if filtered and ALMOST_NOTHING * low < rows < low:
                severity, text = "warn", f"{text}; a filter, for {filtered!r} holds less than it ever did?"
            return [Reason.found("rows as in history", None, severity, text, observed=observed, since=since)]
    return []


def check_newest(table: pa.Table, history: History, spec: ModelSpec) -> list[Reason]:
    """Find that nothing is newer than the history, or that all of it is far too new."""
    time = spec.data.time
    ends = span_ends(table, time)
    if ends is None or not history.spans:
        return []
    last = max(end for _, end in history.spans)
    facts = {"failing": table.num_rows, "since": ends[0].isoformat()}
    if ends[1] <= last:
        text = f"no row is newer than the history: {time!r} runs to {_say(ends[1])}, there it runs to {_say(last)}"
        return [Reason.found("rows come", time, "block", text, **facts)]
    starts = sorted(start for start, _ in history.spans)
    steps = [after - before for before, after in itertools.pairwise(starts)]
    if len(history.spans) < LEAST_BATCHES:
        return []
    step = sorted(steps)[len(steps) // 2]
    away = ends[0] - last
    if away <= max(STEPS_MARKED * step, 2 * max(steps), MARKED_LEAST):
        return []
    severity: Severity = "block" if away > max(STEPS * step, FAR_LEAST) else "warn"
    text = (
        f"{time!r} runs from {_say(ends[0])} to {_say(ends[1])}, {away.days:,} days after the newest batch "
        f"of the history ({_say(last)}), where batches follow each other by {_length(step)}: wrong dates?"
    )
    return [Reason.found("times are near", time, severity, text, **facts)]


def excused(reasons: Sequence[Reason], broken: Collection[tuple[str, str | None]]) -> list[Reason]:
    """Mark only what the newest batches of the history, which are good, show as well.

    Parameters
    ----------
    reasons : sequence of Reason
        Against the reference.
    broken : collection of (check, column)
        What stops the run against the history.
    """
    columns = {column for _, column in broken}
    return [
        replace(reason, severity="warn", message=f"{reason.message}; but it was so in the history")
        if reason.severity == "block" and reason.check in _EXCUSED and reason.column not in columns
        else reason
        for reason in reasons
    ]


def _say(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _length(length: timedelta) -> str:
    return f"{length.days} days" if length.days > 1 else f"{length.total_seconds() / 3600:.3g} hours"
