"""What a clock would have done with as many trainings as a play had, averaged over where the clock starts."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from airflow_mlops.replay.measure import best_every, mean_loss, never, trained_at
from airflow_mlops.replay.play import first_champion
from airflow_mlops.replay.plays import Table, play
from airflow_mlops.spec.rule_sections import Compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_mlops.replay.board import Board
    from airflow_mlops.spec.policy_sections import CommitteePolicy, RulesPolicy, SinglePolicy

# Phases of a long period differ little from their neighbours; a committee plays for each of them.
MOST_PHASES = 5
# No model is ever so many windows old.
_NEVER = Compare(signal="age", at_least=1e12)


def periodic_curve(board: Board) -> list[tuple[float, float]]:
    """Return mean trainings and mean loss of training every n-th look, by falling n, averaged over phases.

    The newest version serves; of the training windows "all" and "recent" the better one at every look.
    """
    first, looks = first_champion(board)[1], len(board.matrix.looks)
    window = _better_window(board)
    points = [(0.0, mean_loss(board, never(board)))]
    for period in range(looks - first - 1, 0, -1):
        losses = [
            mean_loss(board, trained_at(board, window, range(first + phase, looks, period)))
            for phase in range(1, period + 1)
        ]
        points.append(((looks - first - 1) / period, sum(losses) / len(losses)))
    return points


def at_equal_trainings(curve: list[tuple[float, float]], trainings: float) -> float:
    """Interpolate the loss of a clock between the two periods that train a little less and a little more often."""
    import numpy as np

    counts, losses = zip(*curve, strict=True)
    return float(np.interp(trainings, counts, losses))


def clocked(table: Table, policy: CommitteePolicy | SinglePolicy | RulesPolicy, trainings: int) -> float:
    """Return the loss of serving as a policy does, trained by a clock as often as the policy trained.

    Parameters
    ----------
    table : Table
        What is played on.
    policy : CommitteePolicy or SinglePolicy or RulesPolicy
        How versions are chosen; when it would train does not count.
    trainings : int
        To be equalled, by interpolation between the two nearest periods.
    """
    board = table.board
    first, looks = first_champion(board)[1], len(board.matrix.looks)
    count, idle = looks - first - 1, policy.model_copy(update={"train": _NEVER})

    def lost(forced: frozenset[int]) -> float:
        return mean_loss(board, play(table, idle, forced=forced, warnings=False).losses)

    of_period = cache(lambda period: _over_phases(lost, first, looks, period))
    if trainings == 0 or count == 0:
        return lost(frozenset())
    longer = min(count, -(-count // trainings))
    shorter = max(1, count // trainings)
    curve = [(count / period, of_period(period)) for period in dict.fromkeys((longer, shorter))]
    return at_equal_trainings(curve, trainings)


def _over_phases(lost: Callable[[frozenset[int]], float], first: int, looks: int, period: int) -> float:
    phases = sorted({1 + round(place * (period - 1) / max(1, MOST_PHASES - 1)) for place in range(MOST_PHASES)})
    losses = [lost(frozenset(range(first + phase, looks, period))) for phase in phases]
    return sum(losses) / len(losses)


def _better_window(board: Board) -> str:
    best = best_every(board)
    for window in ("all", "recent"):
        if window in board.matrix.windows:
            losses = trained_at(board, window, range(len(board.matrix.looks)))
            if mean_loss(board, losses) == mean_loss(board, best):
                return window
    return board.matrix.windows[0]
