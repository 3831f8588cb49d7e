"""What losses are held against: zero and one of the gain kept, of the strict reference, and what is a control."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.replay.measure import best_every, by_look, mean_loss, never
from airflow_mlops.replay.noise import difference
from airflow_mlops.replay.periodic import clocked
from airflow_mlops.replay.plays import Table
from airflow_mlops.spec.policy_sections import CommitteePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.loop.arena import Arena

LARGE_GAIN = 0.05
"""Part of the loss of never training; a stream where training at every batch gains as much is no control."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Mean losses of one stream that others are measured between.

    Attributes
    ----------
    never, every : float
        Zero and one of the gain kept: the mean of the draws; a training at every batch, with the better window.
    draws : tuple of float
        Of the first champion alone, and of models like it on other draws of the rows of its window. Where a training
        takes a sample of the window's rows, what never training loses depends on the luck of one draw, and training at
        every batch is an average of a hundred.
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

    def kept_of_one_draw(self, loss: float) -> float | None:
        """Return the gain kept where zero is the first champion's loss, with the luck of its draw."""
        return _between(self.draws[0], self.every, loss)

    def strict(self, loss: float) -> float | None:
        """Return the gain kept by the strict reference.

        0 is the better of never training and the static bag, 1 is training at every batch and serving the
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
        Names of the streams without drift; by default one where training at every batch gains less than 5 % of the loss
        of never training, and nothing beyond noise: the one-sided bound at 95 % of the mean gain, from a paired
        bootstrap of blocks of batches, is not above zero. Large gains count even where few batches cannot prove them:
        one change late in a stream is seen once.
    """
    board, table = arena.board, Table(arena.board, arena.spec, gated=False)
    served = [_served(arena, draw) for draw in arena.first.draws]
    most, draws = best_every(board), tuple(mean_loss(board, losses) for losses in served)
    gained = difference(by_look(board, sum(served) / len(served)), by_look(board, most))
    is_gain = gained.low > 0 or gained.mean >= LARGE_GAIN * sum(draws) / len(draws)
    return Reference(
        never=sum(draws) / len(draws),
        every=mean_loss(board, most),
        draws=draws,
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
