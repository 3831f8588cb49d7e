"""What the policies that choose among versions do at a look: arithmetic on a past, the same live and in a backtest."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from airflow_mlops.loop import committee
from airflow_mlops.loop.rules import Node, evaluate
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.standing import CHANGES, FRESH_LOSSES, excess_loss
from airflow_mlops.spec.rule_sections import All, AnyOf, Compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_mlops.loop.actions import Action
    from airflow_mlops.loop.past import Past, Shift
    from airflow_mlops.spec.policy_sections import CommitteePolicy, RulesPolicy, SinglePolicy
    from airflow_mlops.spec.rule_sections import Rule

    VersionsPolicy = CommitteePolicy | SinglePolicy | RulesPolicy

# A model id, or a place in a matrix.
Version = TypeVar("Version")

# To return to what served before is to roll back, for so many windows.
BAKE = 4
# What keeps a wish from being granted, in the order in which it is asked.
Hold = Literal["circuit", "budget", "cooldown", "quiet hours"]
# A part of the budget: of the looks, or of the last 30 days.
Limit = Literal["share", "trainings", "seconds", "money"]

# A model counts as this many windows old when its first champion serves: windows that it was trained on.
HEAD_START = 10
# A correction that moves by less is left as it is.
STEP = 0.02

WARN = AnyOf(
    any=(
        Compare(signal="data_drift", verdict="drifted"),
        Compare(signal="prediction_drift", verdict="drifted"),
        Compare(signal="data_quality", verdict="drifted"),
    )
)


@dataclass(slots=True)
class Choice:
    """What to do at a look, with all it rests on.

    ``weights`` are those of the members that are to serve from now on, ``shift`` the correction for them; where
    ``action`` is "retrain", without the version yet to be trained. ``wish`` is the action that ``held_by`` kept from
    being given. ``jump`` tells that the correction moved beyond its bound and was left.
    """

    action: Action
    wish: Action
    train: Node
    warn: Node
    signals: Mapping[str, Signal]
    held_by: Hold | None = None
    window: str | None = None
    weights: Mapping[Any, float] = field(default_factory=dict)
    shift: Shift | None = None
    jump: Shift | None = None
    level: float | None = None
    noise: float = 0.0


def training_rule(policy: VersionsPolicy) -> Rule:
    """Return the policy's rule, or the default one; either waits for the shortest interval.

    By default a training is due when the champion has lost a training's price, which is the rule that never costs more
    than twice what the best moment would have cost, or when it is old for the age of the model.

    References
    ----------
    Karlin, Manasse, Rudolph, Sleator (1988), Competitive snoopy caching, Algorithmica 3: rent until the rent paid is
    the price.
    """
    threshold = policy.threshold if policy.threshold is not None else policy.price
    return _training_rule(policy.train, threshold, policy.growth, policy.interval, policy.shortest)


# Kept by its numbers: to hash a whole policy at each look takes longer than to ask the rule.
@lru_cache(maxsize=4096)
def _training_rule(train: Rule | None, threshold: float, growth: float, interval: float, shortest: float) -> Rule:
    asks = train or AnyOf(
        any=(
            Compare(signal="excess_loss", at_least=threshold),
            Compare(signal="relative_age", at_least=growth),
            Compare(signal="age", at_least=interval),
        )
    )
    return All(all=(asks, Compare(signal="age", at_least=shortest))) if shortest else asks


def choose(past: Past, policy: VersionsPolicy) -> Choice:
    """Decide at one look.

    A training comes before a cheap change, and an open circuit before both. What else holds a training holds no cheap
    change: that one is made meanwhile.

    Parameters
    ----------
    past : Past
        What is known.
    policy : CommitteePolicy or SinglePolicy or RulesPolicy
        The spec's ``retrain.policy``.
    """
    level, noise, excess = _standing(past, policy)
    signals = _signals(past, policy, excess)
    looks = [*past.earlier, signals] if past.earlier else [signals]
    train, warn = evaluate(training_rule(policy), looks), evaluate(policy.warn or WARN, looks)
    choice = Choice("nothing", "nothing", train, warn, signals, level=level, noise=noise)
    cheap = _cheap(past, policy, choice)
    choice.wish = cheap if cheap != "nothing" else "warn" if warn.value or choice.jump else "nothing"
    choice.action = "call" if choice.held_by else choice.wish
    if train.value is True:
        _ask_for_training(past, policy, choice)
    return choice


def _ask_for_training(past: Past, policy: VersionsPolicy, choice: Choice) -> None:
    """Grant a training that is due, or say what holds it; a circuit that flapping opened holds none by itself."""
    choice.wish, held_by = "retrain", held(past, policy)
    if held_by is None:
        choice.action, choice.held_by = "retrain", None
        choice.window = policy.windows[(len(past.trained) - 1) % len(policy.windows)]
        return
    choice.held_by = choice.held_by or held_by
    if choice.held_by == "circuit":
        choice.action = "call"


def _standing(past: Past, policy: VersionsPolicy) -> tuple[float | None, float, float | None]:
    """Return what a fresh model loses, the usual change between windows, and the excess in units of the former."""
    served = past.served
    if not served:
        return None, 0.0, None
    newest = served[-CHANGES - 1 :]
    noise = median([abs(after - before) for before, after in pairwise(newest)]) if newest[1:] else 0.0
    level = median(past.fresh[-FRESH_LOSSES:]) if past.fresh else served[-1]
    since = served[bisect_left(past.starts, past.trained[-1]) :]
    lost, _ = excess_loss(since, level, policy.allowance * noise)
    return level, noise, lost / level if level > 0 else None


def _signals(past: Past, policy: VersionsPolicy, excess: float | None) -> dict[str, Signal]:
    """Add to what was measured what follows from the past; ages are in windows, as the policy's own intervals are."""
    age = past.now - past.trained[-1]
    found = {
        **past.measured,
        "age": Signal("age", age),
        "relative_age": Signal("relative_age", min(1.0, age / (len(past.served) + HEAD_START))),
        "trainings_without_gain": Signal("trainings_without_gain", past.refused),
        "promotions_lately": Signal("promotions_lately", lately(past, policy)),
    }
    if excess is not None:
        found["excess_loss"] = Signal("excess_loss", excess)
    if "quality" not in found and past.served:
        found["quality"] = Signal("quality", past.served[-1], "unknown")
    return found


