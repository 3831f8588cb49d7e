"""Times of a batch: are they there, of its own period, and not of the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.lifecycle.check.aligned import span_ends
from airflow_mlops.lifecycle.check.reasons import Reason, Severity
from airflow_mlops.stages.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

# Such a share of rows may have a wrong time, or so many of a small batch: they are left out, and the others judged.
FEW, FEW_ROWS = 0.05, 3
# Clocks of machines and zones differ by as much.
SLACK = timedelta(days=1)
# A row is of another period when so long a time without rows lies between it and the stretch that holds most of them:
# longer than any plausible delay, than that stretch itself, and than ten times what nearly all rows keep between them.
LEAST_GAP, GAPS = timedelta(days=30), 10
# A few rows are wrong sooner: beyond so long a time, twice any gap of the reference and so many usual distances.
FEW_GAP, FEW_GAPS = timedelta(days=1), 50
# A batch that comes so many lengths of all that is known after it, or before it, and so long, is of another age. A
# reference grows old while it is used, so after it this is only marked, until it is too far for any use.
FAR, FAR_LEAST, AFTER_LEAST = 20, timedelta(days=360), timedelta(days=5 * 365)


def check_dates(table: pa.Table, reference: pa.Table, *, time: str, now: datetime) -> tuple[pa.Table, list[Reason]]:
    """Leave out rows whose time is missing, far off, or after now.

    Parameters
    ----------
    table, reference : Table
        Rows, with times in microseconds UTC where they are times. Not modified.
    time : str
        Column with the event time.
    now : datetime
        No row is from after that.

    Returns
    -------
    table : Table
        The rows that can be judged; without the time column where it holds no times.
    reasons : list of Reason
    """
    import pyarrow as pa

    if time not in reference.column_names or not pa.types.is_timestamp(reference.schema.field(time).type):
        return table, []
    if time not in table.column_names:
        return table, []
    kind = table.schema.field(time).type
    if not pa.types.is_timestamp(kind):
        return table.drop_columns([time]), [_no_times(table, time)] if table.num_rows else []
    moments = table.column(time).cast(pa.int64()).to_numpy().astype(float)
    return _sorted_out(table, moments, reference, time=time, now=now)


def check_age(
    table: pa.Table, reference: pa.Table, spans: Sequence[tuple[datetime, datetime]], *, time: str
) -> list[Reason]:
    """Find a whole batch that lies in another age than the reference and all earlier batches.

    Parameters
    ----------
    table, reference : Table
        Rows, with times in microseconds UTC where they are times. Not modified.
    spans : sequence of (datetime, datetime)
        First and last time of each earlier batch.
    time : str
        Column with the event time.
    """
    ends, known = span_ends(table, time), span_ends(reference, time)
    if ends is None or known is None:
        return []
    low = min([known[0], *(start for start, _ in spans)])
    high = max([known[1], *(end for _, end in spans)])
    is_after = ends[0] > high
    gap = ends[0] - high if is_after else low - ends[1]
    if gap <= max(FAR * (high - low), FAR_LEAST):
        return []
    text = (
        f"{time!r} runs from {ends[0]:%Y-%m-%d %H:%M} to {ends[1]:%Y-%m-%d %H:%M}, {gap.days:,} days "
        f"{'after' if is_after else 'before'} the reference and all earlier batches, which cover "
        f"{(high - low).days:,} days to {high:%Y-%m-%d %H:%M}: wrong dates?"
    )
    severity: Severity = "warn" if is_after and gap <= AFTER_LEAST else "block"
    since = ends[0].isoformat()
    return [Reason.found("times are near", time, severity, text, failing=table.num_rows, since=since)]


def _no_times(table: pa.Table, time: str) -> Reason:
    kind = table.schema.field(time).type
    example = next((value for value in table.column(time).to_pylist() if value is not None), None)
    text = f"column {time!r} holds {kind_of(kind)} ({kind}), such as {example!r}, but held times in the reference"
    return Reason.found("type is kept", time, "block", text, failing=table.num_rows)


def _sorted_out(
    table: pa.Table, moments: np.ndarray, reference: pa.Table, *, time: str, now: datetime
) -> tuple[pa.Table, list[Reason]]:
    import numpy as np
    import pyarrow as pa

    then = reference.column(time)
    usual = then.null_count / len(then) if len(then) else 0.0
    is_undated = np.isnan(moments)
    is_future = moments > (now + SLACK).timestamp() * 1e6
    known = np.sort(then.drop_null().cast(pa.int64()).to_numpy())
    low, high = _period(moments[~is_undated & ~is_future], known)
    is_off = ~is_undated & ~is_future & ((moments < low) | (moments > high))
    is_near = ~is_undated & ~is_future & ~is_off
    is_astray = is_near & _astray(moments, is_near, known)
    if _are_few(is_off | is_astray):
        is_off |= is_astray
    reasons = []
    if is_undated.sum() > usual * len(moments):
        reasons.append(_undated(is_undated, moments, time, usual))
    if is_future.any():
        reasons.append(_future(is_future, moments, time, now))
    # Rows of a gap in time that lies within what the reference covers are old, and not misdated.
    is_wrong = is_off & _is_outside(moments, known)
    if is_off.any() and (is_wrong.any() or _are_few(is_off)):
        reasons.append(_misdated(is_off, moments, time))
    else:
        is_off = np.zeros(len(moments), dtype=bool)
    is_kept = ~(is_undated | is_future | is_off)
    kept = table.filter(pa.array(is_kept)) if not is_kept.all() and is_kept.any() else table
    if not is_kept.any() and len(moments):
        return (table.drop_columns([time]) if is_undated.all() else table), reasons
    return kept, reasons


def _period(moments: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    """Return the ends of the stretch that holds most rows, and of all that follows or leads it without a long gap."""
    import numpy as np

    if len(moments) < 4:
        return -np.inf, np.inf
    ordered = np.sort(moments)
    gaps = np.diff(ordered)
    longest = max(
        LEAST_GAP.total_seconds() * 1e6,
        GAPS * float(np.quantile(gaps, 0.95)),
        2 * float(np.diff(known).max(initial=0)),
    )
    firsts, lasts, most = _stretches(ordered, longest)
    low, high = most, most
    longest = max(longest, ordered[lasts[most]] - ordered[firsts[most]])
    while low and ordered[firsts[low]] - ordered[lasts[low - 1]] <= longest:
        low -= 1
    while high + 1 < len(firsts) and ordered[firsts[high + 1]] - ordered[lasts[high]] <= longest:
        high += 1
    return float(ordered[firsts[low]]), float(ordered[lasts[high]])


def _astray(moments: np.ndarray, is_near: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Mark what lies apart from the stretch that holds most rows, by more than rows ever did in the reference."""
    import numpy as np

    ordered = np.sort(moments[is_near])
    if len(ordered) < 4:
        return np.zeros(len(moments), dtype=bool)
    gaps = np.diff(ordered)
    longest = max(
        FEW_GAP.total_seconds() * 1e6,
        FEW_GAPS * float(np.quantile(gaps, 0.9)),
        2 * float(np.diff(known).max(initial=0)),
    )
    firsts, lasts, most = _stretches(ordered, longest)
    return (moments < ordered[firsts[most]]) | (moments > ordered[lasts[most]])


