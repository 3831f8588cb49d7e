"""Before a champion serves a training is always wished for, and held by what holds any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.choice import Choice, held, training_rule
from airflow_mlops.loop.explain import hold_reason, otherwise
from airflow_mlops.loop.past import Past
from airflow_mlops.loop.past_of import spent_lately
from airflow_mlops.loop.policy import Decision, first_training
from airflow_mlops.loop.rules import evaluate

if TYPE_CHECKING:
    from airflow_mlops.loop.choice import VersionsPolicy
    from airflow_mlops.loop.history import History
    from airflow_mlops.loop.signals import Signals


def first_champion(
    history: History, signals: Signals, policy: VersionsPolicy, *, window: str, hour: int | None
) -> Decision:
    """Ask for a first version, unless the circuit, the budget of 30 days, the cooldown or quiet hours hold it.

    Parameters
    ----------
    history : History
        Of a model without a champion: its trainings, if any, were all refused.
    signals : Signals
        What the look measured.
    policy : CommitteePolicy or SinglePolicy or RulesPolicy
        What holds a training.
    window : {"all", "recent", "mix"}
        Rows that the training takes.
    hour : int or None
        Of the clock, UTC, for quiet hours.
    """
    trainings, seconds = spent_lately(history, signals.now)
    past = Past(
        now=0.0,
        looks=0,
        # The budget by looks counts from the first champion on.
        trained=[],
        refused=len(history.trainings),
        spent_trainings=trainings,
        spent_seconds=seconds,
        cools=any(signals.now - training.at < policy.cooldown for training in history.trainings),
        hour=hour,
    )
    wish, hold = first_training(window), held(past, policy)
    if hold is None:
        return wish
    nothing = evaluate(training_rule(policy), [])
    choice = Choice("nothing", "retrain", nothing, nothing, {}, held_by=hold)
    return Decision(
        action="call" if hold == "circuit" else "nothing",
        reasons=(hold_reason(choice, past, policy), *wish.reasons),
        counterfactual=otherwise(choice, past, policy),
        held_by=hold,
        standing={"wish": "retrain", "refused": past.refused},
    )
