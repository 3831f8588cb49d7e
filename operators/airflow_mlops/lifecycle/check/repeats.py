"""Rows that came before: in an earlier batch or in the reference, in any order, with the same times or others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.lifecycle.check.reasons import Reason, Severity
from airflow_mlops.stages.kinds import kind_of
from airflow_mlops.stages.validate.rows_facts import fingerprints

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

# A batch is an old one when so much of it was there; where rows recur by themselves, runs of rows are looked for.
OLD, SOME, USUAL = 0.9, 0.3, 0.5
# Rows of a run; in a period without so many, or with fewer different ones, a run says nothing.
RUN, LEAST_RUNS = 8, 12
# An odd number with bits of both kinds all over: products with it spread over all numbers.
_ODD = 0x9E3779B97F4A7C15
# Fewer rows may be there before by chance.
LEAST_ROWS = 8
# A batch that covers more of the reference's time than this is the reference itself, and not one of its batches.
WHOLE = 0.5


@dataclass(frozen=True, slots=True)
class Trace:
    """What is kept of rows to know them again.

    Attributes
    ----------
    name : str
        Of the batch, for the sentence.
    dated, plain : ndarray of shape (n_rows,)
        A number for each row, with and without its time.
    runs : ndarray
        A number for each run of rows that follow each other in time, without their times.
    is_dated : bool
        Whether the rows have times.
    """

    name: str
    dated: np.ndarray
    plain: np.ndarray
    runs: np.ndarray
    is_dated: bool = True

    @classmethod
    def of(cls, name: str, tables: Iterable[pa.Table], spec: ModelSpec, columns: Sequence[str]) -> Trace:
        """Take the trace of rows in one or more tables; ``columns`` are those by which a row is known."""
        import numpy as np

        prints, moments, is_dated = [], [], False
        for table in tables:
            prints.append(fingerprints(table, columns).astype("uint64"))
            is_dated = spec.data.time in table.column_names
            if is_dated:
                moments.append(table.column(spec.data.time).cast("int64").fill_null(-1).to_numpy())
        plain = np.concatenate(prints) if prints else np.array([], dtype="uint64")
        if not is_dated or len(plain) != sum(map(len, moments)):
            return cls(name, plain, plain, runs_of(plain), is_dated=False)
        times = np.concatenate(moments).astype("uint64")
        # Rows of one time come in any order; that of their values is always the same.
        order = np.lexsort((plain, times))
        return cls(name, plain ^ (times * np.uint64(_ODD)), plain, runs_of(plain[order]))


def known_columns(table: pa.Table, spec: ModelSpec) -> list[str]:
    """Name the columns by which a row is known again: all that can be compared, but the time and sensitive ones."""
    hidden = {spec.data.time, *spec.data.sensitive}
    kinds = ("number", "boolean", "text", "time")
    return [field.name for field in table.schema if field.name not in hidden and kind_of(field.type) in kinds]


def runs_of(prints: np.ndarray) -> np.ndarray:
    """Give each run of rows a number; a run of one and the same row says nothing and has none."""
    import numpy as np

    if len(prints) < RUN:
        return np.array([], dtype="uint64")
    number = len(prints) - RUN + 1
    runs, is_telling = np.zeros(number, dtype="uint64"), np.zeros(number, dtype=bool)
    for place in range(RUN):
        here = prints[place : place + number]
        # Another odd multiplier for each place makes the order of the rows count; what overflows wraps round.
        runs += here * np.uint64(pow(_ODD, place + 1, 2**64))
        is_telling |= here != prints[:number]
    return runs[is_telling]


def check_repeats(now: Trace, earlier: Iterable[Trace], reference: Trace, spec: ModelSpec) -> list[Reason]:
    """Find the earlier batch that this one repeats, or holds much of.

    Parameters
    ----------
    now : Trace
        Of the batch.
    earlier : iterable of Trace
        Of earlier batches.
    reference : Trace
        Tells how often rows come again by themselves.
    spec : ModelSpec
        Name of the time column.
    """
    if len(now.plain) < LEAST_ROWS:
        return []
    usual, found = _usual(reference), list[tuple[Severity, float, str]]()
    for trace in earlier:
        hit = _hit(now, trace, usual)
        if hit is not None:
            found.append((*hit, trace.name))
    if not found:
        return []
    severity, share, name = max(found, key=lambda item: (item[0] == "block", item[1]))
    text = f"{share:.0%} of the {len(now.plain)} rows are those of {name}, whatever their order and times"
    if severity == "block":
        text += ": an old batch came again"
    return [_seen(now, share, severity, text, spec.data.time)]


def check_reference(now: Trace, reference: Trace, spec: ModelSpec) -> list[Reason]:
    """Find that the batch is a part of the reference, with the times it had there or with others."""
    if len(now.plain) < LEAST_ROWS:
        return []
    # Rows of one time that are alike by nature say nothing: every other row of the reference tells how many are.
    is_telling = share_of(reference.dated[::2], reference.dated[1::2]) < USUAL
    same = share_of(now.dated, reference.dated) if is_telling else 0.0
    hit = ("block", same) if same >= OLD else _hit(now, reference, _usual(reference))
    if not hit or hit[0] != "block":
        return []
    part = len(now.plain) / max(1, len(reference.plain))
    text = f"{hit[1]:.0%} of the {len(now.plain)} rows are those of the reference"
    if same >= OLD and part > WHOLE:
        text += f", {part:.0%} of it: a batch that is compared with itself shows nothing"
        return [_seen(now, same, "warn", text, spec.data.time)]
    times = "with the same times" if same >= OLD else "with other times"
    return [_seen(now, hit[1], "block", f"{text}, {times}: an old batch came again", spec.data.time)]


def _seen(now: Trace, share: float, severity: Severity, text: str, column: str) -> Reason:
    facts = {"observed": round(share, 4), "failing": round(share * len(now.plain))}
    return Reason.found("rows are new", column if now.is_dated else None, severity, text, **facts)


def share_of(prints: np.ndarray, known: np.ndarray) -> float:
    """Return the share of rows that are among others, each of which stands for one row only."""
    import numpy as np

    if not len(prints) or not len(known):
        return 0.0
    values, counts = np.unique(prints, return_counts=True)
    others, numbers = np.unique(known, return_counts=True)
    places = np.minimum(np.searchsorted(others, values), len(others) - 1)
    there = np.where(others[places] == values, numbers[places], 0)
    return float(np.minimum(counts, there).sum() / len(prints))


def _hit(now: Trace, then: Trace, usual: tuple[float, float]) -> tuple[Severity, float] | None:
    """Tell whether rows, or runs of rows where single ones recur by themselves, were there before."""
    rows, runs = share_of(now.plain, then.plain), share_of(now.runs, then.runs)
    if usual[0] < USUAL and rows >= OLD:
        return "block", rows
    if usual[1] < USUAL and len(now.runs) >= LEAST_RUNS and runs >= OLD:
        return "block", rows
    if usual[0] < SOME / 3 and rows >= SOME:
        return "warn", rows
    return None


def _usual(reference: Trace) -> tuple[float, float]:
    """Return which share of the newest quarter's rows, and of its runs, is also in the older three."""

    def newest(prints: np.ndarray) -> float:
        cut = (3 * len(prints)) // 4
        return share_of(prints[cut:], prints[:cut])

    return newest(reference.plain), newest(reference.runs)
