"""What a policy computes with: the numbers of a model's past, which the ledger and the backtest both can give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from airflow_mlops.loop.signal import Signal


@dataclass(slots=True)
class Shift:
    """A correction measured for what is to serve, as ``value``.

    ``moved`` is how far it is from the correction that serves, in logits or, of a regression, in mean absolute
    deviations of the target. ``rows`` counts the labels it was measured on.
    """

    value: float | tuple[float, ...]
    moved: float
    rows: int


def settled(shift: Shift | None, *, bound: float, serving: Any) -> Any:
    """Return the correction that is made of a measured one.

    Parameters
    ----------
    shift : Shift or None
        None, where no label says anything, is no correction.
    bound : float
        Of one that has moved farther nothing is believed: what serves stays.
    serving : float or sequence of float
        The correction that serves.
    """
    if shift is None:
        return 0.0
    return serving if shift.moved > bound else shift.value


def first_losses(starts: Sequence[Any], losses: Sequence[float], since: Sequence[Any]) -> list[float]:
    """Return the loss of the first whole window after each of some times; a window counts for one of them.

    Parameters
    ----------
    starts, losses : sequence
        Of windows, the oldest first.
    since : sequence
        Times, in the unit of ``starts``, the oldest first.
    """
    found: list[float] = []
    for start, loss in zip(starts, losses, strict=True):
        if len(found) < len(since) and start >= since[len(found)]:
            found.append(loss)
    return found


@dataclass(slots=True)
class Past:
    """What is known of a model at a look. Times are in windows, from any moment on; lists have the oldest first.

    Attributes
    ----------
    now : float
        Of the look.
    looks : int
        Since the first champion, this one included.
    trained : list of float
        Ends of the trainings, refused ones among them, the first champion's the first.
    refused : int
        Trainings since the last that brought a version which served.
    returns : list of float
        When an earlier version was elected.
    before : model id or None
        What served alone before what serves now, where that serves alone too.
    came : float
        When what serves now came to serve.
    starts, served : list of float
        Labelled windows: where they start, and the mean loss of what was served.
    fresh : list of float
        Loss of the first whole window after each training whose version served.
    pool : sequence
        The latest trained versions: model ids, or their places in a matrix.
    losses : ndarray of shape (n_pool, n_windows)
        Their losses in the newest labelled windows; NaN where a version was trained on it, or not asked.
    serving : mapping
        Weights of the members that serve; empty where something else does.
    measured : mapping
        Signals of this look that were measured on rows.
    earlier : sequence of mapping
        Signals of the looks before, as `Choice.signals` had them.
    correct : callable or None
        Gives the correction for some weights, or None where there are no labels for it; None: nothing is corrected.
    spent_trainings, spent_seconds : int, float
        In the last 30 days.
    cools : bool
        The cooldown after the last training lasts.
    hour : int or None
        Of the clock, UTC; None in a backtest, which has no clock.
    """

    now: float
    looks: int
    trained: list[float]
    refused: int = 0
    returns: list[float] = field(default_factory=list)
    before: Any = None
    came: float = 0.0
    starts: list[float] = field(default_factory=list)
    served: list[float] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)
    pool: Sequence[Any] = ()
    losses: np.ndarray | None = None
    serving: Mapping[Any, float] = field(default_factory=dict)
    measured: Mapping[str, Signal] = field(default_factory=dict)
    earlier: Sequence[Mapping[str, Signal]] = ()
    correct: Callable[[Mapping[Any, float]], Shift | None] | None = None
    spent_trainings: int = 0
    spent_seconds: float = 0.0
    cools: bool = False
    hour: int | None = None
