"""A column that gives the answer away: it may not be known before it."""

from __future__ import annotations

from math import atanh, comb, inf
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.association import associations
from airflow_mlops.stages.validate.findings import Finding, Severity, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

    Facts = dict[str, Any]

# Alone, no honest column knows the answer this well, unless it did at training.
LEAK, LEAK_USUAL = 0.985, 0.9
# A number against a number: noise of a third of the target's spread still leaves 0.95. A good batch has no new column,
# so of one less is enough: noise of 0.3 leaves more than 0.9 in 20 rows as well.
LEAK_NUMBER, LEAK_RISE, LEAK_NEW = 0.95, 0.3, 0.9
# How far beyond the best honest column or window a leak lies, by Fisher's z: it leaves a third as much unexplained, and
# is so many standard deviations from the middle of the windows, more where these are few; the best one lies some away.
FARTHER, BEYOND, FEW_WINDOWS = 0.55, 3.3, 4
# Few windows leave that bound wide; but so many rows of a column that never came near order themselves by no chance.
MANY_ROWS = 200
# Two heaps so many standard deviations apart, and so many times as far as ever, are no order of a calm day: a normal or
# uniform column that is cut anywhere leaves less than 3.5. Where the rarer class has fewer rows nothing else is asked.
HEAPS, HEAPS_NEW, HEAPS_BEYOND, FEW_ROWS = 8.0, 4.0, 1.5, 100
# So few rows of a class, among all, any column could put at one end by chance.
CHANCE = 1e-4
# Fewer labels, or rows beside those with the commonest value, show no leak; a number against so few numbers must be as
# near as a class.
FEWEST, SO_FEW = 20, 40


def leakage(table: pa.Table, current: Facts, spec: ModelSpec, reference: Facts | None) -> Iterator[Finding]:
    """Find columns that alone tell the target almost exactly, and did not at training.

    References
    ----------
    Blom (1958), Statistical Estimates and Transformed Beta-Variables: where the largest of a sample is expected.

    Fisher (1921), On the probable error of a coefficient of correlation: its inverse hyperbolic tangent has about the
    same spread whatever its size.
    """
    labelled = current["rows"] - current["columns"][spec.data.target]["nulls"]
    if labelled < FEWEST:
        return
    usual = reference["associations"] if reference else {}
    for name, value in current["associations"].items():
        strength, before = abs(value), abs(usual.get(name, 0.0))
        is_new = reference is not None and name not in reference["columns"]
        if strength < _least(spec, labelled, before, is_new=is_new, has_reference=reference is not None):
            continue
        if is_new and _has_rival(table, name, strength, current, spec, reference or {}):
            continue
        if not is_new and (_is_told_by_few(table, name, spec) or _is_calm(name, strength, current, reference)):
            continue
        # What the model does not see cannot leak, and may be what the target was made from; a new column may be used.
        severity: Severity = "critical" if is_new or name in spec.features.columns else "info"
        text = f"{name!r} alone tells {spec.data.target!r} almost exactly ({strength:.2f} of 1"
        text += f", {before:.2f} at training)" if reference else ")"
        yield failed(
            "no leakage", name, severity, f"{text}: is it known before the answer?", observed=round(strength, 4)
        )


def _least(spec: ModelSpec, labelled: int, before: float, *, is_new: bool, has_reference: bool) -> float:
    """Return how strongly a column must tell the target to be asked about."""
    if spec.task == "regression" and has_reference:
        if is_new:
            return LEAK_NEW
        known = max(before + LEAK_RISE, LEAK if labelled < SO_FEW else LEAK_NUMBER)
        return min(known, LEAK) if before < LEAK_USUAL else known
    if spec.task == "multiclass" and is_new:
        return LEAK_NEW
    return LEAK if before < LEAK_USUAL else inf


def _has_rival(table: pa.Table, name: str, strength: float, current: Facts, spec: ModelSpec, reference: Facts) -> bool:
    """Tell whether a known column, or the time, tells the target of these rows about as well as a new column does."""
    known = reference["columns"]
    apart = current.get("separations", {})
    if name in apart:
        farthest = max((value for other, value in apart.items() if other in known), default=0.0)
        if apart[name] >= max(HEAPS_NEW, HEAPS_BEYOND * farthest):
            return False
    if _is_chance(current, name):
        return True
    # Of its own kind: a text that names the answer, as a zone does, leaves it open whether a number is made from it.
    kinds = {other: column["kind"] for other, column in current["columns"].items()}
    rivals = [
        abs(value) for other, value in current["associations"].items() if other in known and kinds[other] == kinds[name]
    ]
    rivals += [_of_time(table, spec)]
    return _z(strength) < _z(max(rivals)) + FARTHER


