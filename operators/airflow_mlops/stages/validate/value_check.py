"""Values that a changing world does not give: another unit, a code for "unknown", ids where names were."""

from __future__ import annotations

from datetime import datetime
from math import isclose
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.codes import SENTINELS, code_check, zero_check
from airflow_mlops.stages.validate.conversions import named_after
from airflow_mlops.stages.validate.findings import Finding, failed
from airflow_mlops.stages.validate.swap_check import swapped
from airflow_mlops.stages.validate.text_check import text_check
from airflow_mlops.stages.validate.unit_check import unit_check
from airflow_mlops.stages.validate.values import most_kept, numbers

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

# Fewer values far outside the range are slips, however small the batch.
LEAST_OUT = 3
# No season multiplies a whole column, small values and large ones alike, by this.
UNIT_FACTOR = 20.0
# A reference tells how far columns move for so many times its own length.
RECENT = 2.0
# Powers of ten that a mixture of units is made of.
POWERS = (10.0, 100.0, 1000.0)
# Fewer numbers have no largest tenth.
LEAST_SIZES = 20
# So many times as long as any at training, and so many rows, is a run of one value that did not come by itself.
STAYS, LEAST_RUN = 2, 10
# Of what lies beyond the range, the share that fits again when it is divided.
MIXED = 0.9
# Small whole numbers are days, months, hours, grades: the next one is no fault.
SMALL_NUMBERS = 31
# What changed its value so often has shown half of where it goes; the tail of what pours is so long at most.
FEW_CHANGES, MOST_TAIL = 20, 10.0
# Sizes alike, for a sign that is turned round.
LIKE, LEAST_CHANGES = 3.0, 100


def value_check(
    table: pa.Table, current: dict[str, Any], spec: ModelSpec, reference: dict[str, Any] | None
) -> list[Finding]:
    """Compare each column's values with those at training; bare keys, classes and sensitive columns are left out."""
    if reference is None:
        return []
    skip = {spec.data.time, spec.data.target, *spec.data.key} - set(spec.features.columns)
    findings: list[Finding] = []
    is_recent = _is_recent(current, reference)
    for name, now in current["columns"].items():
        then = reference["columns"].get(name, {})
        if now["kind"] != then.get("kind") or "sensitive" in now or "sensitive" in then:
            continue
        if name == spec.data.target and spec.task == "regression" and "min" in now and "min" in then:
            findings += [found for found in (_unit(name, now, then) or _sign(name, now, then),) if found]
        if name in skip:
            continue
        if now["kind"] == "number" and "min" in now and "min" in then:
            findings += _number(numbers(table, name), name, now, then, spec, is_recent=is_recent)
        elif now["kind"] == "text" and now["distinct"] and then["distinct"]:
            findings += text_check(name, now, then, reference["rows"])
    if is_recent:
        findings += swapped(table, _numbers(current, reference, skip), current["columns"], reference["columns"])
    return findings


def _numbers(current: dict[str, Any], reference: dict[str, Any], skip: set[str]) -> list[str]:
    """Name the columns that have numbers now and at training."""
    now, then = current["columns"], reference["columns"]
    return [name for name in now if name not in skip and "sizes" in now[name] and "sizes" in then.get(name, {})]


def _is_recent(current: dict[str, Any], reference: dict[str, Any]) -> bool:
    """Tell whether the reference is not much older than it is long: of other seasons it knows nothing."""
    if not current["start"] or not reference["start"]:
        return False
    start, end, now = map(datetime.fromisoformat, (reference["start"], reference["end"], current["end"]))
    return now - end <= RECENT * (end - start)


def _number(
    values: np.ndarray, name: str, now: dict[str, Any], then: dict[str, Any], spec: ModelSpec, *, is_recent: bool
) -> list[Finding]:
    """Ask from the most certain to the least; the first that fails explains the others."""
    keep = most_kept(spec)
    if then["min"] == then["max"]:  # a constant says little about what else may come
        asked = (_power_of_constant(name, now, then), code_check(values, name, then, keep))
        return [check for check in asked if check is not None][:1]
    for check in (
        _unit(name, now, then),
        code_check(values, name, then, keep),
        zero_check(values, name, then, keep),
        _sign(name, now, then),
        unit_check(values, name, now, then, is_recent=is_recent),
        _range(values, name, then, spec),
        _part(values, name, now, then),
        _stuck(name, now, then),
    ):
        if check is not None:
            return [check]
    return []


