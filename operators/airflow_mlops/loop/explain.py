"""A choice in words: what decided, what would have had to be different, and the numbers behind it."""

from __future__ import annotations

from dataclasses import asdict
from math import floor
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.choice import lately, spent
from airflow_mlops.loop.policy import Decision
from airflow_mlops.loop.rule_sentences import causes, counterfactual
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_mlops.loop.choice import Choice, VersionsPolicy
    from airflow_mlops.loop.past import Past, Shift
    from airflow_mlops.loop.rules import Node

_LEAST_NAMED = 0.005
_CHEAP = {
    "re-weigh": "other weights would have served better lately",
    "re-elect": "another version would have served better lately",
    "roll back": "what served before would have served better lately",
    "recalibrate": "the newest labels move the correction",
}


def explain(choice: Choice, past: Past, policy: VersionsPolicy) -> Decision:
    """Turn a choice into a decision with its sentences.

    Parameters
    ----------
    choice : Choice
        From `choice.choose`.
    past : Past
        What it was chosen from.
    policy : CommitteePolicy or SinglePolicy or RulesPolicy
        What chose.
    """
    shift = choice.shift
    return Decision(
        action=choice.action,
        reasons=_reasons(choice, past, policy),
        counterfactual=otherwise(choice, past, policy),
        window=choice.window,
        held_by=choice.held_by,
        standing=_standing(choice, past),
        weights=dict(choice.weights),
        correction=asdict(shift) if shift is not None else None,
        tree={"train": choice.train.to_dict(), "warn": choice.warn.to_dict()},
        readings={name: signal.to_dict() for name, signal in choice.signals.items()},
    )


def _standing(choice: Choice, past: Past) -> dict[str, Any]:
    return {
        "wish": choice.wish,
        "level": choice.level,
        "noise": choice.noise,
        "last_loss": past.served[-1] if past.served else None,
        "windows": len(past.served),
        "trainings": len(past.trained),
        "refused": past.refused,
    }


def _reasons(choice: Choice, past: Past, policy: VersionsPolicy) -> tuple[str, ...]:
    """Say first what decided, then what else is worth knowing."""
    said = [hold_reason(choice, past, policy)] if choice.held_by else []
    if choice.wish == "retrain":
        said += causes(_asking(choice, policy))
    if choice.action in _CHEAP:
        said.append(_changed(choice))
    if choice.jump:
        said.append(
            f"the correction would move by {choice.jump.moved:.3g} to {_value(choice.jump)}, beyond "
            f"retrain.policy.correction.bound; it stays, for labels that move so far are to be looked at first"
        )
    if choice.warn.value:
        said += [f"{cause}, which alone asks for no training" for cause in causes(choice.warn)]
    return tuple(said) or (_calm(choice, past),)


def _changed(choice: Choice) -> str:
    why = _CHEAP[choice.action]
    if choice.action != "recalibrate" or choice.shift is None:
        return f"{why}: {_members(choice.weights)}"
    return f"{why} by {choice.shift.moved:.3g} to {_value(choice.shift)}, from {choice.shift.rows} rows"


def hold_reason(choice: Choice, past: Past, policy: VersionsPolicy) -> str:
    """Say what keeps the wish from being granted, and the numbers of it."""
    circuit, wish = policy.circuit, f"else it would be {choice.wish!r}"
    if choice.held_by == "circuit" and choice.wish == "retrain" and past.refused >= circuit.refusals:
        return (
            f"the circuit is open: none of the last {past.refused} trainings brought a version that serves; a person "
            f"has to look at labels and features, and starts the next training; {wish}"
        )
    if choice.held_by == "circuit":
        return (
            f"the circuit is open: {lately(past, policy)} promotions of earlier versions in {circuit.within:g} "
            f"windows; a person has to look why no version stays the best; {wish}"
        )
    if choice.held_by == "budget":
        return f"retrain.policy.budget is spent: {_spent(past, policy)}; {wish}"
    if choice.held_by == "cooldown":
        return f"retrain.policy.cooldown: the last training ended less than {_cooling(policy)} ago; {wish}"
    return f"retrain.policy.quiet_hours: it is {past.hour} o'clock UTC, {_quiet(policy)} are quiet; {wish}"


def _spent(past: Past, policy: VersionsPolicy) -> str:
    budget = policy.budget
    money = past.spent_seconds / 3600 * (budget.rate or 0.0)
    return {
        "share": f"{_trainings(len(past.trained) - 1)} since the first champion, "
        f"{budget.start + budget.share * past.looks:.3g} by start and share at look {past.looks}",
        "trainings": f"{past.spent_trainings} of {_trainings(budget.trainings or 0)} in 30 days",
        "seconds": f"{past.spent_seconds:.0f} of {budget.seconds or 0:g} seconds of training in 30 days",
        "money": f"{money:.2f} of {budget.money or 0:g} in 30 days, at {budget.rate or 0:g} an hour",
    }[spent(past, policy) or "share"]


def _trainings(count: int) -> str:
    return f"{count} training{'' if count == 1 else 's'}"


def _cooling(policy: VersionsPolicy) -> str:
    return format_duration(policy.cooldown)


def _quiet(policy: VersionsPolicy) -> str:
    start, end = policy.quiet_hours or (0, 0)
    return f"{start} to {end} o'clock UTC"


def otherwise(choice: Choice, past: Past, policy: VersionsPolicy) -> str:
    """Say what would have had to be different for a training, or for none."""
    if choice.wish != "retrain":
        return f"Would train {counterfactual(choice.train)}."
    if choice.held_by is None:
        return f"Would not train {counterfactual(_asking(choice, policy))}."
    if choice.held_by == "budget":
        return f"Would train {_affordable(past, policy)}."
    gained = past.refused < policy.circuit.refusals
    when = {
        "circuit": "once fewer versions were promoted in turn lately"
        if gained
        else "once a training that a person started has brought a version that serves",
        "cooldown": f"{_cooling(policy)} after the end of the last training",
        "quiet hours": f"outside of {_quiet(policy)}",
    }
    return f"Would train {when[choice.held_by]}."


def _asking(choice: Choice, policy: VersionsPolicy) -> Node:
    """Return the rule that asks for a training, without the shortest interval that it waits for."""
    return choice.train.children[0] if policy.shortest else choice.train


def _affordable(past: Past, policy: VersionsPolicy) -> str:
    """Say when the budget will allow a training."""
    budget, trainings = policy.budget, len(past.trained) - 1
    if spent(past, policy) != "share":
        return "once enough of what was spent is 30 days ago"
    if budget.share == 0:
        return f"with a retrain.policy.budget.start above {trainings} (now {budget.start})"
    look = floor((trainings - budget.start) / budget.share) + 1
    return f"from look {look} on (now {past.looks})"


def _members(weights: Mapping[str, float]) -> str:
    """Name the members, those that would read as 0 % left out."""
    return ", ".join(f"{name} at {weight:.0%}" for name, weight in weights.items() if weight >= _LEAST_NAMED)


def _value(shift: Shift) -> str:
    if isinstance(shift.value, tuple):
        return f"({', '.join(f'{each:+.3g}' for each in shift.value)})"
    return f"{shift.value:+.3g}"


def _calm(choice: Choice, past: Past) -> str:
    if not past.served:
        return "nothing was judged yet: no window since the first champion has enough labels"
    excess = choice.signals.get("excess_loss")
    lost = f"what serves lost {past.served[-1]:.4g} in the last window"
    if excess is None or not excess.value:
        return lost
    return f"{lost}, and {excess.value:.3g} of a fresh model's loss too much since the last training"
