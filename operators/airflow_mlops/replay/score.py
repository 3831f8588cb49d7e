"""What a play was worth, in numbers that can be read beside those of another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from airflow_mlops.replay.measure import best_every, by_look, kept, mean_loss, stretches

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.replay.board import Board, Serving
    from airflow_mlops.replay.play import Play, Trained
    from airflow_mlops.spec.loop_sections import Policy

# Windows over which a gap is averaged, and in which a new version has to show what it brought.
LASTING = 4
# Part of the usual change from window to window that is no gap: that of the policies.
ALLOWANCE = 0.5


@dataclass(frozen=True, slots=True)
class Score:
    """The numbers of one play; losses are means over its windows.

    Attributes
    ----------
    trainings, refused, false_alarms : int
        Asked for; of these, refused at the gate or impossible; of these, without gain: see `false_alarms`.
    seconds, money : float, float or None
        Of training; money where the policy has a rate.
    loss : float
        Mean loss.
    gain_kept : float or None
        0 is never training again, 1 training at every look; None where these two are the same.
    worst_gap : float
        Largest mean loss of four windows in a row above that of training at every look.
    recovery, longest_behind : float, int
        Mean and largest number of windows until a play that fell behind training at every look was level again.
    actions : dict
        How often each action was chosen.
    """

    trainings: int
    refused: int
    false_alarms: int
    seconds: float
    money: float | None
    loss: float
    gain_kept: float | None
    worst_gap: float
    recovery: float
    longest_behind: int
    actions: dict[str, int]


def score(board: Board, play: Play, policy: Policy) -> Score:
    """Measure a play.

    Parameters
    ----------
    board : Board
        The history.
    play : Play
        What the policy did with it.
    policy : Policy
        Its rate, if it has one.
    """
    behind = windows_behind(board, play)
    budget = getattr(policy, "budget", None)
    return Score(
        trainings=len(play.trainings),
        refused=sum(not trained.served for trained in play.trainings),
        false_alarms=len(false_alarms(board, play)),
        seconds=play.seconds,
        money=play.seconds / 3600 * budget.rate if budget and budget.rate else None,
        loss=mean_loss(board, play.losses),
        gain_kept=kept(board, mean_loss(board, play.losses)),
        worst_gap=worst_gap(board, play),
        recovery=sum(behind) / len(behind) if behind else 0.0,
        longest_behind=max(behind, default=0),
        actions=dict(Counter(play.actions)),
    )


def worst_gap(board: Board, play: Play) -> float:
    """Return the largest mean loss of four windows in a row above that of training at every look."""
    import numpy as np

    gaps = by_look(board, play.losses) - by_look(board, best_every(board))
    gaps = gaps[np.isfinite(gaps)]
    width = min(LASTING, len(gaps))
    return float(np.convolve(gaps, np.full(width, 1 / width), "valid").max()) if width else 0.0


def windows_behind(board: Board, play: Play) -> list[int]:
    """Return how long each stretch was in which a play was behind training at every look, in windows.

    Behind is who loses more than that and half of its usual change from window to window: the noise that the policies
    allow for too.
    """
    import numpy as np

    level = by_look(board, best_every(board))
    gaps = by_look(board, play.losses) - level
    known = np.isfinite(gaps)
    noise = float(np.median(np.abs(np.diff(level[known])))) if known.sum() > 1 else 0.0
    is_behind = gaps[known] > ALLOWANCE * noise
    return [len(list(run)) for behind, run in groupby(is_behind.tolist()) if behind]


def false_alarms(board: Board, play: Play) -> list[Trained]:
    """Return the trainings that brought nothing.

    Over the first four windows after it (fewer where the history ends) what a training brought lost no less than what
    it replaced would have lost. A training that was refused brought nothing; one that has no labelled window after it
    is not judged.
    """
    return [trained for trained in play.trainings if not trained.served or _brought_nothing(board, play, trained)]


def _brought_nothing(board: Board, play: Play, trained: Trained) -> bool:
    import numpy as np

    first = board.matrix.looks[trained.look].serves
    last = stretches(board)[min(trained.look + LASTING, len(board.matrix.looks)) - 1][1]
    before = [serving for cell, serving in play.servings if cell < first][-1]
    after = [serving for cell, serving in play.servings if cell == first][-1]
    known = board.matrix.rows[first:last] > 0
    if not known.any():
        return False
    lost = _losses(board, after, first, last) - _losses(board, before, first, last)
    return float(np.average(lost[known], weights=board.lengths[first:last][known])) >= 0


def _losses(board: Board, serving: Serving, first: int, last: int) -> np.ndarray:
    import numpy as np

    return np.array([board.loss(serving, cell) for cell in range(first, last)])
