"""The answer itself: one class only, a flipped coding, or a column that gives it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.stages.validate.findings import Finding, Severity, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_mlops.spec import ModelSpec

# Alone, no honest column knows the answer this well, unless it did at training.
LEAK, LEAK_USUAL = 0.985, 0.9
# One that knew it well at training knows it almost exactly in some calm week; a leak does exactly.
WELL, LEAK_OF_WELL = 0.7, 0.999
# A number against a number: noise of a third of the target's spread still leaves 0.95.
LEAK_NUMBER, LEAK_RISE = 0.95, 0.3
# The share of a class turned upside down, and no middling share that could be either.
FLIP_DISTANCE = 0.3
# So near to one half the share of a class says nothing of a coding turned round.
MIDDLING = 0.15
# All associations with the target turned round: the cosine of the two lists, where the list at training says something.
FLIP_COSINE, FLIP_STRENGTH = -0.7, 0.15


def target_check(current: dict[str, Any], spec: ModelSpec, reference: dict[str, Any] | None) -> list[Finding]:
    """Check the target's classes, its coding against the reference, and every column for leakage."""
    findings = list(_leakage(current, spec, reference))
    if spec.task != "regression":
        findings += _classes(current, spec, reference)
    return findings


def _classes(current: dict[str, Any], spec: ModelSpec, reference: dict[str, Any] | None) -> Iterator[Finding]:
    target, classes = spec.data.target, current["classes"]
    if not classes:
        yield failed("labels are there", target, "warning", f"no row has a {target!r} yet")
        return
    if len(classes) == 1:
        text = f"{target!r} is {next(iter(classes))} in every row that has one: there is nothing to tell apart"
        yield failed("more than one class", target, "critical", text)
        return
    if reference is None or not reference["classes"]:
        return
    new = [name for name in classes if name not in reference["classes"]]
    if new:
        text = (
            f"{target!r} has the new classes {', '.join(map(repr, new))}; at training {_shares(reference['classes'])}"
        )
        yield failed("known classes", target, "critical", f"{text}: another coding?")
    elif len(classes) == 2 and len(reference["classes"]) == 2 and _is_flipped(current, reference):
        text = f"{target!r} looks turned round: now {_shares(classes)}, at training {_shares(reference['classes'])}"
        yield failed("coding", target, "critical", text)


def _is_flipped(current: dict[str, Any], reference: dict[str, Any]) -> bool:
    name = next(iter(sorted(reference["classes"])))
    now, then = (facts["classes"].get(name, 0) / sum(facts["classes"].values()) for facts in (current, reference))
    if abs(now - then) > FLIP_DISTANCE and abs(now - (1 - then)) < abs(now - then) / 3:
        return True
    # Turning a coding round turns the shares round too, which says much where a class is rare.
    if abs(then - 0.5) > MIDDLING and abs(now - then) < abs(now - (1 - then)):
        return False
    now_signed, then_signed = _signed(current), _signed(reference)
    pairs = [(now_signed[name], then_signed[name]) for name in then_signed if name in now_signed]
    product = sum(a * b for a, b in pairs)
    sizes = [sum(pair[side] ** 2 for pair in pairs) ** 0.5 for side in (0, 1)]
    return min(sizes, default=0) > FLIP_STRENGTH and product / (sizes[0] * sizes[1]) < FLIP_COSINE


def _signed(facts: dict[str, Any]) -> dict[str, float]:
    """Return what has a direction: a number's association, and each text's leaning to the second class."""
    kinds = {name: column["kind"] for name, column in facts["columns"].items()}
    numbers = {name: value for name, value in facts["associations"].items() if kinds[name] in ("number", "boolean")}
    return {**numbers, **facts["leanings"]}


def _leakage(current: dict[str, Any], spec: ModelSpec, reference: dict[str, Any] | None) -> Iterator[Finding]:
    usual = reference["associations"] if reference else {}
    # In a week in which an honest column does, another that follows it does too.
    is_easy = any(
        LEAK <= abs(value) < LEAK_OF_WELL and abs(usual.get(name, 0.0)) >= WELL
        for name, value in current["associations"].items()
    )
    for name, value in current["associations"].items():
        strength, before = abs(value), abs(usual.get(name, 0.0))
        is_new_number = spec.task == "regression" and strength >= LEAK_NUMBER and strength - before >= LEAK_RISE
        limit = LEAK if before < WELL else LEAK_OF_WELL
        if not (strength >= limit and before < LEAK_USUAL) and not (reference and is_new_number):
            continue
        # What the model does not see cannot leak; it may be what the target was made from.
        severity: Severity = ("warning" if is_easy else "critical") if name in spec.features.columns else "info"
        text = f"{name!r} alone tells {spec.data.target!r} almost exactly ({strength:.2f} of 1"
        text += f", {before:.2f} at training)" if reference else ")"
        yield failed(
            "no leakage", name, severity, f"{text}: is it known before the answer?", observed=round(strength, 4)
        )


def _shares(classes: dict[str, int]) -> str:
    total = sum(classes.values())
    return ", ".join(f"{name} {count / total:.0%}" for name, count in sorted(classes.items()))
