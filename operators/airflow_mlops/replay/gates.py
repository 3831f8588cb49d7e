"""The gates of a live model, on the rows of a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.loop.correction import unit
from airflow_mlops.loop.gate import judge
from airflow_mlops.loop.light_gate import judge_light

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from airflow_mlops.replay.board import Board, Model, Serving
    from airflow_mlops.spec.gate_sections import GateSpec


@dataclass(frozen=True)
class Gates:
    """Judges what would serve, as *evaluate* does.

    Parameters
    ----------
    board : Board
        The history.
    settings : GateSpec
        The spec's ``evaluate.gate``.
    memory : float
        Of the policy, for the light gate.
    seed : int
        The spec's ``train.seed``.
    """

    board: Board
    settings: GateSpec
    memory: float = 0.8
    seed: int = 0

    def refusal(self, challenger: Serving, champion: Serving, model: Model, look: int) -> str | None:
        """Judge what a training would bring on the labelled rows that its new version has not seen.

        Returns
        -------
        str or None
            Why the full gate refuses it; None where it passes.
        """
        matrix = self.board.matrix
        first, last = int(matrix.unseen[model[1]]), matrix.looks[look].judged[1]
        cells = list(range(first, last))
        known = self.board.known.by(look)
        if not known[first:last].any():
            return "no row that the version has not seen has a label yet"
        verdict = judge(
            self.board.row_losses(challenger, cells, known),
            baseline=self._baseline(model, cells, known),
            champion=self.board.row_losses(champion, cells, known),
            blocks=self._blocks(cells, known),
            metric=matrix.metric,
            margin=self.settings.margin,
            confidence=self.settings.confidence,
            resamples=self.settings.resamples,
            min_rows=self.settings.min_rows,
            seed=self.seed,
            # The matrix has losses and no scores, so rankings are judged here by their losses.
            test="bootstrap" if self.settings.test == "delong" else self.settings.test,
            goal=self.settings.goal,
        )
        return None if verdict.verdict == "pass" else verdict.reasons[0]

    def light(self, challenger: Serving, champion: Serving, windows: Sequence[int]) -> bool:
        """Judge other weights or another correction on the labelled windows that they were weighed on."""
        import numpy as np

        matrix, known = self.board.matrix, self.board.known.in_time
        unseen = max(int(matrix.unseen[look]) for side in (challenger, champion) for (_, look), _ in side.weights)
        judged = [range(*matrix.looks[window].judged) for window in windows]
        cells = [list(window) for window in judged if window.start >= unseen]
        if not cells:
            return judge_light([], [], memory=self.memory, change=0.0).verdict == "pass"
        flat = [cell for window in cells for cell in window]
        mine, target = self.board.outputs(challenger.weights, flat, known)
        others, _ = self.board.outputs(champion.weights, flat, known)
        change = float(np.abs((mine + challenger.shift) - (others + champion.shift)).mean()) / unit(matrix.task, target)
        verdict = judge_light(
            [self.board.row_losses(challenger, window, known) for window in cells],
            [self.board.row_losses(champion, window, known) for window in cells],
            memory=self.memory,
            change=change,
            metric=matrix.metric,
            margin=self.settings.margin,
        )
        return verdict.verdict == "pass"

    def _baseline(self, model: Model, cells: Sequence[int], known: np.ndarray) -> np.ndarray:
        import numpy as np

        from airflow_mlops.stages.links import losses_of

        matrix = self.board.matrix
        target = np.concatenate([matrix.target[cell, known[cell]] for cell in cells])
        constant = matrix.baseline[model]
        output = np.broadcast_to(constant, (len(target), *np.shape(constant)))
        return losses_of(matrix.task, target, output, matrix.metric, clip=matrix.clip)

    def _blocks(self, cells: Sequence[int], known: np.ndarray) -> np.ndarray | None:
        """Name the block of time of each row; without a length in the settings rows count as independent."""
        import numpy as np

        if not self.settings.block:
            return None
        matrix = self.board.matrix
        times = np.concatenate([matrix.times[cell, known[cell]] for cell in cells]).astype("datetime64[s]")
        start = np.datetime64(matrix.cells[cells[0]].start.replace(tzinfo=None), "s")
        return (times - start) // np.timedelta64(int(self.settings.block.total_seconds()), "s")