def _stretches(ordered: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Return first and last row of each stretch without a longer gap, and which of them holds most rows."""
    import numpy as np

    cuts = np.flatnonzero(np.diff(ordered) > longest)
    firsts, lasts = np.append(0, cuts + 1), np.append(cuts, len(ordered) - 1)
    return firsts, lasts, int(np.argmax(lasts - firsts))


def _is_outside(moments: np.ndarray, known: np.ndarray) -> np.ndarray:
    import numpy as np

    return (moments < known[0]) | (moments > known[-1]) if len(known) else np.ones(len(moments), dtype=bool)


def _are_few(is_wrong: np.ndarray, more: float = 0.0) -> bool:
    count = int(is_wrong.sum())
    return count <= (FEW + more) * len(is_wrong) or (count <= FEW_ROWS and 5 * count <= len(is_wrong))


def _undated(is_undated: np.ndarray, moments: np.ndarray, time: str, usual: float) -> Reason:
    import numpy as np

    count, few = int(is_undated.sum()), _are_few(is_undated, usual)
    text = f"{count} of {len(moments)} rows have no {time!r} or one that is no time, {usual:.1%} in the reference"
    left_out = "; they are left out" if few else ""
    # A row without a time lies where its neighbours in the file do.
    near = np.flatnonzero(~is_undated)
    first = moments[near[np.abs(near - np.argmax(is_undated)).argmin()]] if len(near) else None
    return _reason("rows are dated", time, text + left_out, is_undated, first, few=few)


def _future(is_future: np.ndarray, moments: np.ndarray, time: str, now: datetime) -> Reason:
    few = _are_few(is_future)
    text = (
        f"{int(is_future.sum())} of {len(moments)} rows are from the future: {time!r} runs to "
        f"{_say(moments[is_future].max())}, and now is {now:%Y-%m-%d %H:%M}"
    )
    return _reason(
        "times are past",
        time,
        text + ("; they are left out" if few else ""),
        is_future,
        moments[is_future].min(),
        few=few,
    )


def _misdated(is_off: np.ndarray, moments: np.ndarray, time: str) -> Reason:
    few, rest = _are_few(is_off), moments[~is_off & (moments == moments)]
    text = (
        f"{int(is_off.sum())} of {len(moments)} rows have a {time!r} far from the others "
        f"({_say(moments[is_off].min())} to {_say(moments[is_off].max())}, the others {_say(rest.min())} to "
        f"{_say(rest.max())})"
    )
    return _reason(
        "times are near", time, text + ("; they are left out" if few else ""), is_off, moments[is_off].min(), few=few
    )


def _reason(check: str, time: str, text: str, is_wrong: np.ndarray, first: float | None, *, few: bool) -> Reason:
    count = int(is_wrong.sum())
    return Reason.found(
        check,
        time,
        "warn" if few else "block",
        text,
        observed=round(count / len(is_wrong), 4),
        failing=count,
        since=_iso(first) if first is not None else None,
    )


def _iso(moment: float) -> str:
    return _moment(moment).isoformat()


def _say(moment: float) -> str:
    return f"{_moment(moment):%Y-%m-%d %H:%M}"


def _moment(microseconds: float) -> datetime:
    import numpy as np

    # Files hold years that a datetime does not: they are shown as the last one it does.
    bounded = min(max(microseconds, -6.2e16), 2.5e17)
    return np.datetime64(int(bounded), "us").item().replace(tzinfo=UTC)
