"""The past of a live model as its policy computes with it: the numbers that a backtest has from a matrix."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_mlops.loop.actions import RETURNS
from airflow_mlops.loop.choice import alone
from airflow_mlops.loop.committee import WINDOWS
from airflow_mlops.loop.history import Training
from airflow_mlops.loop.past import Past, first_losses
from airflow_mlops.loop.scorecard import measure_shift
from airflow_mlops.loop.standing import comparable
from airflow_mlops.spec.rule_sections import Persist, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import numpy as np

    from airflow_mlops.loop.choice import VersionsPolicy
    from airflow_mlops.loop.history import History, Member, Promotion, Reading, Window
    from airflow_mlops.loop.past import Shift
    from airflow_mlops.loop.scorecard import Card
    from airflow_mlops.loop.signals import Signals

    ReadCard = Callable[[Mapping[str, object]], Card]

MONTH = timedelta(days=30)
# Readings of past decisions that rules may ask about: `persist` looks back no farther.
MOST_READINGS = 50


def past_of(
    history: History,
    signals: Signals,
    policy: VersionsPolicy,
    *,
    window: timedelta,
    min_labels: int = 1,
    maturity: float = 0.0,
    label_wait: timedelta | None = None,
    readings: Sequence[Reading] = (),
    read_card: ReadCard | None = None,
    hour: int | None = None,
) -> Past:
    """Read the past of a model with a champion off its history.

    Parameters
    ----------
    history : History
        As it stood when the signals were measured: `History.seen_by`.
    signals : Signals
        What the look measured.
    policy : CommitteePolicy or SinglePolicy or RulesPolicy
        Whose past it is: how large the pool is, what is corrected, and how long the cooldown is, it says.
    window : timedelta
        Length of a labelled window, the unit of all times; they count from the first champion.
    min_labels : int
        Windows with fewer labelled predictions are not counted...
    maturity : float
        ... nor those of whose labels a smaller share has arrived...
    label_wait : timedelta, optional
        ... until they ended so long before the look.
    readings : sequence of Reading
        What this policy's rules read at earlier looks.
    read_card : callable, optional
        Reads a window's scorecard; without it nothing is corrected.
    hour : int, optional
        Of the clock, UTC, for quiet hours.
    """
    first, now = history.promotions[0].at, signals.now
    windows = counted(
        history, min_labels=min_labels, maturity=maturity, ended_by=None if label_wait is None else now - label_wait
    )
    pool = pool_of(history, policy.pool)
    trained, refused, served_from = _trainings(history)
    serving = history.promotions[-1]
    before, came = _before(history.promotions)
    spent_trainings, spent_seconds = spent_lately(history, now, after=first)
    return Past(
        now=(now - first) / window,
        looks=sum(look > first for look in history.looks),
        trained=[(at - first) / window for at in trained],
        refused=refused,
        returns=[(each.at - first) / window for each in history.promotions if each.action in RETURNS],
        before=before,
        came=(came - first) / window,
        starts=[(each.start - first) / window for each in windows],
        served=[each.loss for each in windows],
        fresh=_fresh(windows, served_from),
        pool=[member.id for member in pool],
        losses=member_losses(pool, windows[-WINDOWS:]),
        serving=serving.members,
        measured=signals.measured,
        earlier=[each.signals for each in readings if each.at > first][-MOST_READINGS:] if persists(policy) else (),
        correct=_corrector(policy, windows, read_card, serving.correction),
        spent_trainings=spent_trainings,
        spent_seconds=spent_seconds,
        cools=now - trained[-1] < policy.cooldown,
        hour=hour,
    )


def counted(history: History, *, min_labels: int, maturity: float, ended_by: datetime | None) -> list[Window]:
    """Return the labelled windows that count: sound, labelled enough, and served in whole since the first champion."""
    first = history.promotions[0].at
    return [each for each in comparable(history, min_labels, maturity, ended_by) if each.start >= first]


def pool_of(history: History, size: int) -> list[Member]:
    """Return the latest trained versions that are not frozen, oldest first.

    What was refused before there was a champion is none.
    """
    first, frozen = history.promotions[0].at, set(history.frozen.values())
    return [member for member in history.members if member.at >= first and member.id not in frozen][-size:]


def member_losses(pool: Sequence[Member], windows: Sequence[Window]) -> np.ndarray:
    """Return the loss of each version in each window, not a number where it was trained on it or not asked."""
    import numpy as np

    found = np.full((len(pool), len(windows)), np.nan)
    for row, member in enumerate(pool):
        for column, each in enumerate(windows):
            if member.id in each.by_member and member.holdout_start <= each.start:
                found[row, column] = each.by_member[member.id].loss
    return found


def _trainings(history: History) -> tuple[list[datetime], int, list[datetime]]:
    """Follow trainings and promotions in the order of time.

    A version that the full gate refused may come to serve later, when others have been trained, or not; so a training
    counts as refused until the newest version serves for the first time.

    Returns
    -------
    trained : list of datetime
        When trainings ended, that of the first champion the first.
    refused : int
        Trainings since a version last came to serve.
    served_from : list of datetime
        When versions that were the newest then came to serve for the first time.
    """
    opening, *later = history.promotions
    trained, served_from, refused = [opening.at], [opening.at], 0
    have_served, newest = set(opening.members), ""
    steps: list[Training | Promotion] = [each for each in history.trainings if each.at > opening.at]
    # The order of equals stays: a training comes before the promotion that it led to.
    for step in sorted([*steps, *later], key=lambda each: each.at):
        if isinstance(step, Training):
            trained.append(step.at)
            newest = step.trained or ""
            refused += not step.promoted
        elif newest in step.members and newest not in have_served:
            refused = 0
            have_served.add(newest)
            served_from.append(step.at)
    return trained, refused, served_from


def _before(promotions: Sequence[Promotion]) -> tuple[str | None, datetime]:
    """Return what served alone before the members that serve now, and since when they do."""
    newest = promotions[-1]
    for place in range(len(promotions) - 1, 0, -1):
        if promotions[place - 1].members.keys() != newest.members.keys():
            return alone(promotions[place - 1].members), promotions[place].at
    return None, promotions[0].at


def fresh_losses(history: History, windows: Sequence[Window]) -> list[float]:
    """Return what was lost in the first whole window after each version that came to serve, oldest first."""
    return _fresh(windows, _trainings(history)[2])


def _fresh(windows: Sequence[Window], since: Sequence[datetime]) -> list[float]:
    return first_losses([each.start for each in windows], [each.loss for each in windows], since)


def spent_lately(history: History, now: datetime, *, after: datetime | None = None) -> tuple[int, float]:
    """Return how many trainings ended in the last 30 days, and their seconds."""
    lately = [each for each in history.trainings if now - each.at < MONTH and (after is None or each.at > after)]
    return len(lately), sum(_seconds(history, each.trained) for each in lately)


def _seconds(history: History, trained: str | None) -> float:
    return next((member.seconds for member in history.members if member.id == trained), 0.0)


def persists(policy: VersionsPolicy) -> bool:
    """Tell whether a policy's rules ask about earlier looks."""
    rules = [rule for rule in (policy.train, policy.warn) if rule is not None]
    return any(isinstance(part, Persist) for rule in rules for part in parts(rule))


def _corrector(
    policy: VersionsPolicy,
    windows: Sequence[Window],
    read_card: ReadCard | None,
    serving: float | Sequence[float] | None,
) -> Callable[[Mapping[str, float]], Shift | None] | None:
    settings = policy.correction
    if settings is None or read_card is None:
        return None
    cards = [each.scorecard for each in windows[-settings.windows :] if each.scorecard]

    def correct(weights: Mapping[str, float]) -> Shift | None:
        # Read here: most looks of a policy that waits for its first labels have none.
        return measure_shift([read_card(card) for card in cards], weights, settings, serving=serving)

    return correct
