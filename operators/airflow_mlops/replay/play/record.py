"""What a policy did with a history, from its first champion on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.errors import HistoryUnusable
from airflow_mlops.replay.board import Serving

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.replay.board import Board, Model
    from airflow_mlops.replay.matrix import Matrix


@dataclass(frozen=True, slots=True)
class Trained:
    """A training that a policy asked for at a look, and whether its version came to serve; if not, the reason."""

    look: int
    model: Model
    served: bool
    seconds: float
    reason: str | None = None

    @classmethod
    def impossible(cls, look: int, model: Model, matrix: Matrix) -> Self:
        """Return a training that brought no version."""
        return cls(look, model, False, 0.0, f"the training was impossible: {matrix.fault_of(model)}")


@dataclass(slots=True)
class Play:
    """What a policy did with a history.

    Attributes
    ----------
    losses : ndarray of shape (n_cells,)
        Mean loss of what served; not a number before the first champion, and where there is no label.
    trainings : list of Trained
        The first champion's left out.
    actions : list of str
        One a look, from the first champion's next look on; ``first`` is that look's place.
    choices : list of Choice or Decision
        All that each decision rested on, where it was asked for.
    servings : list of (int, Serving)
        The first cell that each answered.
    came : list of float
        When versions that were the newest came to serve for the first time, in windows; the first champion's first.
        Empty where the newest version is all that serves.
    answered : int
        The first cell that nothing has answered yet.
    """

    losses: np.ndarray
    first: int
    trainings: list[Trained] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    choices: list[Any] = field(default_factory=list)
    servings: list[tuple[int, Serving]] = field(default_factory=list)
    came: list[float] = field(default_factory=list)
    answered: int = 0

    @classmethod
    def begin(cls, board: Board) -> Self:
        """Let the first champion serve.

        Raises
        ------
        HistoryUnusable
            No look had what a training needs.
        """
        import numpy as np

        model = first_champion(board)
        serves = board.matrix.looks[model[1]].serves
        play = cls(np.full(len(board.matrix.cells), np.nan), model[1] + 1, answered=serves)
        play.servings.append((serves, Serving(((model, 1.0),))))
        return play

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return sum(trained.seconds for trained in self.trainings)

    @property
    def serving(self) -> Serving:
        """What serves."""
        return self.servings[-1][1]

    def answer(self, board: Board, until: int) -> None:
        """Let what serves answer up to a cell."""
        serving = self.serving
        for cell in range(self.answered, until):
            self.losses[cell] = board.loss(serving, cell)
        self.answered = max(until, self.answered)


def first_champion(board: Board) -> Model:
    """Return the first model there is, of the training window "all" or else of any.

    Raises
    ------
    HistoryUnusable
        No look had what a training needs.
    """
    import numpy as np

    matrix = board.matrix
    for look in np.flatnonzero(matrix.trained.any(axis=0)).tolist():
        there = np.flatnonzero(matrix.trained[:, look]).tolist()
        asked = matrix.windows.index("all") if "all" in matrix.windows else there[0]
        return (asked if asked in there else there[0], look)
    raise HistoryUnusable(
        f"no look of {matrix.name} had rows enough for a training ({len(matrix.looks)} looks); begin later, or "
        "lengthen the history."
    )
