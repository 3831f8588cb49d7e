"""A search for the slice on which a challenger does worst beside the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.gate.check import Check
from airflow_mlops.loop.gate.simultaneous import errors_together
from airflow_mlops.loop.gate.units import units_of
from airflow_mlops.spec.gate_sections import FEWEST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Slice:
    name: str
    rows: int
    challenger: float
    opponent: float
    low: float
    is_worse: bool

    @property
    def change(self) -> float:
        """Relative increase of the loss."""
        return self.challenger / self.opponent - 1 if self.opponent else float(self.challenger > 0)

    def to_dict(self) -> dict[str, Any]:
        """Turn into a JSON object."""
        return {
            "slice": self.name,
            "rows": self.rows,
            "challenger_loss": self.challenger,
            "champion_loss": self.opponent,
            "change": self.change,
            "low": self.low,
        }

    def __str__(self) -> str:
        return f"{self.name} ({self.rows} rows): {self.challenger:.4f} against {self.opponent:.4f}, {self.change:+.1%}"


def worst_slice_check(
    challenger: np.ndarray,
    champion: np.ndarray,
    slices: Mapping[str, np.ndarray],
    *,
    blocks: np.ndarray | None = None,
    metric: str = "loss",
    margin: float = 0.1,
    min_rows: int = 100,
    false_alarms: float = 0.05,
    seed: int = 0,
) -> Check:
    """Ask that on no slice the challenger be shown worse than the champion by more than a margin.

    Parameters
    ----------
    challenger, champion : ndarray of shape (n_rows,)
        Losses of all rows.
    slices : mapping of str to ndarray of bool
        Rows of each slice, by a name people understand.
    blocks : ndarray of shape (n_rows,), optional
        As for `judge`; a slice whose rows lie in fewer than 5 blocks is passed over.
    metric : str
        Name of the loss, for the sentence.
    margin : float, default=0.1
        Relative increase over the champion's loss on the slice that is let pass.
    min_rows : int, default=100
        Slices with fewer rows are passed over.
    false_alarms : float, default=0.05
        Share of searches in which some slice may be called worse by more than the margin where none is.
    seed : int
        Of the draws that correct for the number of slices.

    Returns
    -------
    Check
        Failed where a slice is shown to be worse, with the risk ``slice_drop`` where one only looks it.
    """
    units = units_of(len(challenger), blocks)
    used = {
        name: mask
        for name, mask in slices.items()
        if int(mask.sum()) >= min_rows and (blocks is None or len(set(units[mask].tolist())) >= FEWEST_BLOCKS)
    }
    if not used:
        where = "" if blocks is None else f" in {FEWEST_BLOCKS} blocks of time"
        sentence = f"no slice was searched: none of {len(slices)} has {min_rows} held-out rows{where}"
        return Check("worst slice", "slice", "pass", sentence, rows=len(challenger), detail={"slices": 0, "worst": []})
    found = _measured(challenger, champion, used, units, 1 + margin, blocks is not None, false_alarms, seed)
    # Shown before looks, and among these by how much.
    found.sort(key=lambda each: (not each.is_worse, -each.change))
    return _check(found, metric, margin)


def _measured(
    challenger: np.ndarray,
    champion: np.ndarray,
    slices: Mapping[str, np.ndarray],
    units: np.ndarray,
    factor: float,
    is_block: bool,
    false_alarms: float,
    seed: int,
) -> list[_Slice]:
    import numpy as np

    masks = np.column_stack(list(slices.values())).astype("float64")
    sizes = masks.sum(axis=0)
    excess = challenger - factor * champion
    mean = excess @ masks / sizes
    influence = masks * (excess[:, None] - mean) / sizes
    error, width = errors_together(influence, units, is_block=is_block, false_alarms=false_alarms, seed=seed)
    low = np.where(error > 0, mean - np.where(error > 0, width, 0.0) * error, mean)
    mine, others = challenger @ masks / sizes, champion @ masks / sizes
    rows = zip(slices, sizes, mine, others, low, strict=True)
    return [
        _Slice(name, int(size), float(own), float(other), float(bound), bool(bound > 0))
        for name, size, own, other, bound in rows
    ]


def _check(found: list[_Slice], metric: str, margin: float) -> Check:
    worst = found[0]
    looks_worse = worst.change > margin
    if worst.is_worse:
        sentence = (
            f"the challenger is shown to be worse than the champion by more than {margin:.0%} on a slice, by {metric}: "
            f"{worst}; look at these rows, or train with more of them"
        )
    elif looks_worse:
        sentence = (
            f"on no slice of {len(found)} the challenger is shown to be worse than the champion by more than "
            f"{margin:.0%}, but on {worst} by {metric} it looks it; more held-out rows would tell"
        )
    else:
        sentence = (
            f"on no slice of {len(found)} the challenger is worse than the champion by more than {margin:.0%}; "
            f"the worst by {metric} is {worst}"
        )
    return Check(
        "worst slice",
        "slice",
        "fail" if worst.is_worse else "pass",
        sentence,
        value=worst.change,
        limit=margin,
        rows=worst.rows,
        risk="slice_drop" if looks_worse and not worst.is_worse else None,
        detail={"slices": len(found), "worst": [each.to_dict() for each in found[:_SHOWN]]},
    )
