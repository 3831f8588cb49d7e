"""A backtest: policies played over one history, beside what a clock, every look, and hindsight would have done."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.loop.choice import Choice as VersionsChoice
from airflow_mlops.replay.choose_setting import Choice, choose_setting
from airflow_mlops.replay.measure import best_every, by_look, mean_loss, never
from airflow_mlops.replay.measures import NAMES
from airflow_mlops.replay.noise import difference
from airflow_mlops.replay.oracle import oracle
from airflow_mlops.replay.periodic import at_equal_trainings, clocked, periodic_curve
from airflow_mlops.replay.play import first_champion
from airflow_mlops.replay.plays import play
from airflow_mlops.replay.score import Score, kept, score
from airflow_mlops.spec.loop_sections import ExcessLossPolicy, SchedulePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from airflow_mlops.replay.noise import Difference
    from airflow_mlops.replay.play import Play
    from airflow_mlops.replay.plays import Table
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy

SCHEMA_VERSION = 1
# Fewer looks after the first champion tell no policy from another.
FEWEST_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy under the name that the report gives it."""

    name: str
    policy: Policy


def own_candidates(spec: ModelSpec) -> list[Candidate]:
    """Name the policies of a spec: its own, and the one in shadow."""
    found = [Candidate(f"{spec.retrain.policy.kind} (spec)", spec.retrain.policy)]
    if spec.retrain.shadow is not None:
        found.append(Candidate(f"{spec.retrain.shadow.kind} (shadow)", spec.retrain.shadow))
    return found


@dataclass(frozen=True)
class Entry:
    """What became of one policy.

    Attributes
    ----------
    candidate : Candidate
        The policy.
    play, score : Play, Score
        What it did, and what that was worth.
    losses : ndarray of shape (n_looks,)
        What was served lost after each look, up to the next.
    periodic, hindsight : float
        Mean loss of a clock with as many trainings, one version serving; and of the best sequence of so many at most.
    clocked : float or None
        Mean loss of serving as the policy does, trained by a clock as often; None where it serves the newest version.
    choice : Choice or None
        The recommended setting; None where there is nothing to choose.
    """

    candidate: Candidate
    play: Play
    score: Score
    losses: np.ndarray
    periodic: float
    hindsight: float
    clocked: float | None
    choice: Choice | None


