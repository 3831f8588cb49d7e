"""Is this a batch at all: enough rows, new ones, each once, about as many as usual, and up to now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec.durations import format_duration
from airflow_mlops.stages.validate.findings import Finding, Severity, failed
from airflow_mlops.stages.validate.rows_facts import fingerprints, ordered, share_among
from airflow_mlops.stages.validate.stretches import utc
from airflow_mlops.stages.validate.window_facts import variety

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

    Facts = dict[str, Any]

# A whole batch twice makes 0.5. Some sources do send a few rows again: that is marked, not blocked.
DUPLICATES_BLOCK = 0.4
DUPLICATES_WARN = 0.01
# Fewer windows of the reference do not show how much counts of rows differ by themselves.
LEAST_WINDOWS = 4
# Of a snapshot much shorter than a window the rate says more about the hour than about the source.
LEAST_OF_WINDOW = 0.5
# Rows beyond what was by so much are marked; validate.max_row_ratio is where they stop the run.
MARKED = 1.5
# Of a filtered batch too few rows are a warning, unless this part of the emptiest window, or less, is left. It is
# filtered where a column has this part, or less, of the variety it had in every window.
ALMOST_NOTHING, LESS_VARIETY = 0.02, 0.5
# A value so common in each part of the reference does not stay away by itself.
COMMON = 0.1
# An old batch: so much of the newer rows were there before, of at least so many that can be looked up, where rows do
# not usually come again.
AGAIN, LOOKED_UP, AGAIN_USUAL = 0.9, 20, 0.5
# A source is silent when nothing came for so many times the longest silence of the reference.
SILENCES = 2.0


@dataclass(frozen=True, slots=True)
class Former:
    """The look before this one.

    Attributes
    ----------
    id : str
        Of its snapshot.
    facts : dict
        Of its snapshot.
    elapsed : timedelta
        Between the two looks.
    """

    id: str
    facts: dict[str, Any]
    elapsed: timedelta


def batch_check(
    table: pa.Table,
    current: Facts,
    spec: ModelSpec,
    reference: Facts | None,
    earlier: Mapping[str, str],
    former: Former | None,
) -> Iterator[Finding]:
    """Compare the rows as a whole with those at training and of looks before."""
    rows, limits = current["rows"], spec.validate_
    if rows < limits.min_rows:
        text = f"only {rows} rows, fewer than validate.min_rows = {limits.min_rows}"
        yield failed("enough rows", None, "critical", text, observed=rows)
    if current["content"] in earlier:
        text = (
            f"the rows are those of snapshot {earlier[current['content']]}, with other times: an old batch came again"
        )
        yield failed("rows are new", None, "critical", text)
    else:
        yield from _again(table, spec, reference, former)
    if former is not None and reference is not None:
        yield from _silent(current, spec, reference, former)
    yield from repeated(current, spec, reference)
    yield from _rate(table, current, spec, reference)


def _again(table: pa.Table, spec: ModelSpec, reference: Facts | None, former: Former | None) -> Iterator[Finding]:
    """Find newer rows whose features are those of older ones: by times alone an old batch looks like a new one."""
    before = [(f"those of snapshot {former.id}", former.facts)] if former else []
    before += [("those the champion was trained on", reference)] if reference else []
    moments, order = ordered(table, spec.data.time)
    names = [name for name in spec.features.columns if name not in spec.data.sensitive]
    for whose, known in before:
        usual = (reference or known).get("repeats")
        if usual is None or usual > AGAIN_USUAL or not known.get("end") or not known.get("sketch"):
            continue
        end = datetime.fromisoformat(known["end"])
        newer = order[moments > utc(known["end"]).astype("int64")]
        share, looked_up = share_among(fingerprints(table.take(newer), names), known["sketch"])
        if looked_up >= LOOKED_UP and share >= AGAIN:
            text = (
                f"{share:.0%} of the {len(newer)} rows after {end:%Y-%m-%d %H:%M} UTC have the features of older ones, "
                f"{whose} ({usual:.0%} is usual): an old batch came again with new {spec.data.time!r}"
            )
            yield failed("rows are new", spec.data.time, "critical", text, observed=round(share, 4))
            return


def _silent(current: Facts, spec: ModelSpec, reference: Facts, former: Former) -> Iterator[Finding]:
    """Find that the newest row is no newer than at the look before, in a time in which rows always came."""
    usual, ends = reference.get("silence_s"), (current["end"], former.facts.get("end"))
    if not usual or None in ends or former.elapsed.total_seconds() <= SILENCES * usual:
        return
    newest, then = map(datetime.fromisoformat, ends)
    if newest <= then:
        text = (
            f"no row is newer than at the look {format_duration(_whole(former.elapsed))} before: the newest "
            f"{spec.data.time!r} is {newest:%Y-%m-%d %H:%M} UTC, and at training rows never stayed away for longer "
            f"than {format_duration(_whole(timedelta(seconds=usual)))}"
        )
        yield failed("rows come", spec.data.time, "critical", text)


def _whole(length: timedelta) -> timedelta:
    return timedelta(minutes=max(1, round(length / timedelta(minutes=1))))


def repeated(current: Facts, spec: ModelSpec, reference: Facts | None) -> Iterator[Finding]:
    """Find rows that come more than once, beyond what is usual."""
    usual = reference["duplicates"] if reference else 0.0
    share = current["duplicates"]
    what = f"the key ({', '.join(spec.data.key)})" if spec.data.key else "all columns"
    text = f"{share:.0%} of rows repeat an earlier row in {what}, {usual:.0%} at training"
    if share - usual >= DUPLICATES_BLOCK:
        yield failed("rows come once", None, "critical", text, observed=round(share, 4))
    elif share - usual >= DUPLICATES_WARN:
        yield failed("rows come once", None, "warning", text, observed=round(share, 4))


def _rate(table: pa.Table, current: Facts, spec: ModelSpec, reference: Facts | None) -> Iterator[Finding]:
    span = _span(current)
    broken = list(counted(table, current, spec, reference, span=span)) if span else []
    yield from broken
    before, now = _rows_per_day(reference), _rows_per_day(current)
    ratio = spec.validate_.max_row_ratio
    if not broken and before and now and not 1 / ratio <= now / before <= ratio:
        text = f"{now:,.0f} rows a day, but {before:,.0f} at training: {now / before:.2g} times as many"
        yield failed("rows a day", None, "warning", text, observed=round(now / before, 3))


def counted(
    table: pa.Table, current: Facts, spec: ModelSpec, reference: Facts | None, *, span: timedelta
) -> Iterator[Finding]:
    """Find a count of rows that is far from that of every window of the reference.

    Where a filter shows in what is left, its few rows are only marked.

    Parameters
    ----------
    table : Table
        The rows.
    current : dict
        With ``rows``.
    spec : ModelSpec
        Length of a window, and ``validate.max_row_ratio``.
    reference : dict or None
        Facts of what the champion was trained on.
    span : timedelta
        The time in which the rows came.
    """
    window, ratio = spec.monitor_window, spec.validate_.max_row_ratio
    counts = _counts(reference, window)
    if len(counts) < LEAST_WINDOWS or span < LEAST_OF_WINDOW * window:
        return
    rows, (low, high) = current["rows"] * current.get("every", 1) * (window / span), (min(counts), max(counts))
    if low / MARKED <= rows <= high * MARKED:
        return
    text = (
        f"{rows:,.0f} rows a window of {format_duration(window)} by {spec.data.time!r}, and never fewer than {low:,} "
        f"or more than {high:,} at training: a source that is cut off, or sends twice?"
    )
    severity: Severity = "warning" if low / ratio <= rows <= high * ratio else "critical"
    by = filtered_by(table, current, reference) if ALMOST_NOTHING * low < rows < low else None
    if by is not None:
        severity, text = "warning", f"{text} Or a filter: {by!r} holds less than it ever did."
    yield failed("rows a window", spec.data.time, severity, text, observed=round(rows))


def filtered_by(table: pa.Table, current: Facts, reference: Facts | None) -> str | None:
    """Name a column in which a filter shows: a common value is gone, or it varies far less than in any window."""
    least = ((reference or {}).get("by_window") or {}).get("variety", {})
    for name in table.column_names:
        then = (reference or {}).get("columns", {}).get(name, {})
        now = current["columns"].get(name, {})
        if "sensitive" in then or now.get("kind") != then.get("kind"):
            continue
        shares = {value: min(parts, default=0.0) for value, parts in then.get("shares", {}).items()}
        if any(share >= COMMON and value not in now["values"] for value, share in shares.items()):
            return name
        value = variety(table, name) if least.get(name) else None
        if value is not None and value <= LESS_VARIETY * least[name]:
            return name
    return None


def _counts(reference: Facts | None, window: timedelta) -> list[int]:
    """Give rows a window, where the reference was counted in windows of this length."""
    if reference is None or reference.get("window_s") != window.total_seconds():
        return []
    return reference["windows"]


def _span(facts: Facts) -> timedelta | None:
    if not facts["start"]:
        return None
    return datetime.fromisoformat(facts["end"]) - datetime.fromisoformat(facts["start"])


def _rows_per_day(facts: Facts | None) -> float | None:
    span = _span(facts) if facts else None
    if facts is None or span is None or span < timedelta(days=1):
        return None
    return facts["rows"] * facts.get("every", 1) / (span / timedelta(days=1))
