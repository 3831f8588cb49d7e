"""The rows of the table: each a way to retrain and to serve, with its loss and its trainings on one stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.replay.gates import Gates
from airflow_mlops.replay.measure import every, mean_loss
from airflow_mlops.replay.newest import NewestPlayer
from airflow_mlops.replay.oracle import oracle
from airflow_mlops.replay.periodic import at_equal_trainings, clocked, periodic_curve
from airflow_mlops.replay.play import Player, first_champion
from airflow_mlops.replay.plays import Table
from airflow_mlops.spec.gate_sections import GateSpec
from airflow_mlops.spec.loop_sections import ExcessLossPolicy
from airflow_mlops.spec.policy_sections import Budget, CommitteePolicy, SinglePolicy
from benchmarks.loop.newest import replay
from benchmarks.loop.peers import Detector, Evidently

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_mlops.replay.board import Board
    from airflow_mlops.replay.play import Play
    from benchmarks.loop.arena import Arena
    from benchmarks.loop.reference import Reference

FEWEST_LABELS = 20
"""Of a batch, for the excess loss policy: its own default is meant for days of a busy model."""
# The excess loss policy counts in days; a batch stands for one of its weeks.
LONGEST_BATCHES, COOLDOWN_BATCHES = 26, 2
FEWEST_JUDGED = 50
"""Rows of a batch that the gate judges on, at least; its default refuses every version of a stream of small batches."""
DETECTORS = {"adwin": "ADWIN", "page_hinkley": "PageHinkley"}


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of retraining came to on one stream.

    Attributes
    ----------
    loss : float
        Mean loss of what served.
    trainings : float
        After the first champion's, refused ones among them; of a clock a mean.
    served : int or None
        Trainings whose version came to serve; None where all do.
    """

    loss: float
    trainings: float
    served: int | None = None


def looks_of(board: Board) -> int:
    """Count the looks at which a training may be asked for."""
    return len(board.matrix.looks) - first_champion(board)[1] - 1


def own_rows(arena: Arena, reference: Reference) -> dict[str, Row]:
    """Replay what this package does, and what it is held against."""
    board, looks = arena.board, looks_of(arena.board)
    committee = Player(board, CommitteePolicy()).play()
    single = Player(board, SinglePolicy()).play()
    windows = [(f"every_{window}", every(board, window)) for window in ("all", "recent")]
    return {
        "never": Row(reference.never, 0),
        **{name: Row(mean_loss(board, losses), looks) for name, losses in windows},
        "committee": _row(board, committee),
        "single": _row(board, single),
        "committee_gates": _row(board, _gated(board, CommitteePolicy())),
        "single_gates": _row(board, _gated(board, SinglePolicy())),
        "excess_loss": _row(board, _excess_loss(arena)),
        **_clocks(arena, len(committee.trainings), len(single.trainings)),
        "every_committee": Row(reference.every_committee, looks),
        "bag_of_eight": Row(reference.bag, 0),
        "correction_only": _row(board, Player(board, _untrained()).play()),
        **_oracles(board, len(committee.trainings)),
    }


def peer_rows(arena: Arena, verdicts: Path, kinds: set[str]) -> tuple[dict[str, Row], tuple[str, ...]]:
    """Replay what others use as triggers.

    Parameters
    ----------
    arena : Arena
        The stream.
    verdicts : Path
        Where Evidently's are kept.
    kinds : set of str
        Libraries that are installed, of "river" and "evidently".

    Returns
    -------
    rows : dict
        By name.
    notes : tuple of str
        What could not be compared.
    """
    rows, notes = {}, ()
    if "river" in kinds:
        for name, kind in DETECTORS.items():
            found = replay(arena.board, Detector(kind))
            rows[name] = Row(found.loss, found.trainings)
    if "evidently" in kinds and arena.seen:
        trigger = Evidently(arena.seen, verdicts)
        found = replay(arena.board, trigger)
        trigger.keep()
        rows["evidently"] = Row(found.loss, found.trainings)
        if trigger.failed:
            notes = (f"Evidently could not compare {trigger.failed} batches, and asked for nothing there",)
    return rows, notes


def _row(board: Board, play: Play) -> Row:
    served = sum(trained.served for trained in play.trainings)
    return Row(mean_loss(board, play.losses), len(play.trainings), served)


def _gated(board: Board, policy: CommitteePolicy | SinglePolicy) -> Play:
    """Let a version be trained up to the last labelled batch but one, and be judged on the last."""
    gates = Gates(board, GateSpec(block=None, min_rows=FEWEST_JUDGED), memory=policy.memory)
    return Player(board, policy, gates=gates, lag=1).play()


def _excess_loss(arena: Arena) -> Play:
    batch = arena.spec.monitor_window
    policy = ExcessLossPolicy(max_age=LONGEST_BATCHES * batch, cooldown=COOLDOWN_BATCHES * batch)
    monitor = arena.spec.monitor.model_copy(update={"min_labels": FEWEST_LABELS})
    return NewestPlayer(arena.board, policy, arena.spec.model_copy(update={"monitor": monitor})).play()


def _clocks(arena: Arena, of_committee: int, of_single: int) -> dict[str, Row]:
    """Train by a clock as often as the policies did, averaged over where the clock starts."""
    table, curve = Table(arena.board, arena.spec, gated=False), periodic_curve(arena.board)
    return {
        "periodic": Row(at_equal_trainings(curve, of_committee), of_committee),
        "periodic_committee": Row(clocked(table, CommitteePolicy(), of_committee), of_committee),
        "periodic_single": Row(clocked(table, SinglePolicy(), of_single), of_single),
    }


def _oracles(board: Board, trainings: int) -> dict[str, Row]:
    best = oracle(board)
    return {
        "oracle_equal": Row(best.loss(trainings), best.at_most(trainings)),
        "oracle": Row(best.loss(), best.at_most(len(board.matrix.looks))),
    }


def _untrained() -> CommitteePolicy:
    return CommitteePolicy(budget=Budget(start=0, share=0))
