"""Are broken batches blocked, and good ones not: every fault on every stream, judged as the command judges.

    python -m benchmarks.data_faults --streams DIR [--json OUT] [--only NAME ...] [--good 200] [--rows 20000]
        [--columns N] [--reference-rows 100000] [--references 0.2 0.5] [--places 1 7]

A stream is a folder with ``data.parquet``: a time ``ts``, a target ``y``, in order of time. References are its first
twentieth, fifth, third and half. Good batches are a day, a week, a month, a quarter or a year long, as they have rows:
spread over all that follows the reference, the last as far from it as the stream goes; every second one has the three
batches before it as its history. Every block of one is counted as false. The faults of
`tests.faults` are put into the second and the eighth batch of each length; ``--columns`` bounds the columns that each
is put into, drawn anew for each batch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from scipy import stats

from airflow_mlops.lifecycle.check import Checked, Opened, Terms, check
from tests.faults import Case, Setting, as_table, cases, plain

REFERENCES = [0.05, 0.2, 1 / 3, 0.5]
# Lengths of batches in days, and the fewest rows of one.
LENGTHS, LEAST_ROWS = (1, 7, 30, 91, 365), 20
# Batches into which faults are put.
PLACES = [1, 7]
# Batches before a good one that are its history.
EARLIER = 3


@dataclass
class Counts:
    """What was found on one stream."""

    good: Counter = field(default_factory=Counter)
    false: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[tuple[str, str, str], Counter] = field(default_factory=lambda: defaultdict(Counter))
    misses: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    seconds: float = 0.0


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=Path, required=True, help="folder of <name>/data.parquet")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--only", nargs="*", help="names of streams; default: all")
    parser.add_argument("--good", type=int, default=200, help="good batches of a stream, about")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of a batch at most")
    parser.add_argument("--reference-rows", type=int, default=100_000, help="rows of a reference at most, the newest")
    parser.add_argument("--references", type=float, nargs="*", default=REFERENCES, help="parts of a stream's time")
    parser.add_argument("--places", type=int, nargs="*", default=PLACES, help="batches into which faults are put")
    parser.add_argument("--columns", type=int, help="columns that each fault is put into; default: all")
    arguments = parser.parse_args()
    found = {}
    for file in sorted(arguments.streams.glob("*/data.parquet")):
        name = file.parent.name
        if not arguments.only or name in arguments.only:
            found[name] = measure(plain(pq.read_table(file)), Size.of(arguments))
            report(name, found[name])
            summary = summed(found)
            if arguments.json:  # after each stream, for all of them take long
                arguments.json.write_text(json.dumps(summary, indent=2, default=str))


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    good: int
    rows: int
    reference_rows: int
    columns: int | None
    references: tuple[float, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Size:
        """Take it from the command line."""
        given = arguments
        parts, places = tuple(given.references), tuple(given.places)
        return cls(given.good, given.rows, given.reference_rows, given.columns, parts, places)


def measure(frame: pd.DataFrame, size: Size) -> Counts:
    """Judge good batches and broken ones of a stream."""
    frame, counts = frame.sort_values("ts", kind="stable").reset_index(drop=True), Counts()
    first, span = frame.ts.min(), frame.ts.max() - frame.ts.min()
    rate = len(frame) / (span / pd.Timedelta(days=1))
    lengths = [pd.Timedelta(days=days) for days in LENGTHS if LEAST_ROWS <= rate * days <= size.rows]
    for share in size.references:
        reference = frame[frame.ts < first + share * span].tail(size.reference_rows)
        rest = frame[frame.ts >= first + share * span]
        settled = [length for length in lengths if length < 0.4 * (1 - share) * span]
        judged = remembering(as_table(reference))
        for length in settled:
            _good(rest, length, judged, counts, -(-size.good // (len(size.references) * len(settled))))
            for setting in _settings(reference, rest, length, size.places):
                _broken(setting, length, judged, counts, size.columns)
    return counts


Judge = Callable[..., Checked]


def remembering(reference: pa.Table) -> Judge:
    """Give the command's own function for batches that are held against one and the same reference."""
    known = Opened(reference)

    def judged(batch: pa.Table, history: tuple[tuple[str, pa.Table], ...] = ()) -> Checked:
        return check(batch, known, Terms(), history)

    return judged


