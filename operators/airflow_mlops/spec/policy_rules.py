"""Rules over the keys of a policy: what could never ask for anything, or is given and never read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

from airflow_mlops.spec.durations import format_duration
from airflow_mlops.spec.rule_sections import Compare, placed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_mlops.spec.loop_sections import Policy
    from airflow_mlops.spec.policy_sections import CommitteePolicy, RulesPolicy, SinglePolicy
    from airflow_mlops.spec.rule_sections import Rule
    from airflow_mlops.spec.sections import ModelSpec

    Location = tuple[str | int, ...]
    Broken = tuple[Location, str]
    Found = tuple[str, Location, str]
    VersionsPolicy = CommitteePolicy | SinglePolicy | RulesPolicy

POLICY, SHADOW = ("retrain", "policy"), ("retrain", "shadow")
# Kinds that choose among versions already trained.
VERSIONS = ("committee", "single", "rules")
# Keys that a rule of one's own takes the place of.
_INSTEAD_OF_TRAIN = ("price", "threshold", "longest", "growth")
# Keys of how versions are compared, which the newest version needs not.
_COMPARING = ("pool", "trust", "prior")


@dataclass(frozen=True, slots=True)
class Range:
    """What values a signal can have, and whether it has a verdict."""

    largest: float = inf
    judged: bool = False


RANGES = {
    "age": Range(),
    "bake": Range(judged=True),
    "data_drift": Range(1.0, judged=True),
    "data_quality": Range(1.0, judged=True),
    "estimated_quality": Range(judged=True),
    "excess_loss": Range(),
    "freshness": Range(judged=True),
    "prediction_drift": Range(1.0, judged=True),
    "promotions_lately": Range(),
    "quality": Range(judged=True),
    "relative_age": Range(1.0),
    "slo_burn": Range(judged=True),
    "trainings_without_gain": Range(),
}


def policies(spec: ModelSpec) -> Iterator[Broken]:
    """Check both policies, each by itself and the one against the other."""
    yield from broken_policy(spec.retrain.policy, POLICY)
    if spec.retrain.shadow is not None:
        yield from broken_policy(spec.retrain.shadow, SHADOW)
        if spec.retrain.shadow == spec.retrain.policy:
            yield SHADOW, "is retrain.policy once more, so it would tell nothing; change what you want to compare"


def broken_policy(policy: Policy, at: Location) -> Iterator[Broken]:
    """Check one policy by itself, wherever it was written.

    Parameters
    ----------
    policy : Policy
        Of any kind.
    at : tuple
        Path of its section.
    """
    if policy.kind == "schedule":
        return
    if policy.kind == "excess_loss":
        yield from _ages(policy.max_age, policy.cooldown, at)
        return
    yield from _intervals(policy, at)
    yield from _unread(policy, at)
    yield from _budget(policy, at)
    for key in ("train", "warn"):
        rule = getattr(policy, key)
        if rule is not None:
            yield from _impossible(rule, (*at, key))


def cooldowns(spec: ModelSpec) -> Iterator[Broken]:
    """Check that a cooldown, which is time, ends before the longest interval, which is in windows."""
    for policy, at in ((spec.retrain.policy, POLICY), (spec.retrain.shadow, SHADOW)):
        if policy is None or policy.kind not in VERSIONS or policy.train is not None:  # type: ignore[union-attr]
            continue
        window = spec.monitor_window
        if window > timedelta(0) and policy.cooldown >= policy.interval * window:  # type: ignore[union-attr]
            yield (
                (*at, "cooldown"),
                f"{format_duration(policy.cooldown)} last as long as the longest interval "  # type: ignore[union-attr]
                f"({policy.interval:g} windows of {format_duration(window)}): each training would ask for "  # type: ignore[union-attr]
                "the next as soon as it may; shorten it, or give longest",
            )


def _ages(max_age: timedelta, cooldown: timedelta, at: Location) -> Iterator[Broken]:
    if max_age <= timedelta(0):
        yield (*at, "max_age"), "a champion older than nothing asks for a training at every look; give it days"
    elif max_age <= cooldown:
        yield (
            (*at, "max_age"),
            f"{format_duration(max_age)} ends before the cooldown ({format_duration(cooldown)}): each "
            "training would ask for the next as soon as it may; lengthen it, or shorten the cooldown",
        )


def _intervals(policy: VersionsPolicy, at: Location) -> Iterator[Broken]:
    if policy.cooldown < timedelta(0):
        yield (*at, "cooldown"), "no training lies before the last one; give zero or more"
    if policy.train is None and policy.shortest > policy.interval:
        found = "longest" if policy.longest is not None else "the price"
        yield (
            (*at, "shortest"),
            f"{policy.shortest:g} windows are more than the longest interval, {policy.interval:g} by {found}: all that "
            "asks for a training would wait for it; shorten it, or lengthen longest",
        )


def _unread(policy: VersionsPolicy, at: Location) -> Iterator[Broken]:
    """Refuse what somebody wrote in the belief that it counts."""
    given = policy.model_fields_set
    if policy.train is not None:
        for key in (key for key in _INSTEAD_OF_TRAIN if key in given):
            yield (*at, key), "is not read where train says when to train; leave out one of them"
    if policy.kind == "rules":
        for key in (key for key in _COMPARING if key in given):
            yield (*at, key), "is not read: by rules the newest version serves, and none is compared with it"


def _budget(policy: VersionsPolicy, at: Location) -> Iterator[Broken]:
    budget = policy.budget
    if budget.money is not None and budget.rate is None:
        yield (*at, "budget", "money"), "needs budget.rate, what an hour of training costs"
    if budget.rate is not None and budget.money is None:
        yield (*at, "budget", "rate"), "is not read without budget.money, the most to spend in 30 days"
    if policy.kind == "rules" and allows_none(policy):
        yield (
            (*at, "budget"),
            "allows no training, and rules ask for nothing else; give it start, share or trainings",
        )


def windows_of(spec: ModelSpec) -> Iterator[tuple[Location, str]]:
    """Yield the training windows of a spec with their paths."""
    yield ("train", "window"), spec.train.window
    for policy, at in ((spec.retrain.policy, POLICY), (spec.retrain.shadow, SHADOW)):
        for place, window in enumerate(getattr(policy, "windows", ())):
            yield (*at, "windows", place), window


def allows_none(policy: VersionsPolicy) -> bool:
    """Tell whether a policy may never ask for a training."""
    budget = policy.budget
    return budget.trainings == 0 or (budget.start == 0 and budget.share == 0)


def nobody_trains(spec: ModelSpec, roots: tuple[Path, ...]) -> Iterator[Found]:
    """Warn where versions are chosen among, and nothing but a person ever makes a new one."""
    policy = spec.retrain.policy
    if policy.kind in ("committee", "single") and allows_none(policy) and spec.retrain.schedule is None:
        yield (
            "warning",
            (*POLICY, "budget"),
            "allows no training, and retrain.schedule is not given: versions are chosen among, and nothing but a "
            "person ever makes a new one",
        )


def _impossible(rule: Rule, at: Location) -> Iterator[Broken]:
    """Find comparisons that are false, or unknown, whatever is measured."""
    for found, place in placed(rule, at):
        if not isinstance(found, Compare):
            continue
        known = RANGES[found.signal]
        if found.verdict is not None and not known.judged:
            yield (*place, "verdict"), f"{found.signal} is a number without a verdict; ask for at_least or at_most"
        if found.at_least is not None and found.at_least > known.largest:
            yield (*place, "at_least"), f"{found.signal} is never above {known.largest:g} (found {found.at_least:g})"
        if found.at_most is not None and found.at_most < 0:
            yield (*place, "at_most"), f"{found.signal} is never below 0 (found {found.at_most:g})"
