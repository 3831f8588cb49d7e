"""Policies of any kind, played over one history, one by one or many at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.gates import Gates
from airflow_mlops.replay.measures import measure_for
from airflow_mlops.replay.named import named_by
from airflow_mlops.replay.newest import NewestPlayer
from airflow_mlops.replay.play import Play, Player, first_champion
from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_mlops.replay.board import Board
    from airflow_mlops.replay.measures import Measures
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy
    from airflow_mlops.spec.sections import Window

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
    measures : Measures or None
        Of its rows, for rules that name what is measured on them; None leaves those signals unknown.
    """

    board: Board
    spec: ModelSpec
    gated: bool = True
    measures: Measures | None = None

    def gates(self, policy: Policy) -> Gates | None:
        """Return the gates a policy's versions have to pass."""
        if not self.gated:
            return None
        memory = getattr(policy, "memory", Gates.memory)
        return Gates(self.board, self.spec.evaluate.gate, memory=memory, seed=self.spec.train.seed)


def play(
    table: Table,
    policy: Policy,
    *,
    keep: bool = False,
    forced: frozenset[int] | None = None,
    warnings: bool = True,
) -> Play:
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
    warnings : bool, default=True
        Measure what the rule of ``warn`` names; without, that rule is unknown, which changes nothing that serves.

    Raises
    ------
    HistoryUnusable
        There is no first champion, or the policy's training windows are not in the matrix or impossible to train on.
    """
    forced = scheduled(table.board, table.spec.retrain.schedule) if forced is None else forced
    _require_trainable(table, policy)
    gates = table.gates(policy)
    if isinstance(policy, ExcessLossPolicy | SchedulePolicy):
        return NewestPlayer(table.board, policy, table.spec, gates, keep=keep, forced=forced).play()
    measure = measure_for(policy, table.measures, train_only=not warnings)
    return Player(table.board, policy, gates, measure, keep=keep, forced=forced).play()


def play_all(table: Table, policies: Sequence[Policy], *, jobs: int = 2) -> list[Play]:
    """Play many policies, in several processes where that pays; decisions are not kept, and nobody is warned.

    Parameters
    ----------
    table : Table
        What they are played on.
    policies : sequence of Policy
        In the order of the plays.
    jobs : int, default=2
        Most processes.
    """
    # Signals are measured once for all policies, in this process.
    is_measured = any(named_by(policy, warnings=False, train_only=True) for policy in policies)
    if jobs == 1 or is_measured or len(policies) < FEWEST_APART:
        return _part(table, policies)
    import joblib

    lean = replace(table, measures=None)

    parts = [list(policies[start::jobs]) for start in range(jobs)]
    found = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_part)(lean, part) for part in parts)
    return [found[place % jobs][place // jobs] for place in range(len(policies))]


def _part(table: Table, policies: Sequence[Policy]) -> list[Play]:
    return [play(table, policy, warnings=False) for policy in policies]


def windows_of(spec: ModelSpec, policies: Sequence[Policy]) -> tuple[Window, ...]:
    """Return the training windows a matrix needs for some policies, and for what they are held against."""
    asked = {window for policy in policies for window in trained_on(spec, policy)}
    known: tuple[Window, ...] = ("all", "recent", "mix")
    return tuple(window for window in known if window in asked | {"all", "recent"})


def trained_on(spec: ModelSpec, policy: Policy) -> tuple[str, ...]:
    """Return the training windows of a policy."""
    return getattr(policy, "windows", (spec.train.window,))


def scheduled(board: Board, cron: str | None) -> frozenset[int]:
    """Return the looks that are the first after a moment of a schedule: a matrix has models at looks alone."""
    if cron is None:
        return frozenset()
    from croniter import croniter

    looks = board.matrix.looks
    first = first_champion(board)[1]
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
