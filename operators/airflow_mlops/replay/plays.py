"""Policies of any kind, played over one history, one by one or many at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.gates import Gates
from airflow_mlops.replay.newest import NewestPlayer
from airflow_mlops.replay.play import Play, Player, first_champion

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_mlops.replay.board import Board
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy

# Starting processes takes about as long as playing so many policies.
FEWEST_APART = 64


@dataclass(frozen=True)
class Table:
    """What policies are played on: a history, the spec of its model, and whether the gates judge.

    Parameters
    ----------
    board : Board
        The history.
    spec : ModelSpec
        Of the model: gate, schedule, seed.
    gated : bool, default=True
        Let versions pass the gates before they serve.
    """

    board: Board
    spec: ModelSpec
    gated: bool = True

    def gates(self, policy: Policy) -> Gates | None:
        """Return the gates a policy's versions have to pass."""
        if not self.gated:
            return None
        memory = getattr(policy, "memory", Gates.memory)
        return Gates(self.board, self.spec.evaluate.gate, memory=memory, seed=self.spec.train.seed)


def play(table: Table, policy: Policy, *, keep: bool = False, forced: frozenset[int] | None = None) -> Play:
    """Play one policy, whatever its kind.

    Parameters
    ----------
    table : Table
        What it is played on.
    policy : Policy
        A ``retrain.policy``.
    keep : bool, default=False
        Keep each decision with its rule tree.
    forced : frozenset of int, optional
        Looks at which a training is made whatever is decided; default those of ``retrain.schedule``.

    Raises
    ------
    HistoryUnusable
        There is no first champion, or the policy's training windows are not in the matrix or impossible to train on.
    """
    forced = scheduled(table.board, table.spec.retrain.schedule) if forced is None else forced
    _require_trainable(table, policy)
    gates = table.gates(policy)
    if policy.kind in ("excess_loss", "schedule"):
        return NewestPlayer(table.board, policy, table.spec, gates, keep=keep, forced=forced).play()
    return Player(table.board, policy, gates, keep=keep, forced=forced).play()


def play_all(table: Table, policies: Sequence[Policy], *, jobs: int = 2) -> list[Play]:
    """Play many policies, in several processes where that pays; decisions are not kept.

    Parameters
    ----------
    table : Table
        What they are played on.
    policies : sequence of Policy
        In the order of the plays.
    jobs : int, default=2
        Most processes.
    """
    if jobs == 1 or len(policies) < FEWEST_APART:
        return [play(table, policy) for policy in policies]
    import joblib

    parts = [list(policies[start::jobs]) for start in range(jobs)]
    found = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_part)(table, part) for part in parts)
    return [found[place % jobs][place // jobs] for place in range(len(policies))]


def _part(table: Table, policies: list[Policy]) -> list[Play]:
    return [play(table, policy) for policy in policies]


def windows_of(spec: ModelSpec, policies: Sequence[Policy]) -> tuple[str, ...]:
    """Return the training windows a matrix needs for some policies, and for what they are held against."""
    asked = {window for policy in policies for window in trained_on(spec, policy)}
    return tuple(window for window in ("all", "recent", "mix") if window in asked | {"all", "recent"})


def trained_on(spec: ModelSpec, policy: Policy) -> tuple[str, ...]:
    """Return the training windows of a policy."""
    return getattr(policy, "windows", (spec.train.window,))


def scheduled(board: Board, cron: str | None) -> frozenset[int]:
    """Return the looks that are the first after a moment of a schedule: a matrix has models at looks alone."""
    if cron is None:
        return frozenset()
    from croniter import croniter

    looks = board.matrix.looks
    first = first_champion(board, "all")[1]
    place, found = first + 1, set()
    moments = croniter(cron, looks[first].now)
    while place < len(looks):
        moment: datetime = moments.get_next(type(looks[0].now))
        while place < len(looks) and looks[place].now < moment:
            place += 1
        if place < len(looks):
            found.add(place)
    return frozenset(found)


def _require_trainable(table: Table, policy: Policy) -> None:
    matrix = table.board.matrix
    for window in trained_on(table.spec, policy):
        if window in matrix.windows and not matrix.trained[matrix.windows.index(window)].any():
            why = next((note for note in matrix.notes if f"window {window!r}" in note), "see the notes of the matrix")
            raise HistoryUnusable(
                f"the policy trains on the window {window!r}, and none of {len(matrix.looks)} such trainings is "
                f"possible: {why}"
            )
