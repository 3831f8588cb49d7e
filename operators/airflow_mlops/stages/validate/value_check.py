"""Values that a changing world does not give: another unit, a code for "unknown", ids where names were."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.findings import Finding, failed
from airflow_mlops.stages.validate.renamed import renamed
from airflow_mlops.stages.validate.unit_check import named_after, unit_check
from airflow_mlops.stages.validate.values import most_kept, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

# Numbers that people and machines write where a value is unknown.
SENTINELS = frozenset(
    [-1, -9, -99, -999, -9999, -99999, -999999, 99, 999, 9999, 99999, 999999, -32768, 32767, 2147483647, -2147483648]
)
# Fewer than this share of rows, or than three rows, may be chance.
SENTINEL_SHARE = 0.001
# Of all values beyond one end of the reference's range, the share that is the sentinel: a real tail has many values.
SENTINEL_PURITY = 0.9
# Fewer values far outside the range are slips, however small the batch.
LEAST_OUT = 3
# No season multiplies a whole column, small values and large ones alike, by this.
UNIT_FACTOR = 20.0
# A reference tells how far columns move for so many times its own length.
RECENT = 2.0
# Powers of ten that a mixture of units is made of.
POWERS = (10.0, 100.0, 1000.0)
# Small whole numbers are days, months, hours, grades: the next one is no fault.
SMALL_NUMBERS = 31
# Share of rows with texts never seen before, and how many more of them than there were, that make ids of names.
UNSEEN_BLOCK, UNSEEN_FACTOR = 0.5, 5
# Share of rows whose text differs from a known one by spaces or case only.
SPELLING_SHARE = 0.01
# A category this common at training that is missing now points at a filter.
COMMON = 0.1


def value_check(
    table: pa.Table, current: dict[str, Any], spec: ModelSpec, reference: dict[str, Any] | None
) -> list[Finding]:
    """Compare each column's values with those at training; bare keys, the target and sensitive columns are left out."""
    if reference is None:
        return []
    skip = {spec.data.time, spec.data.target, *spec.data.key} - set(spec.features.columns)
    findings: list[Finding] = []
    is_recent = _is_recent(current, reference)
    for name, now in current["columns"].items():
        then = reference["columns"].get(name, {})
        if name in skip or now["kind"] != then.get("kind") or "sensitive" in now or "sensitive" in then:
            continue
        if now["kind"] == "number" and "min" in now and "min" in then:
            findings += _number(numbers(table, name), name, now, then, spec, is_recent=is_recent)
        elif now["kind"] == "text" and then["distinct"] == len(then["values"]) and now["distinct"]:
            findings += _categories(name, now, then, reference["rows"])
    return findings


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
    if then["min"] == then["max"]:  # a constant says nothing about what else may come
        return []
    for check in (
        _unit(name, now, then),
        unit_check(values, name, now, then, is_recent=is_recent),
        _sentinel(values, name, then, keep),
        _range(values, name, then, spec),
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


def _sentinel(values: np.ndarray, name: str, then: dict[str, Any], keep: int) -> Finding | None:
    """Find one code that makes up all that lies beyond an end of the range at training."""
    import numpy as np

    known = values[~np.isnan(values)]
    for beyond in (known[known < then["min"]], known[known > then["max"]]):
        if not len(beyond):
            continue
        found, counts = np.unique(beyond, return_counts=True)
        code, count = float(found[counts.argmax()]), int(counts.max())
        if (
            code not in SENTINELS
            or count < max(3, SENTINEL_SHARE * len(known))
            or count < SENTINEL_PURITY * len(beyond)
        ):
            continue
        # A number with decimals, or one that was below zero before, reaches -1 and -9 by itself.
        if -10 < code < 0 and not (then["is_whole"] and then["min"] >= 0):
            continue
        if 0 < code < 1000 and code <= then["max"] + (then["max"] - then["min"]) / 2:
            continue
        rows = tuple(int(row) for row in np.flatnonzero(values == code)[:keep])
        usual = f"never outside {_range_text(then)} at training"
        text = f"{name!r} is {code:g} in {count} of {len(known)} rows, and was {usual}"
        return failed("no code for unknown", name, "critical", text, observed=code, failing=count, rows=rows)
    return None


def _range(values: np.ndarray, name: str, then: dict[str, Any], spec: ModelSpec) -> Finding | None:
    """Find values far beyond the range at training; a part that fits again in another unit is only marked."""
    import numpy as np

    limits = spec.validate_
    # A short reference has a narrow range. Another season or a crisis leaves it; the size of numbers holds longer.
    reach = limits.range_margin * (then["max"] - then["min"] + max(abs(then["max"]), abs(then["min"])))
    reach = max(reach, SMALL_NUMBERS) if then["is_whole"] else reach
    with np.errstate(invalid="ignore"):
        is_out = (values < then["min"] - reach) | (values > then["max"] + reach)
    count, known = int(is_out.sum()), int((~np.isnan(values)).sum())
    if count < LEAST_OUT or count <= limits.max_out_of_range * known:
        return None
    rows = tuple(int(row) for row in np.flatnonzero(is_out)[: most_kept(spec)])
    text = f"{count} of {known} values of {name!r} lie far outside {_range_text(then)}, its range at training"
    facts = {"observed": round(count / known, 4), "failing": count, "rows": rows}
    power = _power(values[is_out], values[~is_out])
    if power and count < known / 2:
        return failed("range", name, "warning", f"{text}; divided by {power:g} they fit: two units?", **facts)
    return failed("range", name, "critical", text, **facts)


def _power(beyond: np.ndarray, within: np.ndarray) -> float | None:
    """Return the power of ten between two groups of values of one batch."""
    import numpy as np

    known = within[~np.isnan(within)]
    if not len(known) or len(np.unique(beyond)) < 2:  # one value, many times, is a code and no measurement
        return None
    low, high = known.min(), known.max()
    for power in POWERS:
        if np.mean((beyond / power >= low) & (beyond / power <= high)) > SENTINEL_PURITY:
            return power
    return None


def _range_text(column: dict[str, Any]) -> str:
    return f"{column['min']:g} to {column['max']:g}"


def _categories(name: str, now: dict[str, Any], then: dict[str, Any], rows_then: int) -> Iterator[Finding]:
    rows = sum(now["values"].values())
    unseen = {value: count for value, count in now["values"].items() if value not in then["values"]}
    share = sum(unseen.values()) / rows
    renames = renamed(now, then)
    spellings = {value.strip().casefold() for value in then["values"]}
    respelled = [value for value in unseen if value.strip().casefold() in spellings]
    respelled_share = sum(unseen[value] for value in respelled) / rows
    if respelled_share > SPELLING_SHARE:
        text = f"{respelled_share:.0%} of {name!r} are known values in another spelling, such as {respelled[0]!r}"
        yield failed("spelling", name, "critical", text, observed=round(respelled_share, 4))
    elif share > UNSEEN_BLOCK and now["distinct"] >= UNSEEN_FACTOR * then["distinct"]:
        text = f"{share:.0%} of {name!r} were never seen: {now['distinct']} values, {then['distinct']} at training"
        yield failed("categories", name, "critical", f"{text}; ids instead of names?", observed=round(share, 4))
    elif renames:
        more = f"; and {len(renames) - 1} more" if len(renames) > 1 else ""
        text = f"a value of {name!r} seems renamed: {renames[0]}{more}"
        yield failed("renamed", name, "critical", text, observed=len(renames))
    elif unseen:
        text = f"{len(unseen)} new values of {name!r} in {share:.1%} of rows, such as {next(iter(unseen))!r}"
        yield failed("categories", name, "info", text, observed=round(share, 4))
    lost = [
        value for value, count in then["values"].items() if count > COMMON * rows_then and value not in now["values"]
    ]
    if lost and respelled_share <= SPELLING_SHARE and not renames:
        text = (
            f"{name!r} has no {', '.join(map(repr, lost))} any more, each more than {COMMON:.0%} at training: a filter?"
        )
        yield failed("categories are kept", name, "warning", text)
