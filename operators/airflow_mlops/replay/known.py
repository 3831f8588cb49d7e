"""Which labels of a matrix a decision may count: those that had arrived when it was made.

A matrix says of each sampled row what its label is in the end. A window is judged once so many of its labels are there
as ``monitor.maturity`` asks for; the rest may come weeks later, and must have no say in what was decided before.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from airflow_mlops.replay.matrix import Matrix


class Known:
    """Labels by the time they arrived.

    Parameters
    ----------
    matrix : Matrix
        Its labels.
    ready : ndarray of shape (K,)
        The look at which each look's window is judged; K or more where it never is.
    """

    def __init__(self, matrix: Matrix, ready: np.ndarray) -> None:
        self._matrix, self._ready = matrix, ready
        self._by: dict[int, np.ndarray] = {}

    @cached_property
    def in_time(self) -> np.ndarray:
        """Tell which rows had their label when their window was judged, shape (C, S); of no window: all of them."""
        import numpy as np

        matrix, moments = self._matrix, self._moments
        never = np.datetime64("9999-01-01", "us")
        until = np.full(len(matrix.cells), never)
        for look, ready in zip(matrix.looks, self._ready.tolist(), strict=True):
            if ready < len(moments):
                inside = slice(*look.judged)
                until[inside] = np.minimum(until[inside], moments[ready])
        return matrix.arrived <= until[:, None]

    @cached_property
    def is_partial(self) -> np.ndarray:
        """Tell in which cells not every label came in time, shape (C,)."""
        return self.in_time.sum(axis=1) < self._matrix.rows

    def by(self, look: int) -> np.ndarray:
        """Tell which rows had their label at a look, shape (C, S)."""
        if look not in self._by:
            self._by[look] = self._matrix.arrived <= self._moments[look]
        return self._by[look]

    @cached_property
    def _moments(self) -> np.ndarray:
        import numpy as np

        return np.array([np.datetime64(look.now.replace(tzinfo=None), "us") for look in self._matrix.looks])
