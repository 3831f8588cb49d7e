"""What holds a policy's wish besides itself: a broken bake, a pause, a freeze, an approval that is awaited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_mlops.loop.actions import CHEAP
from airflow_mlops.loop.bake import BAKE

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.events import Freeze
    from airflow_mlops.loop.history import History
    from airflow_mlops.loop.policy import Decision
    from airflow_mlops.loop.signals import Signals

DATA_CHECK, PAUSE, FREEZE, APPROVAL, SPENT = "data check", "pause", "freeze", "approval", "error budget"
# What a decision of this cause asks for is done by the bake DAG and not by the retrain DAG.
BROKEN_BAKE = "bake"
BURN = "slo_burn"


@dataclass(frozen=True, slots=True)
class Control:
    """What people, or a freeze, hold at the moment of a look.

    Attributes
    ----------
    paused, frozen : Freeze or None
        The whole loop, or its promotions.
    awaited : str or None
        The version about which somebody was asked, and has not answered yet.
    until : datetime or None
        When silence rejects it, by the clock.
    is_spent : bool
        An error budget is spent and nobody can be asked to approve a change: only a training may mend it.
    """

    paused: Freeze | None = None
    frozen: Freeze | None = None
    awaited: str | None = None
    until: datetime | None = None
    is_spent: bool = False


def held_by_data_check(signals: Signals, wish: Decision, sound: Decision) -> Decision:
    """Hold a wish back; ``sound`` is what would be decided on rows that pass."""
    if signals.data_check == "missing":
        reason = "no data check was made: ingest or validate ended without a verdict, and unseen rows decide nothing"
    else:
        why = "; ".join(signals.data_check_reasons) or "see the report of validate"
        reason = f"the data check stopped these rows, and a model must not learn from them: {why}"
    otherwise = f"With rows that pass the data check it would be {sound.action!r}: {sound.reasons[0]}."
    # What was read stays on record; what would have been done does not, so that nobody does it.
    return replace(
        wish,
        action="warn",
        reasons=(reason,),
        counterfactual=otherwise,
        held_by=DATA_CHECK,
        window=None,
        weights={},
        correction=None,
    )


def settle(wish: Decision, history: History, signals: Signals, control: Control) -> Decision:
    """Hold a policy's wish, or put the safety action in its place.

    What comes first decides: the data check, a broken bake, a pause, frozen promotions, an approval that is awaited,
    and what the policy held by itself. A rollback passes frozen promotions and a pending approval, but no pause. A bake
    that broke by the server's numbers alone rests on no rows, so the data check does not hold it.

    Parameters
    ----------
    wish : Decision
        The policy's.
    history : History
        As it stood when the signals were measured.
    signals : Signals
        Of the look; ``bake`` and ``slo_burn`` among them where the spec has these sections.
    control : Control
        What is held.
    """
    bake = signals.measured.get(BAKE)
    stopped = wish.held_by == DATA_CHECK
    if bake is not None and bake.verdict == "drifted" and history.promotions and not (stopped and bake.rows):
        return _go_back(wish, history, bake.detail, control)
    if stopped:
        return wish
    if control.paused is not None:
        return _paused(wish, control.paused)
    wish = _warned_of_budgets(wish, signals)
    if wish.action not in ("retrain", *CHEAP):
        return wish
    if control.frozen is not None:
        return _held(wish, FREEZE, _frozen(control.frozen), "Once promotions are unfrozen it would be")
    if control.awaited is not None:
        until = f" until {control.until:%Y-%m-%d %H:%M} UTC" if control.until else ""
        reason = f"version {control.awaited} waits for a person's approval{until}"
        return _held(wish, APPROVAL, reason, "Once it is answered it would be")
    if control.is_spent and wish.action in CHEAP:
        reason = "an error budget is spent, and only a training that is shown to be better may change what serves"
        return _held(wish, SPENT, reason, "With some of the budget left it would be")
    return wish


def _go_back(wish: Decision, history: History, broken: str, control: Control) -> Decision:
    """Ask for the version before; a person, where the loop is paused or nothing is there to go back to."""
    version = history.promotions[-1].version
    otherwise = f"With a bake that holds it would be {wish.action!r}: {wish.reasons[0]}."
    back = replace(
        wish,
        action="roll back",
        reasons=(f"the bake of version {version} broke: {broken}",),
        counterfactual=otherwise,
        held_by=None,
        window=None,
        weights={},
        correction=None,
        cause=BROKEN_BAKE,
    )
    if control.paused is not None:
        return replace(back, action="call", held_by=PAUSE, reasons=(_said(control.paused), *back.reasons))
    if not history.has_earlier:
        alone = f"no other version that ever served is free to serve again, so version {version} goes on"
        return replace(back, action="call", reasons=(*back.reasons, alone))
    return back


def _paused(wish: Decision, pause: Freeze) -> Decision:
    if wish.action in ("nothing", "warn"):
        return replace(wish, reasons=(*wish.reasons, _said(pause)))
    return _held(wish, PAUSE, _said(pause), "Once the loop goes on it would be")


def _held(wish: Decision, held_by: str, reason: str, once: str) -> Decision:
    """Ask for nothing; what was read stays on record, and what would have been done is told."""
    return replace(
        wish,
        action="nothing",
        reasons=(f"{reason}; else it would be {wish.action!r}", *wish.reasons),
        counterfactual=f"{once} {wish.action!r}.",
        held_by=held_by,
        window=None,
        weights={},
        correction=None,
    )


def _said(pause: Freeze) -> str:
    return f"the loop is paused by {pause.by} since {pause.since:%Y-%m-%d %H:%M} ({pause.reason})"


def _frozen(freeze: Freeze) -> str:
    return f"promotions are frozen by {freeze.by} since {freeze.since:%Y-%m-%d %H:%M} ({freeze.reason})"


def _warned_of_budgets(wish: Decision, signals: Signals) -> Decision:
    burn = signals.measured.get(BURN)
    if burn is None or burn.verdict != "drifted":
        return wish
    action = "warn" if wish.action == "nothing" else wish.action
    reasons = (burn.detail, *wish.reasons) if wish.action == "nothing" else (*wish.reasons, burn.detail)
    return replace(wish, action=action, reasons=reasons)