def _of_time(table: pa.Table, spec: ModelSpec) -> float:
    """Return how well the time tells the target: a number that counts on does so as well."""
    import pyarrow as pa

    time, target = spec.data.time, spec.data.target
    if time not in table.column_names or not pa.types.is_timestamp(table.schema.field(time).type):
        return 0.0
    both = pa.table({"time": table.column(time).cast(pa.int64()), "target": table.column(target)})
    found = associations(both, "target", is_classification=spec.task != "regression")
    return abs(found.get("time", 0.0))


def _is_chance(current: Facts, name: str) -> bool:
    """Tell whether the rarer of two classes has so few rows that some column puts them at one end by chance.

    Of a column that is null in places the rows with a value are asked, as many of each class as there should be.
    """
    known = 1 - current["columns"][name]["nulls"] / max(1, current["rows"])
    counts = [int(count * known) for count in current["classes"].values()]
    return len(counts) == 2 and min(counts) < FEWEST and comb(sum(counts), min(counts)) < 1 / CHANCE


def _is_told_by_few(table: pa.Table, name: str, spec: ModelSpec) -> bool:
    """Tell whether a column hardly ever left its commonest value: one hour of rain alone correlates by 1."""
    import pyarrow.compute as pc

    if spec.task != "regression":
        return False
    both = table.select([name, spec.data.target])
    counts = pc.value_counts(both.filter(pc.is_valid(both[1])).column(0).drop_null()).field("counts").to_pylist()
    return sum(counts) - max(counts, default=0) < min(FEWEST, sum(counts) / 2)


def _is_calm(name: str, strength: float, current: Facts, reference: Facts | None) -> bool:
    """Tell whether a known column told the answer about as well in some window: a calm day orders itself.

    Then only a column in two heaps, which lie farther apart than heaps ever did, was made from the answer.
    """
    if reference is None:
        return _is_chance(current, name)
    apart, usual = current.get("separations", {}).get(name), reference.get("separations", {})
    windows = reference.get("by_window", {})
    heaps = windows.get("separations", {})
    counts = current["classes"].values()
    if apart is not None:
        farthest = max(heaps[name] if name in heaps else max(heaps.values(), default=0.0), usual.get(name, 0.0))
        if apart > max(HEAPS, HEAPS_BEYOND * min(farthest, HEAPS * 2)):
            return False
    if len(counts) == 2 and (_is_chance(current, name) or (apart is not None and min(counts) < FEW_ROWS)):
        return True
    if _is_usual(name, strength, current["rows"], windows):
        return True
    # A calm week is one in other columns too. Of two classes only, for there the heaps would have told a leak.
    told, before = current["associations"], reference["associations"]
    calm = [
        abs(value)
        for other, value in told.items()
        if abs(before.get(other, 1.0)) < LEAK_USUAL
        and abs(value) >= LEAK
        and _is_usual(other, abs(value), current["rows"], windows)
    ]
    return apart is not None and bool(calm) and _z(strength) < _z(max(calm)) + FARTHER


def _is_usual(name: str, strength: float, rows: int, windows: Facts) -> bool:
    """Tell whether a column told the answer about as well in some window of the reference."""
    known, scatter = (windows.get(part, {}) for part in ("associations", "scatter"))
    # A column that had one value shows nothing of itself: it is held against the others.
    most = known[name] if name in known else max(known.values(), default=0.0)
    spread = scatter[name] if name in scatter else max(scatter.values(), default=0.0)
    if most < LEAK_USUAL and strength >= LEAK and rows >= MANY_ROWS:
        return False
    number = max(1, windows.get("number", 0))
    beyond = BEYOND * (1 + FEW_WINDOWS / number) - _largest(number)
    return _z(strength) < _z(most) + max(FARTHER, beyond * spread)


def _largest(number: int) -> float:
    """Return where the largest of so many normal values is expected, in standard deviations (Blom, 1958)."""
    return NormalDist().inv_cdf((number - 0.375) / (number + 0.25))


def _z(strength: float) -> float:
    return atanh(strength) if strength < 1 else inf
