"""How often the data check blocks a good batch, and how often it lets a broken one pass.

    python -m benchmarks.data_check_error_rates [--json OUT] [--stream FILE.parquet ...] [--batches 60]

The year of flights is cut into weeks. Each week is checked against the first eight (a champion that is never
retrained) and against the eight weeks before it (one that is). Every real week is a good batch, so each block is a
false one. Each has the week before as its former look, and all weeks before as snapshots that were seen. Then each
fault is put into every fourth week. A further stream is a Parquet file with a time ``ts`` and a target ``y``; it is cut
into sixty batches, of which eight are the reference.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_mlops.demo.flights import read_flights
from airflow_mlops.spec import ModelSpec, load_spec
from airflow_mlops.stages.ingest.cut import plain_types
from airflow_mlops.stages.validate import Former, facts_of, validate

REFERENCE_BATCHES = 8
# A fault is put into one batch of so many.
EVERY = 4
FLIGHTS = Path(__file__).parents[1] / "dags" / "specs" / "flights.yaml"

# Takes a batch, the spec, a source of chance and the batch before.
Fault = Callable[[pd.DataFrame, ModelSpec, np.random.Generator, pd.DataFrame], pd.DataFrame | None]
Profile = dict[str, Any]


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--stream", type=Path, nargs="*", default=[], help="further Parquet files with ts and y")
    parser.add_argument("--batches", type=int, default=60, help="into so many parts of time a stream is cut")
    arguments = parser.parse_args()
    figures = {"flights": measure(*flights())}
    for file in arguments.stream:
        figures[file.parent.name] = measure(*stream(file, arguments.batches))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


def flights() -> tuple[ModelSpec, list[pa.Table]]:
    """Return the weeks of the year."""
    spec = load_spec(FLIGHTS)
    start = datetime(2013, 1, 1, 5, tzinfo=UTC)
    weeks = [(start + timedelta(weeks=week), start + timedelta(weeks=week + 1)) for week in range(52)]
    year = read_flights(weeks[0][0], weeks[-1][1])
    time = pc.field("scheduled")
    return spec, [year.filter((time >= low) & (time < high)) for low, high in weeks]


def stream(file: Path, number: int) -> tuple[ModelSpec, list[pa.Table]]:
    """Return batches of one length in time, and a spec in which every column is a feature."""
    table = pq.read_table(file)
    table = table.cast(plain_types(table.schema))  # as ingest stores them
    table = table.set_column(
        table.column_names.index("ts"),
        "ts",
        table["ts"].cast(pa.timestamp("us"), safe=False).cast(pa.timestamp("us", "UTC")),
    )
    ends = pc.min_max(table["ts"]).as_py()
    step = (ends["max"] - ends["min"]) / number
    spec = ModelSpec.model_validate(
        {
            "name": file.parent.name,
            "owner": "benchmark",
            "task": "binary" if len(table["y"].unique()) == 2 else "regression",
            "data": {"source": {"kind": "file", "uri": str(file), "format": "parquet"}, "time": "ts", "target": "y"},
            "ingest": {"window": "1d"},
            "features": {"columns": [name for name in table.column_names if name not in ("ts", "y")]},
            "train": {"estimator": "linear"},
            "monitor": {"window": f"{int(step.total_seconds())}s"},
        }
    )
    edges = [ends["min"] + step * edge for edge in range(number + 1)]
    time = pc.field("ts")
    batches = [table.filter((time >= low) & (time < high)) for low, high in pairwise(edges)]
    return spec, [batch for batch in batches if batch.num_rows >= spec.validate_.min_rows]


def measure(spec: ModelSpec, batches: list[pa.Table]) -> dict[str, object]:
    """Check good batches and broken ones, and print both shares."""
    good: dict[str, object] = {}
    for name, pairs in (("first weeks", against_the_first(batches)), ("weeks before", against_those_before(batches))):
        judged = [judge(batch, spec, *before) for *before, batch in looks(pairs, spec)]
        blocked = [reasons for verdict, reasons in judged if verdict == "failed"]
        marked = sum(verdict == "warning" for verdict, _ in judged)
        good[name] = {"batches": len(judged), "blocked": len(blocked), "marked": marked, "reasons": blocked}
        share = f"{len(blocked)} of {len(judged)} good batches blocked, {marked} marked"
        print(f"{spec.name}, against the {name}: {share}", *map("; ".join, blocked[:5]), sep="\n    ")
    pairs = list(against_those_before(batches))
    # From the fifth on, so that each has a look before.
    cases = [
        (facts_of(pairs[number][0], spec), *(pairs[one][1] for one in (number - 1, number)))
        for number in range(EVERY, len(pairs), EVERY)
    ]
    faults = {name: dict(outcomes(fault, spec, cases)) for name, (fault, _) in FAULTS.items()}
    for name, counts in faults.items():
        expected, total = FAULTS[name][1], sum(counts.values())
        # A good week may be marked by itself: what must pass must only not be blocked.
        met = total - counts.get("failed", 0) if expected == "passed" else counts.get(expected, 0)
        if total:
            print(f"{spec.name}, {name}: {met} of {total} {expected}", "" if met == total else counts)
    return {"good": good, "faults": faults}


def against_the_first(batches: list[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Pair each batch with the first ones."""
    reference = pa.concat_tables(batches[:REFERENCE_BATCHES])
    for batch in batches[REFERENCE_BATCHES:]:
        yield reference, batch


