"""What trained versions say of the labelled rows of one window: what weights and corrections are measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.correction import correction, distance, unit
from airflow_mlops.loop.past import Shift

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_mlops.spec.policy_sections import Correction


@dataclass(frozen=True, slots=True)
class Card:
    """The answers of some versions to the labelled rows of a window, without any correction.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
        What the outputs are.
    classes : tuple
        Of a classification, in order.
    times : ndarray of datetime64 of shape (n_rows,)
        Event times, UTC.
    target : ndarray of float of shape (n_rows,)
        What happened; of a class its place in ``classes``.
    outputs : mapping of str to ndarray
        By model id, on the link scale: shape (n_rows,), or (n_rows, n_classes) of several classes. Not a number where
        the version was trained on the row.
    """

    task: str
    classes: tuple[Any, ...]
    times: np.ndarray
    target: np.ndarray
    outputs: Mapping[str, np.ndarray]

    def said(self, weights: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted outputs and the targets of the rows that no member has trained on.

        Parameters
        ----------
        weights : mapping of str to float
            By model id; a member that was not asked leaves no row.
        """
        import numpy as np

        if any(name not in self.outputs for name in weights):
            return np.empty((0, len(self.classes)) if self.task == "multiclass" else 0), np.empty(0)
        parts = [weight * self.outputs[name] for name, weight in weights.items()]
        # In this order, so that a sum is the same number as in a backtest.
        output = sum(parts[1:], parts[0])
        # A class that no version knows says nothing of how these are to be weighed or corrected.
        new = np.isfinite(output if output.ndim == 1 else output.sum(axis=1)) & np.isfinite(self.target)
        return output[new], self.target[new]


def measure_shift(
    cards: Sequence[Card],
    weights: Mapping[str, float],
    settings: Correction,
    *,
    serving: float | Sequence[float] | None,
) -> Shift | None:
    """Measure the correction of some weights on labelled windows.

    Parameters
    ----------
    cards : sequence of Card
        Of the windows it is measured on, oldest first. Those with other classes than the newest are passed over: an
        output for a class that nobody knew then is no answer.
    weights : mapping of str to float
        By model id.
    settings : Correction
        Of the policy.
    serving : float, sequence of float or None
        The correction that serves.

    Returns
    -------
    Shift or None
        None where no row is new to all members.
    """
    import numpy as np

    alike = [card for card in cards if card.classes == cards[-1].classes]
    said = [card.said(dict(sorted(weights.items()))) for card in alike] if weights else []
    target = np.concatenate([happened for _, happened in said]) if said else np.empty(0)
    if not len(target):
        return None
    task = alike[-1].task
    value = correction(task, np.concatenate([output for output, _ in said]), target, rows=settings.rows)
    return Shift(value, distance(value, serving) / unit(task, target), len(target))
