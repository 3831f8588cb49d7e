"""A matrix as a policy sees it, window by window: what was known at each look, what combinations of models say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.correction import correction, distance, unit
from airflow_mlops.loop.past import Shift
from airflow_mlops.replay.known import Known
from airflow_mlops.stages.links import losses_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_mlops.replay.matrix import Matrix
    from airflow_mlops.spec.policy_sections import Correction

# A model: its training window and its look, as places in the matrix.
Model = tuple[int, int]
NO_SHIFT = 0.0
# Positions are quotients of seconds: those of one moment may differ by so much.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Serving:
    """What answers: members with their weights, in order, and the correction."""

    weights: tuple[tuple[Model, float], ...]
    shift: Any = NO_SHIFT


@dataclass
class Board:
    """A matrix, and what was computed from it once for all policies.

    Parameters
    ----------
    matrix : Matrix
        Models x cells.
    maturity : float
        Share of a window's labels that must be there before it is judged.
    """

    matrix: Matrix
    maturity: float = 0.9
    _losses: dict[tuple[Serving, int], float] = field(default_factory=dict)
    _shifts: dict[tuple[Any, ...], tuple[Any, float, int] | None] = field(default_factory=dict)

    @cached_property
    def positions(self) -> np.ndarray:
        """Give the looks' times in windows: they are one window apart, but for what a calendar adds."""
        import numpy as np

        times = np.array([look.now.timestamp() for look in self.matrix.looks])
        return (times - times[0]) / self.window_seconds

    @cached_property
    def window_seconds(self) -> float:
        """Give the length of a judged window."""
        first, last = self.matrix.looks[-1].judged
        cells = self.matrix.cells
        return (cells[last - 1].end - cells[first].start).total_seconds()

    @cached_property
    def lengths(self) -> np.ndarray:
        """Give the length of each cell, in windows; the last ends with the history, and counts as a whole step."""
        import numpy as np

        spans = np.array([(cell.end - cell.start).total_seconds() for cell in self.matrix.cells]) / self.window_seconds
        if len(self.matrix.looks) > 1:
            spans[-1] = np.median(np.diff(self.positions))
        return spans

    @cached_property
    def starts(self) -> np.ndarray:
        """Give where each look's window begins, in windows."""
        import numpy as np

        origin = self.matrix.looks[0].now.timestamp()
        begins = [self.matrix.cells[look.judged[0]].start.timestamp() for look in self.matrix.looks]
        return (np.array(begins) - origin) / self.window_seconds

    @cached_property
    def ready(self) -> np.ndarray:
        """Give the look at which each look's window had enough labels; beyond the last where it never had."""
        import numpy as np

        matrix, found = self.matrix, []
        nows = np.array([np.datetime64(look.now.replace(tzinfo=None), "ns") for look in matrix.looks])
        for place, look in enumerate(matrix.looks):
            arrived = np.concatenate([matrix.arrived[cell, : matrix.rows[cell]] for cell in range(*look.judged)])
            needed = int(np.ceil(self.maturity * len(arrived)))
            if needed == 0:
                found.append(len(matrix.looks))
                continue
            enough = np.sort(arrived.astype("datetime64[ns]"))[needed - 1]
            found.append(max(place, int(np.searchsorted(nows, enough))))
        return np.array(found)

    @cached_property
    def known(self) -> Known:
        """Tell which labels a decision may count."""
        return Known(self.matrix, self.ready)

    @cached_property
    def members(self) -> np.ndarray:
        """Give each model's loss in each look's window, shape (W, K, K): not a number where it has trained on it."""
        import numpy as np

        matrix = self.matrix
        rows = self.known.in_time.sum(axis=1).astype("float64")
        found = np.full((*matrix.losses.shape[:2], len(matrix.looks)), np.nan)
        for place, look in enumerate(matrix.looks):
            first, last = look.judged
            inside = slice(first, last)
            total = rows[inside].sum()
            if total == 0:
                continue
            each = np.stack([self._means(cell) for cell in range(first, last)], axis=-1)
            losses = np.where(rows[inside] > 0, each, 0.0)
            # A model that has trained on a part of the window is no witness for the rest.
            found[:, :, place] = np.where(matrix.unseen[None, :] <= first, losses @ rows[inside] / total, np.nan)
        return found

    def _means(self, cell: int) -> np.ndarray:
        """Give each model's mean loss in a cell, over the labels that came in time; shape (W, K)."""
        matrix, in_time = self.matrix, self.known.in_time[cell]
        if not self.known.is_partial[cell] or not in_time.any():
            return matrix.losses[:, :, cell]
        target, said = matrix.target[cell, in_time], matrix.outputs[:, :, cell][:, :, in_time]
        return losses_of(matrix.task, target, said, matrix.metric, clip=matrix.clip).mean(axis=-1)

    def counted(self, losses: np.ndarray, servings: Sequence[tuple[int, Serving]], cell: int) -> tuple[float, int]:
        """Return what was lost in a cell by the labels that came in time, and how many sampled rows these are."""
        if not self.known.is_partial[cell]:
            return float(losses[cell]), int(self.matrix.rows[cell])
        served = next(serving for first, serving in reversed(servings) if first <= cell)
        each = self.row_losses(served, [cell], self.known.in_time)
        return (float(each.mean()) if each.size else 0.0), each.size

    def loss(self, serving: Serving, cell: int) -> float:
        """Return the mean loss of what serves in a cell; not a number where no row has a label."""
        if len(serving.weights) == 1 and _is_none(serving.shift):
            (window, look), _ = serving.weights[0]
            return float(self.matrix.losses[window, look, cell])
        key = (serving, cell)
        if key not in self._losses:
            self._losses[key] = self._loss(serving, cell)
        return self._losses[key]

    def _loss(self, serving: Serving, cell: int) -> float:
        count = int(self.matrix.rows[cell])
        if count == 0:
            return float("nan")
        return float(self.row_losses(serving, [cell]).mean())

    def row_losses(self, serving: Serving, cells: Sequence[int], known: np.ndarray | None = None) -> np.ndarray:
        """Return the loss of each sampled row of some cells, or of those ``known``."""
        output, target = self.outputs(serving.weights, cells, known)
        return losses_of(self.matrix.task, target, output + serving.shift, self.matrix.metric, clip=self.matrix.clip)

    def outputs(
        self, weights: Sequence[tuple[Model, float]], cells: Sequence[int], known: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted outputs, without a correction, and the targets of the sampled rows of some cells.

        Parameters
        ----------
        weights : sequence of (Model, float)
            What answers.
        cells : sequence of int
            In the order of the result.
        known : ndarray of shape (C, S), optional
            Rows that count; default all.
        """
        import numpy as np

        matrix, said, happened = self.matrix, [], []
        # A view without the ways of a memory map, which every slice and product of it would pay for.
        outputs = np.asarray(matrix.outputs)
        for cell in cells:
            count = int(matrix.rows[cell])
            if count == 0:
                continue
            asked: Any = slice(count) if known is None or known[cell, :count].all() else known[cell]
            parts = [weight * outputs[(*model, cell)][asked] for model, weight in weights]
            said.append(sum(parts[1:], parts[0]))
            happened.append(matrix.target[cell, asked])
        shape = (0, *matrix.outputs.shape[4:])
        return (np.concatenate(said), np.concatenate(happened)) if said else (np.empty(shape), np.empty(0))

    def shift(
        self, weights: tuple[tuple[Model, float], ...], windows: tuple[int, ...], settings: Correction, current: Any
    ) -> Shift | None:
        """Measure the correction of some weights on labelled windows that none of the members has trained on.

        Parameters
        ----------
        weights : tuple
            Models with their weights.
        windows : tuple of int
            Looks whose windows are labelled, the newest of them that the correction is measured on.
        settings : Correction
            Of the policy.
        current : float or tuple
            What serves.
        """
        key = (weights, windows, settings.rows)
        if key not in self._shifts:
            self._shifts[key] = self._measure_shift(weights, windows, settings)
        found = self._shifts[key]
        if found is None:
            return None
        value, scale, rows = found
        return Shift(value, distance(value, current) / scale, rows)

    def _measure_shift(
        self, weights: Any, windows: tuple[int, ...], settings: Correction
    ) -> tuple[Any, float, int] | None:
        matrix = self.matrix
        unseen = max(int(matrix.unseen[look]) for (_, look), _ in weights)
        cells = [cell for place in windows for cell in range(*matrix.looks[place].judged)]
        cells = [cell for cell in cells if cell >= unseen]
        output, target = self.outputs(weights, cells, self.known.in_time)
        if not len(target):
            return None
        value = correction(matrix.task, output, target, rows=settings.rows)
        return value, unit(matrix.task, target), len(target)


def _is_none(shift: Any) -> bool:
    return not shift if isinstance(shift, float) else not any(shift)


def as_weights(weights: Mapping[Model, float]) -> tuple[tuple[Model, float], ...]:
    """Order weights, so that the same ones are the same key."""
    return tuple(sorted(weights.items()))