def _good(rest: pd.DataFrame, length: pd.Timedelta, judged: Judge, counts: Counts, number: int) -> None:
    last = int((rest.ts.max() - rest.ts.min()) / length) - 1
    for each, place in enumerate(np.unique(np.linspace(0, last, number).astype(int))):
        batch = _batch(rest, length, place)
        if len(batch) < LEAST_ROWS:
            continue
        earlier = range(max(0, place - EARLIER), place) if each % 2 else ()
        history = tuple((f"batch {before}", as_table(_batch(rest, length, before))) for before in earlier)
        begun = time.perf_counter()
        found = judged(as_table(batch), history)
        counts.seconds += time.perf_counter() - begun
        counts.rows += len(batch)
        counts.good[found.verdict] += 1
        if found.verdict == "block":
            counts.false.append(
                {"start": str(batch.ts.min()), "days": length.days, "history": len(history), "said": _said(found)}
            )


def _batch(rest: pd.DataFrame, length: pd.Timedelta, place: int) -> pd.DataFrame:
    start = rest.ts.min() + place * length
    return rest[(rest.ts >= start) & (rest.ts < start + length)].reset_index(drop=True)


def _settings(
    reference: pd.DataFrame, rest: pd.DataFrame, length: pd.Timedelta, places: Sequence[int]
) -> Iterator[Setting]:
    for place in places:
        before, batch = _batch(rest, length, place - 1), _batch(rest, length, place)
        if min(len(before), len(batch)) >= LEAST_ROWS:
            yield Setting(reference, before, batch)


def _broken(setting: Setting, length: pd.Timedelta, judged: Judge, counts: Counts, columns: int | None) -> None:
    history = (("before", as_table(setting.before)),)
    if judged(as_table(setting.batch), history).verdict == "block":
        return  # no good batch to begin with, and counted as a false block above where it is one
    for case in _drawn(setting, columns):
        frame = case.make()
        if frame is None:
            continue
        found = judged(as_table(frame), history)
        counts.faults[case.group, case.name, case.expected][found.verdict] += 1
        if not is_met(case.expected, found.verdict):
            place = {"rows": len(frame), "days": length.days, "column": case.column}
            counts.misses.append({"case": case.name, "expected": case.expected, **place, "said": _said(found)})


def _drawn(setting: Setting, columns: int | None) -> Iterator[Case]:
    """Give the cases of each fault, in no more than so many columns."""
    random = Random(len(setting.batch))
    for _, each in itertools.groupby(cases(setting), key=lambda case: case.name):
        found = list(each)
        yield from random.sample(found, min(columns or len(found), len(found)))


def is_met(expected: str, verdict: str) -> bool:
    """Tell whether a verdict is what must be: a block, or none."""
    return verdict == "block" if expected == "block" else verdict != "block"


def _said(found: Checked) -> list[str]:
    return [f"{reason.severity}: {reason.message}" for reason in found.reasons[:2]]


def report(name: str, counts: Counts) -> None:
    """Print one stream."""
    table, total = Table(title=name), sum(counts.good.values())
    for column in ("group", "fault", "expected", "block", "warn", "pass"):
        table.add_column(column)
    for (group, fault, expected), verdicts in sorted(counts.faults.items()):
        table.add_row(group, fault, expected, *(str(verdicts[each]) for each in ("block", "warn", "pass")))
    console = Console(width=160)
    console.print(table)
    blocked = counts.good["block"]
    console.print(
        f"{name}: {blocked} of {total} good batches blocked (below {upper(blocked, total):.1%} with 95 % confidence); "
        f"{1e5 * counts.seconds / max(1, counts.rows):.2f} s per 100,000 rows; {len(counts.misses)} not as expected"
    )
    for each in [*counts.false, *counts.misses]:
        console.print("   ", json.dumps(each, default=str), markup=False)


def upper(blocked: int, total: int) -> float:
    """Bound a share from above, one-sided with 95 % confidence (Clopper and Pearson, 1934)."""
    return float(stats.beta.ppf(0.95, blocked + 1, total - blocked)) if blocked < total else 1.0


def summed(found: dict[str, Counts]) -> dict[str, Any]:
    """Add up all streams and print the shares."""
    streams, totals = {}, Counter()
    for name, counts in found.items():
        faults: Counter = Counter()
        for (_, _, expected), verdicts in counts.faults.items():
            faults[f"{expected} cases"] += sum(verdicts.values())
            faults[f"{expected} cases blocked"] += verdicts["block"]
        good, blocked = sum(counts.good.values()), counts.good["block"]
        totals += Counter({"good": good, "good blocked": blocked, **faults})
        streams[name] = {
            "good": good,
            "good blocked": blocked,
            "at most": upper(blocked, good),
            "seconds per 100,000 rows": 1e5 * counts.seconds / max(1, counts.rows),
            **faults,
            "false": counts.false,
            "misses": counts.misses,
        }
    share = upper(totals["good blocked"], totals["good"]) if totals["good"] else 1.0
    Console(width=160).print({**totals, "false blocks at most": round(share, 4)})
    return {"streams": streams, "all": {**totals, "false blocks at most": share}}


if __name__ == "__main__":
    main()
