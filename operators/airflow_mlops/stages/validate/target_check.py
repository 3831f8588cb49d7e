"""The answer itself: one class only, a flipped coding, or a column that gives it away."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.findings import Finding, failed
from airflow_mlops.stages.validate.leakage import leakage
from airflow_mlops.stages.validate.risks import area_error, looks_like, rank

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

# Fewer rows, or values, are judged more mildly.
FEW_ROWS, FEWEST = 200, 20
# The share of a class turned upside down, and no middling share that could be either.
FLIP_DISTANCE = 0.3
# So near to one half the share of a class says nothing of a coding turned round.
MIDDLING = 0.15
# What the columns say turned round: beyond so many standard errors, and so much of what they said at training.
FLIP_ERRORS, FLIP_AREA = 3.0, 0.4
# Rows of one class have no more than this chance at the shares of training.
ONE_CLASS = 1e-3
# A rare class that is as common as the other was, in many rows, is turned round whatever the columns say. So is, in few
# rows, a share so many times as far beyond those of windows as these lie apart, of at least so many windows.
RARE, EXACT = 0.3, 0.1
UNHEARD, LEAST_WINDOWS = 2.0, 10
# A window of one class shows that so many times its rows may have one too; so many windows without one, that few have.
CALM_ROWS, MANY_WINDOWS = 4, 30


def target_check(
    table: pa.Table, current: dict[str, Any], spec: ModelSpec, reference: dict[str, Any] | None
) -> list[Finding]:
    """Check the target's classes, its coding against the reference, and every column for leakage."""
    findings = list(leakage(table, current, spec, reference))
    if spec.task != "regression":
        findings += _classes(table, current, spec, reference)
    elif reference is not None:
        findings += _constant(current, spec.data.target, reference)
    return findings


def _constant(current: dict[str, Any], target: str, reference: dict[str, Any]) -> Iterator[Finding]:
    """Find a number that is one and the same in all rows, and never was in a window."""
    now, then = current["columns"][target], reference["columns"].get(target, {})
    known = current["rows"] - now["nulls"]
    if now["kind"] != "number" or "min" not in now or now["min"] != now["max"] or known < FEWEST:
        return
    least = reference.get("by_window", {}).get("variety", {}).get(target)
    varied = then["quantiles"][1] < then["quantiles"][-2] if "quantiles" in then else False
    if least == 0 or not varied:
        return
    text = f"{target!r} is {now['min']:g} in all {known} rows that have one"
    text += f", and was {then['min']:g} to {then['max']:g} at training"
    yield failed("more than one value", target, "critical", text, observed=now["min"], failing=known)


def _classes(
    table: pa.Table, current: dict[str, Any], spec: ModelSpec, reference: dict[str, Any] | None
) -> Iterator[Finding]:
    target, classes = spec.data.target, current["classes"]
    if not classes:
        yield failed("labels are there", target, "warning", f"no row has a {target!r} yet")
        return
    if len(classes) == 1:
        yield _one_class(table, target, current, reference)
        return
    if reference is None or not reference["classes"]:
        return
    new = [name for name in classes if name not in reference["classes"]]
    if new:
        text = (
            f"{target!r} has the new classes {', '.join(map(repr, new))}; at training {_shares(reference['classes'])}"
        )
        yield failed("known classes", target, "critical", f"{text}: another coding?")
    elif len(classes) == 2 and len(reference["classes"]) == 2 and _is_flipped(table, target, current, reference):
        text = f"{target!r} looks turned round: now {_shares(classes)}, at training {_shares(reference['classes'])}"
        yield failed("coding", target, "critical", text)


def _one_class(table: pa.Table, target: str, current: dict[str, Any], reference: dict[str, Any] | None) -> Finding:
    """Judge rows of one class: in few rows, or in a calm window, a rare class may stay away by chance."""
    ((only, rows),) = current["classes"].items()
    text = f"{target!r} is {only} in every row that has one: there is nothing to tell apart"
    shares = (reference or {}).get("classes") or {}
    if not shares or only not in shares or len(shares) < 2:
        return failed("more than one class", target, "critical", text)
    chance = (shares[only] / sum(shares.values())) ** rows
    windows = reference.get("by_window", {}) if reference else {}
    is_calm = rows <= CALM_ROWS * windows.get("alone", {}).get(only, 0)
    most = windows.get("classes", {}).get(only, (0.0, 1.0))[1]
    # So many windows, none of one class, and a share that no window came near, say more than what rows look like.
    is_open = rows < FEW_ROWS and windows.get("number", 0) < MANY_WINDOWS and most**rows >= ONE_CLASS
    is_likely = is_open and looks_like(table, only, (reference or {}).get("risks") or {})
    if chance < ONE_CLASS and not is_calm and not is_likely:
        return failed("more than one class", target, "critical", f"{text}; at training {_shares(shares)}")
    why = f"in {rows} rows like these that is no surprise, for at training {_shares(shares)}"
    if is_calm:
        why = "there were such windows at training"
    return failed("more than one class", target, "warning", f"{text}; {why}")


def _is_flipped(table: pa.Table, target: str, current: dict[str, Any], reference: dict[str, Any]) -> bool:
    name = next(iter(sorted(reference["classes"])))
    now, then = (facts["classes"].get(name, 0) / sum(facts["classes"].values()) for facts in (current, reference))
    low, high = reference.get("by_window", {}).get("classes", {}).get(name, (then, then))
    is_mirrored = abs(now - then) > FLIP_DISTANCE and abs(now - (1 - then)) < abs(now - then) / 3
    is_mirrored = is_mirrored and not low <= now <= high
    known = reference.get("risks") or {}
    ranked = rank(table, target, known)
    if ranked is None:
        return is_mirrored
    area, error = ranked
    rows = sum(current["classes"].values())
    if is_mirrored and rows >= FEW_ROWS and abs(then - 0.5) > RARE and abs(now - (1 - then)) < EXACT:
        return True
    number = reference.get("by_window", {}).get("number", 0)
    beyond = max(low - now, now - high) / max(high - low, EXACT)
    if is_mirrored and number >= LEAST_WINDOWS and beyond > UNHEARD and area < 0.5 + FLIP_ERRORS * error:
        return True
    if is_mirrored and area < 0.5 + (error if rows >= FEW_ROWS else -error):
        return True
    # Turning a coding round turns the shares round too, which says much where a class is rare.
    if abs(then - 0.5) > MIDDLING and abs(now - then) < abs(now - (1 - then)):
        return False
    # What was learned of a class with few rows is as uncertain as what is seen in few.
    both = hypot(error, area_error(*reference["classes"].values()))
    return 0.5 - area > max(FLIP_ERRORS * both, FLIP_AREA * (known["area"] - 0.5))


def _shares(classes: dict[str, int]) -> str:
    total = sum(classes.values())
    return ", ".join(f"{name} {count / total:.0%}" for name, count in sorted(classes.items()))
