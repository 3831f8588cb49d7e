"""What losses are held against: the zero and the one of the gain kept, of the strict reference, and what is a control."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.replay.measure import best_every, by_look, mean_loss, never
from airflow_mlops.replay.noise import FEWEST_WINDOWS, difference
from airflow_mlops.replay.periodic import clocked
from airflow_mlops.replay.plays import Table
from airflow_mlops.spec.policy_sections import CommitteePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.loop.arena import Arena


@dataclass(frozen=True, slots=True)
class Reference:
    """Mean losses of one stream that others are measured between.

    Attributes
    ----------
    never, every : float
        Zero and one of the gain kept: the first champion alone; a training at every batch, with the better window.
    draws : tuple of float
        Of models like the first champion on other draws of the rows of its window, itself the first.
    bag : float
        Of the static bag of eight.
    every_committee : float
        A training at every batch, and the committee serving.
    gain, low : float
        Mean of what training at every batch gains over never, by batch, and its one-sided bound at 95 %; no bound with
        fewer than ten batches.
    control : bool
        Nothing is gained beyond noise, or the stream was named a control.
    """

    never: float
    every: float
    draws: tuple[float, ...]
    bag: float
    every_committee: float
    gain: float
    low: float | None
    control: bool

    def kept(self, loss: float) -> float | None:
        """Return the gain kept; None where training at every batch gives the very same loss as never training."""
        return _between(self.never, self.every, loss)

    def kept_of_draws(self, loss: float) -> float | None:
        """Return the gain kept where zero is the mean of the draws: without the luck of the first champion's."""
        return _between(sum(self.draws) / len(self.draws), self.every, loss)

    def strict(self, loss: float) -> float | None:
        """Return the gain kept by the strict reference.

        0 is the better of the static champion and the static bag, 1 is training at every batch and serving the
        committee; None where these two are the same or in the wrong order.
        """
        zero = min(self.never, self.bag)
        return _between(zero, self.every_committee, loss) if zero > self.every_committee else None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return asdict(self)


def reference_of(arena: Arena, controls: Sequence[str] | None) -> Reference:
    """Measure what the losses of a stream are held against.

    Parameters
    ----------
    arena : Arena
        The stream.
    controls : sequence of str, optional
        Names of the streams without drift; by default one where training at every batch gains nothing over never
        training beyond noise: the one-sided bound at 95 % of the mean gain, from a paired bootstrap of blocks of
        batches, is not above zero. With fewer than ten batches the mean itself is asked.
    """
    board = arena.board
    nothing, most = never(board), best_every(board)
    table = Table(board, arena.spec, gated=False)
    gained = difference(by_look(board, nothing), by_look(board, most))
    is_gain = gained.mean > 0 if gained.windows < FEWEST_WINDOWS else gained.low > 0
    return Reference(
        never=mean_loss(board, nothing),
        every=mean_loss(board, most),
        draws=tuple(mean_loss(board, _served(arena, draw)) for draw in arena.first.draws),
        bag=mean_loss(board, _served(arena, arena.first.bag)),
        every_committee=clocked(table, CommitteePolicy(), len(board.matrix.looks)),
        gain=gained.mean,
        low=gained.low if math.isfinite(gained.low) else None,
        control=arena.name in controls if controls is not None else not is_gain,
    )


def _served(arena: Arena, losses: Any) -> Any:
    """Leave out the cells before the first champion served."""
    import numpy as np

    return np.where(np.isfinite(never(arena.board)), losses, np.nan)


def _between(zero: float, one: float, loss: float) -> float | None:
    return (zero - loss) / (zero - one) if zero != one else None