def against_those_before(batches: list[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Pair each batch with those before it."""
    for number in range(REFERENCE_BATCHES, len(batches)):
        yield pa.concat_tables(batches[number - REFERENCE_BATCHES : number]), batches[number]


def looks(
    pairs: Iterable[tuple[pa.Table, pa.Table]], spec: ModelSpec
) -> Iterator[tuple[Profile, pa.Table | None, pa.Table]]:
    """Give each look the profile of its reference, and the batch of the look before."""
    before: pa.Table | None = None
    seen: tuple[pa.Table | None, Profile] = (None, {})
    for reference, batch in pairs:
        seen = seen if seen[0] is reference else (reference, facts_of(reference, spec))
        yield seen[1], before, batch
        before = batch


def judge(batch: pa.Table, spec: ModelSpec, reference: Profile, before: pa.Table | None) -> tuple[str, list[str]]:
    """Return the verdict and what blocked."""
    former, earlier = None, {}
    if before is not None:
        profile = facts_of(before, spec)
        former, earlier = Former("before", profile, spec.monitor_window), {profile["content"]: "before"}
    current = facts_of(batch, spec)
    found = validate(batch, spec, current=current, reference=reference, earlier=earlier, former=former)
    return found.verdict, [finding.message for finding in found.findings if finding.severity == "critical"]


def outcomes(fault: Fault, spec: ModelSpec, cases: Sequence[tuple[Profile, pa.Table, pa.Table]]) -> Counter[str]:
    """Put a fault into each batch and count the verdicts."""
    counts: Counter[str] = Counter()
    for number, (reference, before, batch) in enumerate(cases):
        broken = fault(batch.to_pandas(), spec, np.random.default_rng(number), before.to_pandas())
        if broken is not None:
            table = pa.Table.from_pandas(broken, preserve_index=False)
            counts[judge(table, spec, reference, before)[0]] += 1
    return counts


# Faults; each returns None where the stream has no column it could be put into.


def _numeric(frame: pd.DataFrame, spec: ModelSpec) -> str | None:
    """Return the feature with the most distinct numbers: a measurement, not a code."""
    columns = [name for name in spec.features.columns if pd.api.types.is_float_dtype(frame[name])]
    columns = [name for name in columns if frame[name].nunique() > 20 and frame[name].notna().mean() > 0.8]
    return max(columns, key=lambda name: frame[name].nunique(), default=None)


def _text(frame: pd.DataFrame, spec: ModelSpec) -> str | None:
    return next((name for name in spec.features.columns if frame[name].dtype == object), None)


def _count(frame: pd.DataFrame, spec: ModelSpec) -> str | None:
    whole = [name for name in spec.features.columns if pd.api.types.is_integer_dtype(frame[name])]
    return next((name for name in whole if frame[name].min() >= 0 and frame[name].max() > 5), None)


def _changed(column: Callable[[pd.DataFrame, ModelSpec], str | None], change: Callable[..., pd.Series]) -> Fault:
    def fault(
        frame: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, before: pd.DataFrame
    ) -> pd.DataFrame | None:
        name = column(frame, spec)
        return None if name is None else frame.assign(**{name: change(frame[name], rng)})

    return fault


def _some(values: pd.Series, rng: np.random.Generator, share: float) -> np.ndarray:
    return rng.random(len(values)) < share


def _leaked(
    frame: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, before: pd.DataFrame
) -> pd.DataFrame | None:
    name = _numeric(frame, spec)
    target = frame[spec.data.target]
    if name is None:
        return None
    return frame.assign(**{name: target + rng.normal(0, 0.1 * target.std(), len(frame))})


def _flipped(
    frame: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, before: pd.DataFrame
) -> pd.DataFrame | None:
    return None if spec.task == "regression" else frame.assign(**{spec.data.target: 1 - frame[spec.data.target]})


def _one_class(
    frame: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, before: pd.DataFrame
) -> pd.DataFrame | None:
    return None if spec.task == "regression" else frame.assign(**{spec.data.target: 0})


def _converted(name: str, factor: float, offset: float = 0.0) -> Fault:
    def fault(
        frame: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, before: pd.DataFrame
    ) -> pd.DataFrame | None:
        return frame.assign(**{name: factor * frame[name] + offset}) if name in frame else None

    return fault


def _renamed(
    frame: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, before: pd.DataFrame
) -> pd.DataFrame | None:
    """Give the most common text of the first column of texts another name."""
    name = _text(frame, spec)
    if name is None or frame[name].nunique() < 2:
        return None
    return frame.assign(**{name: frame[name].replace({frame[name].mode()[0]: "under another name"})})


def _old(frame: pd.DataFrame, spec: ModelSpec, rng: np.random.Generator, before: pd.DataFrame) -> pd.DataFrame | None:
    """Take the batch before, with times of now and some rows less, so that its bytes are others."""
    time = spec.data.time
    again = before.assign(**{time: before[time] + (frame[time].min() - before[time].min())})
    return again[_some(again[time], rng, 0.9)]


FAULTS: dict[str, tuple[Fault, str]] = {
    "column dropped": (lambda frame, spec, rng, before: frame.drop(columns=spec.features.columns[0]), "failed"),
    "column renamed": (
        lambda frame, spec, rng, before: frame.rename(
            columns={spec.features.columns[0]: f"{spec.features.columns[0]}_"}
        ),
        "failed",
    ),
    "column extra": (lambda frame, spec, rng, before: frame.assign(extra=rng.random(len(frame))), "warning"),
    "columns reordered": (lambda frame, spec, rng, before: frame[frame.columns[::-1]], "passed"),
    "decimal comma": (_changed(_numeric, lambda v, rng: v.map(lambda x: f"{x:.2f}".replace(".", ","))), "failed"),
    "x1000": (_changed(_numeric, lambda v, rng: v * 1000), "failed"),
    "30 % of rows x1000": (_changed(_numeric, lambda v, rng: v.where(~_some(v, rng, 0.3), v * 1000)), "warning"),
    "sentinel -999 in 5 %": (_changed(_numeric, lambda v, rng: v.where(~_some(v, rng, 0.05), -999.0)), "failed"),
    "-1 in a count, 5 %": (_changed(_count, lambda v, rng: v.where(~_some(v, rng, 0.05), -1)), "failed"),
    "half null": (_changed(_numeric, lambda v, rng: v.where(~_some(v, rng, 0.5))), "failed"),
    "all null": (_changed(_numeric, lambda v, rng: v * np.nan), "failed"),
    "ids instead of names": (
        _changed(_text, lambda v, rng: pd.Series(rng.integers(0, 10**9, len(v)).astype(str), v.index)),
        "failed",
    ),
    "trailing space": (_changed(_text, lambda v, rng: v.where(~_some(v, rng, 0.2), v + " ")), "failed"),
    "one new value": (_changed(_text, lambda v, rng: v.where(~_some(v, rng, 0.02), "brand new")), "passed"),
    "batch twice": (lambda frame, spec, rng, before: pd.concat([frame, frame]), "failed"),
    "30 % twice": (
        lambda frame, spec, rng, before: pd.concat([frame, frame.sample(frac=0.3, random_state=0)]),
        "warning",
    ),
    "a value renamed": (_renamed, "failed"),
    "the batch before again, with new times": (_old, "failed"),
    "the batch before again": (lambda frame, spec, rng, before: before, "failed"),
    "a tenth of the rows": (lambda frame, spec, rng, before: frame.sample(frac=0.1, random_state=0), "failed"),
    "ten times the rows": (
        lambda frame, spec, rng, before: pd.concat([frame.sample(frac=1, random_state=n) for n in range(10)]),
        "failed",
    ),
    "seven rows": (lambda frame, spec, rng, before: frame.head(7), "failed"),
    "shuffled": (lambda frame, spec, rng, before: frame.sample(frac=1, random_state=0), "passed"),
    "target flipped": (_flipped, "failed"),
    "one class": (_one_class, "failed"),
    "leaked target": (_leaked, "failed"),
    "distance in kilometres": (_converted("distance", 1.609344), "failed"),
    "distance in whole kilometres": (
        lambda frame, spec, rng, before: (
            frame.assign(distance=(frame["distance"] * 1.609).round()) if "distance" in frame else None
        ),
        "failed",
    ),
    "temp in degrees Celsius": (_converted("temp", 1 / 1.8, -32 / 1.8), "failed"),
    "wind_speed in kilometres an hour": (_converted("wind_speed", 1.609344), "failed"),
    "wind_speed in knots": (_converted("wind_speed", 0.868976), "failed"),
    "pressure in inches of mercury": (_converted("pressure", 0.02953), "failed"),
    "visib in kilometres": (_converted("visib", 1.609344), "failed"),
    "precip in millimetres": (_converted("precip", 25.4), "failed"),
}

if __name__ == "__main__":
    main()