@dataclass(frozen=True)
class Comparison:
    """Whether a second policy is worse than a first, and why, as sentences."""

    first: str
    second: str
    difference: Difference
    is_worse: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Everything a backtest found.

    Attributes
    ----------
    table : Table
        What was played on.
    entries : tuple of Entry
        In the order of the policies.
    first : int
        Look of the first champion; what it decides serves first.
    never, every : ndarray of shape (n_looks,)
        Losses of the first champion alone, and of training at every look with the better of two windows.
    periodic, hindsight : list of (float, float)
        Trainings and mean loss of a clock; and of the best sequence of at most so many trainings.
    comparison : Comparison or None
        Where it was asked for.
    """

    table: Table
    entries: tuple[Entry, ...]
    first: int
    never: np.ndarray
    every: np.ndarray
    periodic: list[tuple[float, float]]
    hindsight: list[tuple[float, float]]
    comparison: Comparison | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def looks(self) -> int:
        """Count the looks at which policies decided."""
        return len(self.table.board.matrix.looks) - self.first - 1

    @property
    def bounds(self) -> tuple[float, float]:
        """Give the mean loss of never training again, and of training at every look."""
        board = self.table.board
        return mean_loss(board, never(board)), mean_loss(board, best_every(board))

    def kept(self, loss: float) -> float | None:
        """Return the gain that a mean loss keeps."""
        return kept(self.table.board, loss)

    @property
    def verdict(self) -> str:
        """Say in a word what the comparison came to; "reported" where there was none."""
        if self.comparison is None:
            return "reported"
        return "worse" if self.comparison.is_worse else "not worse"

    def recommendations(self) -> list[str]:
        """Say of each policy which setting is recommended."""
        nothing = "there is no setting to choose: its rules are its own, or the history is shorter than 20 looks."
        return [
            f"{entry.candidate.name}: {entry.choice.sentence if entry.choice else nothing}" for entry in self.entries
        ]

    def sentences(self) -> list[str]:
        """Give the recommendations, then what the comparison came to."""
        return [*self.recommendations(), *(self.comparison.reasons if self.comparison else ())]

    def summary(self) -> dict[str, Any]:
        """Give the few numbers of each policy that travel between tasks."""
        return {
            entry.candidate.name: {
                "trainings": entry.score.trainings,
                "loss": entry.score.loss,
                "gain_kept": entry.score.gain_kept,
            }
            for entry in self.entries
        }

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON; docs/backtest.md says what each key means."""
        matrix, (nothing, most) = self.table.board.matrix, self.bounds
        return {
            "schema_version": SCHEMA_VERSION,
            "created_by": f"airflow-provider-mlops {__version__}",
            "model": matrix.name,
            "task": matrix.task,
            "metric": matrix.metric,
            "from": matrix.looks[self.first].now.isoformat(),
            "to": matrix.cells[-1].end.isoformat(),
            "looks": self.looks,
            "gates": self.table.gated,
            "matrix": {
                "digest": matrix.digest,
                "windows": list(matrix.windows),
                "models": int(matrix.trained.sum()),
                "impossible": int((~matrix.trained).sum()),
                "rows": int(sum(cell.rows for cell in matrix.cells)),
                "sampled_rows": int(matrix.rows.sum()),
            },
            "times": [look.now.isoformat() for look in matrix.looks[self.first :]],
            "never": {"loss": nothing, "losses": _plain(self.never[self.first :])},
            "every": {"loss": most, "trainings": self.looks, "losses": _plain(self.every[self.first :])},
            "periodic": [list(point) for point in self.periodic],
            "oracle": [list(point) for point in self.hindsight],
            "policies": [self._entry(entry) for entry in self.entries],
            "comparison": asdict(self.comparison) if self.comparison else None,
            "notes": list(self.notes),
        }

    def _entry(self, entry: Entry) -> dict[str, Any]:
        looks = self.table.board.matrix.looks
        return {
            "name": entry.candidate.name,
            "kind": entry.candidate.policy.kind,
            "policy": entry.candidate.policy.model_dump(mode="json", by_alias=True),
            **asdict(entry.score),
            "share": entry.score.trainings / self.looks,
            "periodic": {"loss": entry.periodic, "gain_kept": self.kept(entry.periodic)},
            "clocked": None
            if entry.clocked is None
            else {"loss": entry.clocked, "gain_kept": self.kept(entry.clocked)},
            "oracle": {"loss": entry.hindsight, "gain_kept": self.kept(entry.hindsight)},
            "losses": _plain(entry.losses[self.first :]),
            "trained": [
                {
                    "at": looks[trained.look].now.isoformat(),
                    "window": self.table.board.matrix.windows[trained.model[0]],
                    "served": trained.served,
                    "seconds": trained.seconds,
                }
                for trained in entry.play.trainings
            ],
            "recommendation": asdict(entry.choice) if entry.choice else None,
            "decisions": [
                {"now": looks[entry.play.first + place].now.isoformat(), **told(choice)}
                for place, choice in enumerate(entry.play.choices)
            ],
        }


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
    first = first_champion(board, "all")[1]
    looks = len(board.matrix.looks) - first - 1
    if looks < FEWEST_LOOKS:
        raise HistoryUnusable(
            f"{board.matrix.name} has {looks} looks after its first champion, and fewer than {FEWEST_LOOKS} tell no "
            "policy from another; give a longer history (--from, --to), or a shorter monitor.window."
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
        comparison=_compared(table, entries[compare[0]], entries[compare[1]], looks) if compare else None,
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


def _compared(table: Table, first: Entry, second: Entry, looks: int) -> Comparison:
    found = difference(second.losses, first.losses, seed=table.spec.train.seed)
    metric, reasons = table.board.matrix.metric, []
    sure = f"from {found.low:+.4f} to {found.high:+.4f}, each bound at 97.5 %, {found.windows} windows"
    if found.is_worse:
        reasons.append(
            f"{second.candidate.name} is worse than {first.candidate.name}: {metric} {second.score.loss:.4f} against "
            f"{first.score.loss:.4f}, {found.mean:+.4f} a window ({sure})"
        )
    allowed = most_trainings(second.candidate.policy, looks)
    if allowed is not None and second.score.trainings > allowed:
        reasons.append(
            f"{second.candidate.name} trains {second.score.trainings} times in {looks} looks, and its budget allows "
            f"{allowed}"
        )
    if reasons:
        return Comparison(first.candidate.name, second.candidate.name, found, True, tuple(reasons))
    calm = (
        f"{second.candidate.name} is not shown to be worse than {first.candidate.name}: {metric} "
        f"{second.score.loss:.4f} against {first.score.loss:.4f}, {found.mean:+.4f} a window ({sure}), with "
        f"{second.score.trainings} trainings against {first.score.trainings}"
    )
    return Comparison(first.candidate.name, second.candidate.name, found, False, (calm,))


def most_trainings(policy: Policy, looks: int) -> int | None:
    """Return how many trainings a policy's budget allows in so many looks; None where it has none."""
    import math

    budget = getattr(policy, "budget", None)
    return None if budget is None else math.ceil(budget.start + budget.share * looks)


def told(choice: Any) -> dict[str, Any]:
    """Turn a kept decision into JSON: the same keys for every kind."""
    if not isinstance(choice, VersionsChoice):
        return choice.to_dict()
    return {
        "action": choice.action,
        "wish": choice.wish,
        "held_by": choice.held_by,
        "window": choice.window,
        "tree": {"train": choice.train.to_dict(), "warn": choice.warn.to_dict()},
        "readings": {name: signal.to_dict() for name, signal in choice.signals.items()},
        "correction": asdict(choice.shift) if choice.shift else None,
    }


# What a matrix can tell by itself; others are measured on rows, where the table has measures of them.
MEASURED = {
    *("age", "relative_age", "excess_loss", "quality", "trainings_without_gain", "promotions_lately"),
}


def _unmeasured(table: Table, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Say which signals rules ask for in vain."""
    from airflow_mlops.spec.rule_sections import Compare, parts

    notes, measured = [], MEASURED if table.measures is None else MEASURED | NAMES
    for candidate in candidates:
        rules = [rule for name in ("train", "warn") if (rule := getattr(candidate.policy, name, None)) is not None]
        asked = {part.signal for rule in rules for part in parts(rule) if isinstance(part, Compare)}
        if missing := sorted(asked - measured):
            notes.append(
                f"{candidate.name} asks for {', '.join(missing)}, which a backtest does not measure: the rules took it "
                "as unknown"
            )
    return tuple(notes)


def _plain(losses: np.ndarray) -> list[float | None]:
    """Turn losses into JSON, which knows no 'not a number'."""
    return [None if loss != loss else float(loss) for loss in losses]
