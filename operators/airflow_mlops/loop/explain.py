"""A choice in words: what decided, what would have had to be different, and the numbers behind it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.policy import Decision
from airflow_mlops.loop.rules import causes, counterfactual

if TYPE_CHECKING:
    from airflow_mlops.loop.choice import Choice, VersionsPolicy
    from airflow_mlops.loop.past import Past, Shift


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
        counterfactual=f"A training {counterfactual(choice.train)}.",
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
    said = [_held(choice, past, policy)] if choice.held_by else []
    if choice.wish == "retrain":
        said += causes(choice.train)
    if choice.action == "re-weigh":
        said.append(f"other weights would have served better lately: {_members(choice)}")
    if choice.action == "re-elect":
        said.append(f"an earlier version would have served better lately: {_members(choice)}")
    if choice.action == "recalibrate" and choice.shift:
        said.append(f"the newest labels move the correction to {_value(choice.shift)}, from {choice.shift.rows} rows")
    if choice.jump:
        said.append(
            f"the correction would jump to {_value(choice.jump)}, beyond retrain.policy.correction.bound; it is left, "
            "for labels that move so far are to be looked at first"
        )
    if choice.warn.value:
        said += [f"{cause}, which alone asks for no training" for cause in causes(choice.warn)]
    if not said:
        said.append(_calm(choice, past))
    return tuple(said)


def _held(choice: Choice, past: Past, policy: VersionsPolicy) -> str:
    if choice.held_by == "circuit" and past.refused >= policy.circuit.refusals:
        return (
            f"the circuit is open: the last {past.refused} trainings brought no better version; a person has to look "
            "at labels and features, and starts the next training"
        )
    if choice.held_by == "circuit":
        return (
            f"the circuit is open: {len(past.returns)} versions were re-elected lately, in turn; a person has to look"
        )
    if choice.held_by == "budget":
        spent = len(past.trained) - 1
        return f"retrain.policy.budget is spent: {spent} trainings in {past.looks} looks; else it would be 'retrain'"
    return (
        f"retrain.policy.{choice.held_by.replace(' ', '_') if choice.held_by else ''} holds; else it would be 'retrain'"
    )


def _members(choice: Choice) -> str:
    return ", ".join(f"{name} at {weight:.0%}" for name, weight in choice.weights.items())


def _value(shift: Shift) -> str:
    if isinstance(shift.value, tuple):
        return f"({', '.join(f'{each:+.3g}' for each in shift.value)})"
    return f"{shift.value:+.3g}"


def _calm(choice: Choice, past: Past) -> str:
    if not past.served:
        return "nothing was judged yet: no window since the first champion has enough labels"
    excess = choice.signals.get("excess_loss")
    lost = (
        f", {excess.value:.3g} of a fresh model's loss too much since the last training"
        if excess and excess.value
        else ""
    )
    return f"what serves lost {past.served[-1]:.4g} in the last window{lost}"
