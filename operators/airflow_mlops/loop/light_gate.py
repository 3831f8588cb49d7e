"""Whether other weights, or another correction, of versions already trained may replace what serves.

No new model has to prove itself here: the members have all served or been judged before. So the gate is lighter than
that of a training: the change must be sane, bounded, and no loss on the labelled past that it was weighed on. That past
chose the weights, so it is no proof that the change is better, only that it is not plainly worse.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# Mean change of an answer, in logits or mean absolute deviations of a regression's target.
LARGEST_CHANGE = 2.0


@dataclass(frozen=True, slots=True)
class LightVerdict:
    """What the light gate decided, and on what; losses are None where there was no row to judge on."""

    verdict: Literal["pass", "fail"]
    reasons: tuple[str, ...]
    metric: str
    n: int
    windows: int
    challenger_loss: float | None = None
    champion_loss: float | None = None
    change: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return asdict(self)


def judge_light(
    challenger: Sequence[np.ndarray],
    champion: Sequence[np.ndarray],
    *,
    memory: float,
    change: float,
    metric: str = "loss",
    margin: float = 0.01,
) -> LightVerdict:
    """Compare what would serve with what serves, on labelled windows that no member of either has trained on.

    Parameters
    ----------
    challenger, champion : sequence of ndarray of shape (n_rows_of_window,)
        Loss of each row, one array a window, the oldest first.
    memory : float
        Weight of a window relative to the one after it: that of the policy.
    change : float
        Mean absolute change of the answers on these rows, in logits or mean absolute deviations of the target.
    metric : str
        Name of the loss.
    margin : float, default=0.01
        Relative increase that still counts as not worse.
    """
    import numpy as np

    kept = [(new, old) for new, old in zip(challenger, champion, strict=True) if len(new)]
    rows = sum(len(new) for new, _ in kept)
    facts: dict[str, Any] = {"metric": metric, "n": rows, "windows": len(kept)}
    if not rows:
        reason = "no labelled window is new to all members, so nothing shows that the change is not for the worse"
        return LightVerdict("fail", (reason,), **facts)
    if not all(np.isfinite(new).all() for new, _ in kept):
        return LightVerdict("fail", ("a loss of what would serve is not finite",), **facts)
    fading = memory ** np.arange(len(kept) - 1, -1, -1.0)
    mine, others = (
        float(np.average([window.mean() for window in side], weights=fading)) for side in zip(*kept, strict=True)
    )
    facts |= {"challenger_loss": mine, "champion_loss": others, "change": change}
    compared = f"{metric} {mine:.4f} against {others:.4f} on {rows} rows of {len(kept)} windows"
    if change > LARGEST_CHANGE:
        reason = f"the answers would move by {change:.3g} on average, beyond the bound of {LARGEST_CHANGE:g}"
        return LightVerdict("fail", (reason, compared), **facts)
    if mine > others * (1 + margin):
        return LightVerdict("fail", (f"it would have been worse: {compared}",), **facts)
    return LightVerdict("pass", (f"it would not have been worse: {compared}",), **facts)
