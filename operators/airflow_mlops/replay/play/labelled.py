"""The windows of a play whose labels are known, taken in as the labels come."""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING

from airflow_mlops.loop.past import first_losses
from airflow_mlops.replay.board import ROUNDING

if TYPE_CHECKING:
    from airflow_mlops.loop.past import Past
    from airflow_mlops.replay.board import Board
    from airflow_mlops.replay.play.record import Play


class Waiting:
    """Looks whose windows wait for their labels."""

    def __init__(self, board: Board) -> None:
        self._ready = board.ready.tolist()
        self._looks: list[int] = []

    def due(self, look: int) -> list[int]:
        """Let this look's window wait too, and release those whose labels are enough by now."""
        self._looks.append(look)
        due = [window for window in self._looks if self._ready[window] <= look]
        self._looks = [window for window in self._looks if self._ready[window] > look]
        return due


class Labelled:
    """Tells the past of a play what was served lost.

    Parameters
    ----------
    board : Board
        The history.
    play : Play
        What served.
    past : Past
        Its ``starts``, ``served`` and ``fresh`` grow.

    Attributes
    ----------
    windows : list of int
        The windows in the past, as places of their looks, oldest first.
    """

    def __init__(self, board: Board, play: Play, past: Past) -> None:
        self.board, self.play, self.past = board, play, past
        self.windows: list[int] = []
        self._waiting = Waiting(board)

    def learn(self, look: int) -> None:
        """Take in the windows whose labels are enough by now."""
        for window in self._waiting.due(look):
            loss = self._served_loss(window)
            if loss is not None:
                self._take_in(window, loss)

    def _take_in(self, window: int, loss: float) -> None:
        past, came, start = self.past, self.play.came, float(self.board.starts[window])
        if past.starts and start < past.starts[-1]:
            self._insert(window, start, loss)
            return
        self.windows.append(window)
        past.starts.append(start)
        past.served.append(loss)
        # What `first_losses` gives, window by window.
        if len(past.fresh) < len(came) and start >= came[len(past.fresh)] - ROUNDING:
            past.fresh.append(loss)

    def _insert(self, window: int, start: float, loss: float) -> None:
        """Take in a window whose labels came after those of a later one: in its place, as a ledger orders them."""
        past, place = self.past, bisect(self.past.starts, start)
        self.windows.insert(place, window)
        past.starts.insert(place, start)
        past.served.insert(place, loss)
        past.fresh = first_losses(past.starts, past.served, [at - ROUNDING for at in self.play.came])

    def _served_loss(self, window: int) -> float | None:
        """Return what was served lost in a look's window; None where the first champion did not serve all of it."""
        first, last = self.board.matrix.looks[window].judged
        if first < self.play.servings[0][0]:
            return None
        found = [self.board.counted(self.play.losses, self.play.servings, cell) for cell in range(first, last)]
        found = [(loss, rows) for loss, rows in found if rows]
        if len(found) == 1:
            return found[0][0]
        total = sum(rows for _, rows in found)
        return sum(loss * rows for loss, rows in found) / total if total else None
