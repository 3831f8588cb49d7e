"""Does this model need another training? A pure function of the ledger's history and of what was just measured.

The decision depends on the state of things alone, not on how often it was asked for: while a cause lasts, each look
decides the same, so that a request that gets lost is made again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.loop.control import Control, held_by_data_check, settle
from airflow_mlops.loop.signal import Signal
from airflow_mlops.loop.standing import Standing, standing
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from airflow_mlops.loop.actions import Action
    from airflow_mlops.loop.choice import VersionsPolicy
    from airflow_mlops.loop.history import History
    from airflow_mlops.loop.past import Past
    from airflow_mlops.loop.signals import Signals
    from airflow_mlops.spec.loop_sections import ExcessLossPolicy, Policy, SchedulePolicy

COOLDOWN = "cooldown"
UNHELD = Control()
# Columns named in a sentence; the drift report has all of them.
NAMED_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and why.

    Attributes
    ----------
    action : {"nothing", "warn", "recalibrate", "re-weigh", "re-elect", "roll back", "retrain", "call"}
    reasons : tuple of str
        Sentences, the one that decided first.
    counterfactual : str
        What would have had to be different for another decision.
    window : str or None
        Rows to train on, where the action is ``retrain``.
    held_by : str or None
        What kept the policy's own answer from being given: the data check, a pause, a freeze, an approval, an open
        circuit, the budget, the cooldown, quiet hours.
    standing : dict
        The numbers behind it, as JSON: see `standing.Standing`.
    weights : dict
        Members that are to serve and their weights, by model id, where the policy chooses among versions.
    correction : dict or None
        What is to be added to their answers, as JSON: see `past.Shift`.
    tree : dict
        The rules of the policy with the value of every node, as JSON: see `rules.Node`.
    readings : dict
        The signals that the rules read, by name, as JSON.
    cause : {"bake"} or None
        What decided in the policy's place: a broken bake, whose rollback the bake DAG carries out.
    """

    action: Action
    reasons: tuple[str, ...]
    counterfactual: str
    window: str | None = None
    held_by: str | None = None
    standing: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    correction: dict[str, Any] | None = None
    tree: dict[str, Any] = field(default_factory=dict)
    readings: dict[str, Any] = field(default_factory=dict)
    cause: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return asdict(self) | {"reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` wrote, further keys left out."""
        known = {field.name: value[field.name] for field in fields(cls) if field.name in value}
        return cls(**{**known, "reasons": tuple(known["reasons"])})


def decide(
    history: History,
    signals: Signals,
    policy: Policy,
    *,
    window: str,
    min_labels: int,
    maturity: float = 0.0,
    label_wait: timedelta | None = None,
    past: Past | None = None,
    hour: int | None = None,
    control: Control = UNHELD,
) -> Decision:
    """Decide what is done about a model.

    What comes first decides: a data check that stopped the look's rows, a broken bake, what people hold (a pause,
    frozen promotions, an approval that is awaited), no champion, what holds a training (an open circuit, the budget,
    the cooldown, quiet hours), the policy.

    Parameters
    ----------
    history : History
        Of the model. What it knows from after the signals is passed over.
    signals : Signals
        What the look measured.
    policy : ExcessLossPolicy, SchedulePolicy, CommitteePolicy, SinglePolicy or RulesPolicy
        The spec's ``retrain.policy``. By schedule nothing is ever asked for; everything else is still said.
    window : {"all", "recent", "mix"}
        Rows that a training takes, where the policy does not say.
    min_labels : int
        Windows with fewer labelled predictions of the champion are not counted...
    maturity : float
        ... nor those of whose labels a smaller share has arrived...
    label_wait : timedelta, optional
        ... until they ended so long before the look.
    past : Past, optional
        What a policy that chooses among versions computes with, from `past_of.past_of`; None without a champion.
    hour : int, optional
        Of the clock, UTC, for quiet hours without a champion; a past has its own.
    control : Control, optional
        What people hold; by default nothing.
    """
    if policy.kind == "schedule" or policy.kind == "excess_loss":
        limits: dict[str, Any] = {"min_labels": min_labels, "maturity": maturity, "label_wait": label_wait}
        wish = _of_standing(history, signals, policy, window=window, limits=limits)
    else:
        wish = _of_versions(history, signals, policy, window=window, past=past, hour=hour)
    return settle(wish, history.seen_by(signals), signals, control)


def _of_versions(
    history: History,
    signals: Signals,
    policy: VersionsPolicy,
    *,
    window: str,
    past: Past | None,
    hour: int | None,
) -> Decision:
    # Imported here, for an explanation is made of this module's decisions.
    from airflow_mlops.loop.choice import choose
    from airflow_mlops.loop.explain import explain
    from airflow_mlops.loop.first_champion import first_champion

    if past is None:
        wish = first_champion(history.seen_by(signals), signals, policy, window=window, hour=hour)
    else:
        wish = explain(choose(past, policy), past, policy)
    if past is not None and signals.problems:
        action = "warn" if wish.action == "nothing" else wish.action
        wish = replace(wish, action=action, reasons=(*wish.reasons, *signals.problems))
    if signals.data_check not in ("failed", "missing"):
        return wish
    # That the data check stopped the rows is no reason for anything where they pass it.
    passed = past and replace(past, measured={**past.measured, "data_quality": Signal("data_quality", 0.0)})
    return held_by_data_check(signals, wish, explain(choose(passed, policy), passed, policy) if passed else wish)


def _of_standing(
    history: History,
    signals: Signals,
    policy: ExcessLossPolicy | SchedulePolicy,
    *,
    window: str,
    limits: dict[str, Any],
) -> Decision:
    stands = standing(history.seen_by(signals), signals, policy, **limits)
    wish = _wish(stands, signals, policy, window)
    if signals.data_check in ("failed", "missing"):
        decision = held_by_data_check(signals, wish, wish)
    elif wish.action == "retrain" and stands.is_cooling_down:
        decision = _held_by_cooldown(stands, wish)
    else:
        decision = wish
    return replace(decision, standing={**stands.to_dict(), "wish": wish.action})


def first_training(window: str) -> Decision:
    """Give the wish of a policy whose model has no champion."""
    reason = "no version serves this model: there is no champion"
    return Decision("retrain", (reason,), "With a champion, its loss and its age would decide.", window)


def _wish(stands: Standing, signals: Signals, policy: ExcessLossPolicy | SchedulePolicy, window: str) -> Decision:
    """Give the policy's own answer, before anything holds it."""
    if policy.kind == "schedule":
        return _warned(
            signals,
            "retrain.policy is 'schedule': nothing that is measured asks for a training",
            "With retrain.policy 'excess_loss' the loss of the served predictions could ask for one.",
        )
    if stands.champion_version is None:
        return first_training(window)
    causes = (*_losing(stands, policy), *_old(stands, policy))
    if causes:
        return Decision("retrain", causes, _otherwise(stands), window)
    return _warned(signals, _calm(stands, policy), _what_asks(stands, policy))


def _losing(stands: Standing, policy: ExcessLossPolicy) -> tuple[str, ...]:
    if not stands.is_losing:
        return ()
    return (f"{_lost(stands)}, more than the {_limit(stands, policy)}",)


def _old(stands: Standing, policy: ExcessLossPolicy) -> tuple[str, ...]:
    if not stands.is_old:
        return ()
    length = format_duration(policy.max_age)
    return (f"the last training stood at {_day(stands.since)}, longer ago than retrain.policy.max_age ({length})",)


def _calm(stands: Standing, policy: ExcessLossPolicy) -> str:
    if stands.level is None:
        return f"version {stands.champion_version} was not judged: no window has enough labelled predictions"
    return f"{_lost(stands)}, not above the {_limit(stands, policy)}"


def _lost(stands: Standing) -> str:
    if not stands.windows:
        return f"version {stands.champion_version} has no labelled window since {_day(stands.since)}"
    fresh = "more than a fresh model would have"
    lost = f"{stands.excess:.3g} {fresh} since {_day(stands.losing_since)}" if stands.excess else f"no {fresh}"
    return f"version {stands.champion_version} has lost {lost} ({_count(stands.windows)} since the last training)"


def _count(windows: int) -> str:
    return f"{windows} labelled window{'' if windows == 1 else 's'}"


def _limit(stands: Standing, policy: ExcessLossPolicy) -> str:
    return f"{stands.limit:.3g} that ask for a training ({policy.threshold:g} x {stands.level:.3g})"


def _warned(signals: Signals, calm: str, what_asks: str) -> Decision:
    """Say what moved or could not be measured; whether a new model would be better only losses can tell."""
    moved = list(signals.problems)
    if signals.drift is not None and signals.drift.verdict == "drifted":
        named = ", ".join(signals.drift.columns[:NAMED_COLUMNS])
        beyond = f"{signals.drift.share:.0%} of the columns are beyond the spec's drift thresholds ({named})"
        moved.append(f"{beyond}, which alone asks for no training")
    if signals.prediction_drift is not None and signals.prediction_drift.verdict == "drifted":
        found = signals.prediction_drift
        score = f"{found.method} {found.score:.3g}, threshold {found.threshold:.3g}" if found.score else found.method
        moved.append(f"the predictions drifted ({score}), which alone asks for no training")
    if not moved:
        return Decision("nothing", (calm,), what_asks)
    return Decision("warn", (*moved, calm), f"Without that it would be 'nothing'. {what_asks}")


def _what_asks(stands: Standing, policy: ExcessLossPolicy) -> str:
    age = f"no training until {_day(stands.old_at)}"
    if stands.level is None or stands.excess is None or stands.limit is None:
        return f"Labelled predictions could ask for a training, and so will {age}."
    enough = stands.level + policy.allowance * (stands.noise or 0.0) + stands.limit - stands.excess
    last = "" if stands.last_loss is None else f" (the last had {stands.last_loss:.3g})"
    return f"A next window with a loss above {enough:.3g}{last}, or {age}, would ask for a training."


def _otherwise(stands: Standing) -> str:
    """Say what would have kept a training from being asked for."""
    if stands.is_losing and stands.excess is not None and stands.limit is not None:
        less = f"With {stands.excess - stands.limit:.3g} less lost"
        return (
            f"{less} only the age would ask."
            if stands.is_old
            else f"{less} nothing would ask until {_day(stands.old_at)}."
        )
    return f"Until {_day(stands.old_at)} nothing asked; a training that ends, even in a refusal, starts the time anew."


def _held_by_cooldown(stands: Standing, wish: Decision) -> Decision:
    ended, until = _day(stands.trained_at), _day(stands.cool_at)
    reason = f"retrain.policy.cooldown lasts until {until}, for a training ended at {ended}; else it would be 'retrain'"
    return Decision(
        "nothing", (reason, *wish.reasons), f"From {until} on the same facts ask for a training.", held_by=COOLDOWN
    )


def _day(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d}"