def _unit(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Find a factor that all sizes share: the tenth, the half and the ninth tenth of what is not zero."""
    if not now["sizes"] or not then["sizes"]:
        return None
    factors = [a / b for a, b in zip(now["sizes"], then["sizes"], strict=True)]
    if min(factors) < UNIT_FACTOR and max(factors) > 1 / UNIT_FACTOR:
        return None
    medians = f"median {now['sizes'][1]:,.6g}, {then['sizes'][1]:,.6g} at training"
    factor = f"{factors[1]:,.0f}" if factors[1] > 1 else f"{factors[1]:.3g}"
    likely = named_after(factors[1])
    text = f"{name!r} is {factor} times what it was ({medians})"
    unit = f"converted from {likely.name}?" if likely else "another unit?"
    return failed("unit", name, "critical", f"{text}: {unit}", observed=round(factors[1], 6))


def _power_of_constant(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Find a constant that is another one now, exactly a power of ten of what it was."""
    if now["min"] != now["max"] or not then["min"]:
        return None
    factor = now["min"] / then["min"]
    if not any(isclose(factor, power) or isclose(factor, 1 / power) for power in POWERS[1:]):
        return None
    text = f"{name!r} is {now['min']:g} in every row, and was {then['min']:g} in every row at training: another unit?"
    return failed("unit", name, "critical", text, observed=round(factor, 6))


def _range(values: np.ndarray, name: str, then: dict[str, Any], spec: ModelSpec) -> Finding | None:
    """Find values far beyond the range at training; a part that fits again in another unit is only marked."""
    import numpy as np

    limits = spec.validate_
    # A short reference has a narrow range. Another season or a crisis leaves it; the size of numbers holds longer.
    reach = limits.range_margin * (then["max"] - then["min"] + max(abs(then["max"]), abs(then["min"])))
    reach = max(reach, SMALL_NUMBERS) if then["is_whole"] else reach
    reach *= _tail(then) * (1 + FEW_CHANGES / max(1, then.get("changes", FEW_CHANGES)))
    with np.errstate(invalid="ignore"):
        is_out = (values < then["min"] - reach) | (values > then["max"] + reach)
    count, known = int(is_out.sum()), int((~np.isnan(values)).sum())
    if count < LEAST_OUT or count <= limits.max_out_of_range * known:
        return None
    rows = tuple(int(row) for row in np.flatnonzero(is_out)[: most_kept(spec)])
    text = f"{count} of {known} values of {name!r} lie far outside {_range_text(then)}, its range at training"
    facts = {"observed": round(count / known, 4), "failing": count, "rows": rows}
    power = _power(values[is_out], values[~is_out & ~np.isnan(values)], then)
    if power and count < known / 2:
        return failed("range", name, "warning", f"{text}; divided by {power:g} they fit: two units?", **facts)
    return failed("range", name, "critical", text, **facts)


def _part(values: np.ndarray, name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Mark a column whose large sizes alone are of another unit; its range was too wide for that to be seen there."""
    if not now["sizes"] or not then["sizes"] or int((abs(values) > 0).sum()) < LEAST_SIZES:
        return None
    factor = now["sizes"][-1] / then["sizes"][-1]
    if factor < UNIT_FACTOR:
        return None
    text = f"the largest tenth of {name!r} starts at {now['sizes'][-1]:,.6g}, {then['sizes'][-1]:,.6g} at training"
    return failed("units", name, "warning", f"{text}: two units?", observed=round(factor, 6))


def _stuck(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Mark a value that stays for twice as many rows as any did, where rows are in order and all known.

    In n rows that differ at random the longest run has about log n / log(1/p) of them, p being the chance that the next
    is alike; one of twice that length comes once in n batches of n rows.

    References
    ----------
    Erdos and Renyi (1970), On a new law of large numbers: the length of the longest run.
    """
    longest, usual = now.get("longest"), then.get("longest")
    if longest is None or usual is None or longest < max(LEAST_RUN, STAYS * usual):
        return None
    text = f"{name!r} has the same value in {longest} rows after each other, and never in more than {usual} at training"
    return failed("values change", name, "warning", f"{text}: did its source stop?", observed=longest)


def _tail(then: dict[str, Any]) -> float:
    """Return how much farther the range reaches than a normal distribution's: rain is zero until it pours."""
    low, *_, high = then["quantiles"]
    middle = then["quantiles"][len(then["quantiles"]) // 2]
    ratios = [(then["max"] - middle) / (high - middle) if high > middle else 1.0]
    ratios += [(middle - then["min"]) / (middle - low) if middle > low else 1.0]
    return min(max(1.0, max(ratios) / 2), MOST_TAIL)


def _sign(name: str, now: dict[str, Any], then: dict[str, Any]) -> Finding | None:
    """Find a column that was above zero and is the same below it, or the other way round."""
    is_turned = (then["min"] >= 0 and now["max"] <= 0) or (then["max"] <= 0 and now["min"] >= 0)
    # What seldom changes, such as a rate of growth, may fall below zero as a whole.
    if not is_turned or not now["sizes"] or not then["sizes"] or then.get("changes", 0) < LEAST_CHANGES:
        return None
    alike = all(1 / LIKE <= a / b <= LIKE for a, b in zip(now["sizes"], then["sizes"], strict=True))
    # A season has other sizes than a year, but known ones; what cools down passes zero with small sizes.
    largest, quarters = max(abs(then["min"]), abs(then["max"])), sorted(map(abs, then["quantiles"][3:6]))
    if not alike and not (now["sizes"][1] >= quarters[0] and max(abs(now["min"]), abs(now["max"])) <= largest):
        return None
    text = f"{name!r} is {_range_text(now)}, and was {_range_text(then)} at training: its sign is turned round"
    return failed("sign", name, "critical", text)


def _power(beyond: np.ndarray, within: np.ndarray, then: dict[str, Any]) -> float | None:
    """Return the power of ten by which values lie beyond the range at training."""
    import numpy as np

    if np.isin(beyond, list(SENTINELS)).mean() > 0.5:
        return None
    # One value, many times, is a code and no measurement, unless a power of ten leads to one that was there.
    is_one, steps = len(np.unique(beyond)) < 2, then.get("steps") or []
    # The column may have moved on, as the other rows say, but not through zero.
    width = then["max"] - then["min"]
    low = max(within.min(initial=then["min"]) - width, 0.0 if then["min"] >= 0 else -np.inf)
    high = min(within.max(initial=then["max"]) + width, 0.0 if then["max"] <= 0 else np.inf)
    for power in POWERS:
        if is_one and beyond[0] / power not in steps:
            continue
        if np.mean((beyond / power >= low) & (beyond / power <= high)) > MIXED:
            return power
    return None


def _range_text(column: dict[str, Any]) -> str:
    return f"{column['min']:g} to {column['max']:g}"
