"""A setting of a policy for this history, judged on stretches of it that had no say in the choice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from airflow_mlops.replay.measure import by_look, every
from airflow_mlops.replay.noise import difference
from airflow_mlops.replay.plays import play_all
from airflow_mlops.spec.loop_sections import ExcessLossPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from airflow_mlops.replay.board import Board
    from airflow_mlops.replay.noise import Difference
    from airflow_mlops.replay.play import Play
    from airflow_mlops.replay.plays import Table
    from airflow_mlops.spec.loop_sections import Policy

# The history is cut into so many stretches: the first only teaches, each other is scored once.
FOLDS = 5
_FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)
_ALLOWANCES = (0.25, 0.5, 1.0)
# Fewer looks make stretches of a look or two.
FEWEST_LOOKS = 20


@dataclass(frozen=True)
class Choice:
    """What the choice came to.

    Attributes
    ----------
    setting : dict
        Keys of ``retrain.policy`` that the whole history would choose for what comes next, with their values.
    recommended : bool
        Whether choosing was better than keeping the policy as it is by more than noise; else keep it.
    chosen, kept : float
        Cost of a window where each stretch was played with the setting that the time before it had chosen, and with
        the policy as it is, on the same windows: mean loss, and the price of the trainings.
    difference : Difference
        Between the two, window by window.
    settings, windows : int
        How many settings were tried, and on how many windows they were judged.
    sentence : str
        The same for people.
    """

    setting: dict[str, Any]
    recommended: bool
    chosen: float
    kept: float
    difference: Difference
    settings: int
    windows: int
    sentence: str


def choose_setting(table: Table, policy: Policy, *, jobs: int = 2) -> Choice | None:
    """Choose among settings around a policy's own, by rolling origin.

    The history is cut into five stretches. For each but the first, the setting is chosen that cost least before it, and
    is charged with what it cost in it; so no window has a say in the setting that it judges. The cost of a window is
    its loss, and the policy's price for each training in it, in fresh losses of the first stretch.

    Parameters
    ----------
    table : Table
        What is played on.
    policy : Policy
        Whose settings.
    jobs : int, default=2
        Most processes.

    Returns
    -------
    Choice or None
        None where a policy has nothing to choose (``schedule``, ``rules``), or with fewer than 20 looks.

    References
    ----------
    Tashman (2000), Out-of-sample tests of forecasting accuracy: an analysis and review, International Journal of
    Forecasting 16(4): rolling-origin evaluation.
    """
    import numpy as np

    settings = list(grid(policy))
    own = next((place for place, setting in enumerate(settings) if not _changes(policy, setting)), None)
    if own is None or len(table.board.matrix.looks) < FEWEST_LOOKS:
        return None
    plays = play_all(table, [policy.model_copy(update=setting) for setting in settings], jobs=jobs)
    losses = np.array([by_look(table.board, play.losses) for play in plays])
    known = np.flatnonzero(np.isfinite(losses).all(axis=0))
    parts = np.array_split(np.arange(len(known)), FOLDS)
    price = price_of(policy) * _fresh_loss(table.board, known[parts[0]])
    costs = np.array([_costs(lost, play, price) for lost, play in zip(losses, plays, strict=True)])[:, known]
    picked = [int(costs[:, : part[0]].sum(axis=1).argmin()) for part in parts[1:]]
    chosen = np.concatenate([costs[place, part] for place, part in zip(picked, parts[1:], strict=True)])
    kept = np.concatenate([costs[own, part] for part in parts[1:]])
    found, best = difference(chosen, kept), int(costs.sum(axis=1).argmin())
    setting = settings[best]
    return Choice(
        setting=setting,
        recommended=found.is_better and best != own,
        chosen=float(chosen.mean()),
        kept=float(kept.mean()),
        difference=found,
        settings=len(settings),
        windows=len(chosen),
        sentence=_sentence(setting, found, float(chosen.mean()), float(kept.mean()), is_own=best == own),
    )


def grid(policy: Policy) -> Sequence[dict[str, Any]]:
    """Return the settings that are tried, the policy's own among them; none where it has nothing to choose."""
    if policy.kind in ("committee", "single") and policy.train is None:
        pairs = product(_FACTORS, dict.fromkeys([*_ALLOWANCES, policy.allowance]))
        # Where the threshold is given, the price has no say in it.
        name = "price" if policy.threshold is None else "threshold"
        return [{name: _scaled(getattr(policy, name), factor), "allowance": allowance} for factor, allowance in pairs]
    if policy.kind == "excess_loss":
        pairs = product(_FACTORS, dict.fromkeys([*_ALLOWANCES, policy.allowance]))
        return [{"threshold": _scaled(policy.threshold, factor), "allowance": allowance} for factor, allowance in pairs]
    return []


def _scaled(value: float, factor: float) -> float:
    return value if factor == 1.0 else float(f"{value * factor:.3g}")


def price_of(policy: Policy) -> float:
    """Return what a training is worth to a policy, in fresh losses of one window."""
    return policy.threshold if isinstance(policy, ExcessLossPolicy) else getattr(policy, "price", 0.0)


def _changes(policy: Policy, setting: dict[str, Any]) -> bool:
    return any(getattr(policy, name) != value for name, value in setting.items())


def _costs(losses: np.ndarray, play: Play, price: float) -> np.ndarray:
    """Return the cost of each look: the loss until the next, and the price of what was trained at it."""
    costs = losses.copy()
    for trained in play.trainings:
        costs[trained.look] += price
    return costs


def _fresh_loss(board: Board, looks: np.ndarray) -> float:
    """Return what a fresh model lost after some looks, by the better window; later ones have no say in a price."""
    import numpy as np

    windows = [window for window in ("all", "recent") if window in board.matrix.windows]
    return min(float(np.nanmean(by_look(board, every(board, window))[looks])) for window in windows)


def _sentence(setting: dict[str, Any], found: Difference, chosen: float, kept: float, *, is_own: bool) -> str:
    said = ", ".join(f"{name} {value:.3g}" for name, value in setting.items())
    figures = f"{chosen:.4g} a window against {kept:.4g}, on {found.windows} windows that had no say in the choice"
    if is_own:
        return f"Keep the policy as it is ({said}): no setting around it cost less on the whole history."
    if found.is_better:
        return f"Try {said}: settings chosen on the past cost {figures}, more than noise explains."
    return (
        f"Keep the policy as it is: {said} cost less on the whole history, but settings chosen on the past cost "
        f"{figures}, which is no better than noise."
    )
