"""Everything a backtest found, as JSON too."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_mlops import __version__
from airflow_mlops.loop.choice import Choice as VersionsChoice
from airflow_mlops.replay.choose_setting import FEWEST_LOOKS, grid
from airflow_mlops.replay.measure import best_every, kept, mean_loss, never
from airflow_mlops.replay.streams import count_looks

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from airflow_mlops.replay.choose_setting import Choice
    from airflow_mlops.replay.play import Play
    from airflow_mlops.replay.plays import Table
    from airflow_mlops.replay.report.candidate import Candidate
    from airflow_mlops.replay.report.comparison import Comparison
    from airflow_mlops.replay.score import Score

SCHEMA_VERSION = 1
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


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

    def refusals(self) -> list[str]:
        """Say of each policy why trainings brought nothing: like reasons together, with the first as their example."""
        return [
            f"{entry.candidate.name}: {_refused(len(reasons))}{reasons[0]}"
            for entry in self.entries
            for reasons in _alike(trained.reason for trained in entry.play.trainings if trained.reason)
        ]

    def recommendations(self) -> list[str]:
        """Say of each policy which setting is recommended."""
        return [
            f"{entry.candidate.name}: {entry.choice.sentence if entry.choice else self._without(entry.candidate)}"
            for entry in self.entries
        ]

    def _without(self, candidate: Candidate) -> str:
        """Say why no setting is recommended."""
        if grid(candidate.policy):
            why = f"{count_looks(self.looks)} are fewer than the {FEWEST_LOOKS} that it takes to judge one."
        elif candidate.policy.kind == "schedule":
            why = "a schedule has no price, threshold or allowance."
        else:
            why = "its training rule is its own."
        return f"there is no setting to choose: {why}"

    def sentences(self) -> list[str]:
        """Give why trainings brought nothing, the recommendations, then what the comparison came to."""
        return [*self.refusals(), *self.recommendations(), *(self.comparison.reasons if self.comparison else ())]

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
                    "reason": trained.reason,
                }
                for trained in entry.play.trainings
            ],
            "recommendation": asdict(entry.choice) if entry.choice else None,
            "decisions": [
                {"now": looks[entry.play.first + place].now.isoformat(), **_told(choice)}
                for place, choice in enumerate(entry.play.choices)
            ],
        }


def _alike(reasons: Iterable[str]) -> list[list[str]]:
    """Put reasons together that differ in their numbers only; the most frequent first."""
    found: dict[str, list[str]] = {}
    for reason in reasons:
        found.setdefault(_NUMBER.sub("#", reason), []).append(reason)
    return sorted(found.values(), key=len, reverse=True)


def _refused(count: int) -> str:
    return "1 training refused: " if count == 1 else f"{count} trainings refused, such as: "


def _told(choice: Any) -> dict[str, Any]:
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


def _plain(losses: np.ndarray) -> list[float | None]:
    """Turn losses into JSON, which knows no 'not a number'."""
    return [None if loss != loss else float(loss) for loss in losses]