def lately(past: Past, policy: VersionsPolicy) -> int:
    """Count the promotions of earlier versions within the circuit's windows."""
    since = past.now - policy.circuit.within
    return sum(at > since for at in past.returns)


def _cheap(past: Past, policy: VersionsPolicy, choice: Choice) -> Action:
    """Choose what serves of the versions already trained, and its correction."""
    wanted = _weights(past, policy)
    moved = _moved(wanted, past.serving)
    changed: Action = "nothing"
    if policy.kind == "committee" and moved > policy.tolerance:
        changed = "re-weigh"
    elif policy.kind == "single" and moved > 0:
        is_back = past.before in wanted and past.now - past.came <= BAKE
        changed = "roll back" if is_back else "re-elect"
        if lately(past, policy) >= policy.circuit.promotions:
            choice.held_by, wanted = "circuit", past.serving
    choice.weights = wanted if changed != "nothing" else past.serving
    if past.correct is None or not choice.weights:
        return changed
    shift = past.correct(choice.weights)
    bound = policy.correction.bound if policy.correction else 0.0
    if shift is not None and shift.moved > bound:
        choice.jump = shift
    else:
        choice.shift = shift
    if changed == "nothing" and choice.shift is not None and choice.shift.moved > STEP:
        return "recalibrate"
    return changed


def _weights(past: Past, policy: VersionsPolicy) -> Mapping[Any, float]:
    if policy.kind == "rules" or past.losses is None or not past.pool or not past.served:
        return past.serving
    served = past.served[-past.losses.shape[1] :] if past.losses.shape[1] else []
    return what_serves(past.pool, past.losses, served, policy, serving=past.serving)


def what_serves(
    pool: Sequence[Version],
    losses: np.ndarray,
    served: Sequence[float],
    policy: VersionsPolicy,
    *,
    serving: Mapping[Version, float] | None = None,
) -> Mapping[Version, float]:
    """Weigh the versions of a pool; where rules serve the newest version, that one.

    Parameters
    ----------
    pool : sequence
        Versions, the newest last.
    losses : ndarray of shape (n_pool, n_windows)
        See `Past`.
    served : sequence of float
        What was served lost in these windows.
    policy : CommitteePolicy or SinglePolicy or RulesPolicy
        How to weigh.
    serving : mapping, optional
        What serves now; of one version alone, it stays unless another is better by a margin.
    """
    import numpy as np

    if policy.kind == "rules":
        return {pool[-1]: 1.0}
    found = committee.scores(
        losses, np.array(served, dtype="float64"), memory=policy.memory, prior=policy.prior, trust=policy.trust
    )
    if policy.kind == "single":
        held = next((place for place, name in enumerate(pool) if name in (serving or {})), None)
        return {pool[committee.elect(found, held, margin=policy.margin)]: 1.0}
    weights = committee.committee(found, sharpness=policy.sharpness, members=policy.members)
    return {name: weight for name, weight in zip(pool, weights.tolist(), strict=True) if weight > 0}


def alone(weights: Mapping[Version, float]) -> Version | None:
    """Return the version that serves alone, or None where several do."""
    return next(iter(weights)) if len(weights) == 1 else None


def _moved(wanted: Mapping[Any, float], serving: Mapping[Any, float]) -> float:
    """Return the total variation distance of two sets of weights, 0 to 1."""
    if wanted is serving:
        return 0.0
    names = {*wanted, *serving}
    return sum(abs(wanted.get(name, 0.0) - serving.get(name, 0.0)) for name in names) / 2


def held(past: Past, policy: VersionsPolicy) -> Hold | None:
    """Say what keeps a training from being asked for: open circuit before budget before cooldown before quiet hours."""
    if past.refused >= policy.circuit.refusals:
        return "circuit"
    if spent(past, policy) is not None:
        return "budget"
    if past.cools:
        return "cooldown"
    if policy.quiet_hours and past.hour is not None and _is_quiet(past.hour, *policy.quiet_hours):
        return "quiet hours"
    return None


def spent(past: Past, policy: VersionsPolicy) -> Limit | None:
    """Return the part of the budget that leaves no training, or None."""
    budget = policy.budget
    # The first champion was no decision of the policy.
    if len(past.trained) - 1 >= budget.start + budget.share * past.looks:
        return "share"
    if budget.trainings is not None and past.spent_trainings >= budget.trainings:
        return "trainings"
    if budget.seconds is not None and past.spent_seconds >= budget.seconds:
        return "seconds"
    if budget.money is not None and past.spent_seconds / 3600 * (budget.rate or 0.0) >= budget.money:
        return "money"
    return None


def _is_quiet(hour: int, start: int, end: int) -> bool:
    return start <= hour < end if start < end else hour >= start or hour < end
