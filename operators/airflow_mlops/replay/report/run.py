"""Plays policies and measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.choose_setting import choose_setting
from airflow_mlops.replay.measure import best_every, by_look, never
from airflow_mlops.replay.named import NAMES, signals_of
from airflow_mlops.replay.oracle import oracle
from airflow_mlops.replay.periodic import at_equal_trainings, clocked, periodic_curve
from airflow_mlops.replay.play import first_champion
from airflow_mlops.replay.plays import play
from airflow_mlops.replay.report.comparison import compared
from airflow_mlops.replay.report.found import Entry, Report
from airflow_mlops.replay.score import score
from airflow_mlops.replay.streams import count_looks
from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from airflow_mlops.replay.play import Play
    from airflow_mlops.replay.plays import Table
    from airflow_mlops.replay.report.candidate import Candidate

# Fewer looks after the first champion tell no policy from another.
FEWEST_LOOKS = 10
# What a matrix can tell by itself; others are measured on rows, where the table has measures of them.
MEASURED = frozenset({"age", "relative_age", "excess_loss", "quality", "trainings_without_gain", "promotions_lately"})


def backtest(
    table: Table,
    candidates: Sequence[Candidate],
    *,
    jobs: int = 2,
    keep: bool = False,
    compare: tuple[int, int] | None = None,
) -> Report:
    """Play policies and measure them.

    Parameters
    ----------
    table : Table
        What they are played on.
    candidates : sequence of Candidate
        In the order of the report.
    jobs : int, default=2
        Most processes.
    keep : bool, default=False
        Keep each decision with its rule tree.
    compare : (int, int), optional
        Two of them; the second is held against the first.

    Raises
    ------
    HistoryUnusable
        There is no first champion, fewer than ten looks come after it, or a policy's trainings are impossible.
    """
    board = table.board
    first = first_champion(board)[1]
    looks = len(board.matrix.looks) - first - 1
    if looks < FEWEST_LOOKS:
        raise HistoryUnusable(
            f"{board.matrix.name} has {count_looks(looks)} after its first champion, and fewer than {FEWEST_LOOKS} "
            "tell no policy from another; give a longer history (--from, --to), or a shorter monitor.window."
        )
    curve, best = periodic_curve(board), oracle(board)
    entries = tuple(
        _entry(table, candidate, play(table, candidate.policy, keep=keep), curve, best.loss, jobs)
        for candidate in candidates
    )
    return Report(
        table=table,
        entries=entries,
        first=first,
        never=by_look(board, never(board)),
        every=by_look(board, best_every(board)),
        periodic=curve,
        hindsight=[(float(count), best.loss(count)) for count in range(looks + 1)],
        comparison=compared(table, entries[compare[0]], entries[compare[1]], looks) if compare else None,
        notes=(*board.matrix.notes, *_unmeasured(table, candidates)),
    )


def _entry(table: Table, candidate: Candidate, done: Play, curve: Any, hindsight: Any, jobs: int) -> Entry:
    policy, trainings = candidate.policy, len(done.trainings)
    return Entry(
        candidate=candidate,
        play=done,
        score=score(table.board, done, policy),
        losses=by_look(table.board, done.losses),
        periodic=at_equal_trainings(curve, trainings),
        hindsight=hindsight(trainings),
        clocked=None if isinstance(policy, ExcessLossPolicy | SchedulePolicy) else clocked(table, policy, trainings),
        choice=choose_setting(table, policy, jobs=jobs),
    )


def _unmeasured(table: Table, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Say which signals rules ask for in vain."""
    notes, measured = [], MEASURED if table.measures is None else MEASURED | NAMES
    for candidate in candidates:
        asked = signals_of(*(getattr(candidate.policy, name, None) for name in ("train", "warn")))
        if missing := sorted(asked - measured):
            notes.append(
                f"{candidate.name} asks for {', '.join(missing)}, which a backtest does not measure: the rules took it "
                "as unknown"
            )
    return tuple(notes)
