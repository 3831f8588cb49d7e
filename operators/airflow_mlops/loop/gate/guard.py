"""A further loss, over all rows or those of one slice, that must be shown not to be worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.loop.gate.bootstrap import bootstrap
from airflow_mlops.loop.gate.check import Check
from airflow_mlops.loop.gate.units import too_few_blocks, units_of

if TYPE_CHECKING:
    import numpy as np


def guard_check(
    name: str,
    challenger: np.ndarray,
    champion: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    blocks: np.ndarray | None = None,
    metric: str = "loss",
    margin: float = 0.05,
    confidence: float = 0.95,
    resamples: int = 1000,
    min_rows: int = 200,
    seed: int = 0,
) -> Check:
    """Ask that a loss be shown not to be worse than the champion's by more than a margin.

    Each guard is tested at the full level: a challenger has to pass all of them, so one that is worse by the margin in
    any single guard passes no more often than that guard alone would let it (Berger 1982). What grows with the number
    of guards is how often a good challenger is refused.

    Parameters
    ----------
    name : str
        Of the check, such as "guard: carrier = UA".
    challenger, champion : ndarray of shape (n_rows,)
        Losses of all rows.
    mask : ndarray of bool, optional
        The slice's rows; None for all.
    blocks : ndarray of shape (n_rows,), optional
        As for `judge`.
    metric : str
        Name of the loss, for the sentence.
    margin : float, default=0.05
        Relative increase over the champion's loss that still counts as not worse.
    confidence, resamples, min_rows, seed
        As for `judge`; ``min_rows`` are those of the slice.

    References
    ----------
    Berger (1982), Multiparameter Hypothesis Testing and Acceptance Sampling, Technometrics 24(4): intersection-union.
    """
    import numpy as np

    rows = np.ones(len(challenger), bool) if mask is None else np.asarray(mask, bool)
    count = int(rows.sum())
    units = units_of(count, None if blocks is None else blocks[rows])
    if lacking := _lacking(count, min_rows, int(units.max()) + 1 if count else 0, is_block=blocks is not None):
        return Check(name, "guard", "not enough labels", f"{name} cannot be judged: {lacking}", rows=count)
    found = bootstrap(
        challenger[rows],
        [(champion[rows], 1 + margin)],
        units,
        is_block=blocks is not None,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )[0]
    passed = bool(found.excess_bound <= 0)
    claim = "is not worse" if passed else "is not shown to be no worse"
    difference = found.challenger - found.opponent
    return Check(
        name,
        "guard",
        "pass" if passed else "fail",
        f"{name} {claim} than the champion by more than {margin:.1%}: {metric} {found.challenger:.4f} against "
        f"{found.opponent:.4f} on {count} rows, difference {difference:+.4f} (from {found.low:+.4f} to "
        f"{found.high:+.4f}){'' if passed else _advice(difference, margin * found.opponent)}",
        value=difference,
        low=found.low,
        high=found.high,
        limit=margin * found.opponent,
        rows=count,
        detail={"p": found.p, "challenger": found.challenger, "opponent": found.opponent, "margin": margin},
    )


def _lacking(rows: int, min_rows: int, units: int, *, is_block: bool) -> str | None:
    if rows < min_rows:
        return f"it has {rows} held-out rows, and needs {min_rows}; lengthen evaluate.holdout, or leave the guard out"
    return too_few_blocks(units) if is_block else None


def _advice(difference: float, limit: float) -> str:
    if difference < limit:
        return "; more held-out rows may show it, or a wider margin (evaluate.gate.guards)"
    return "; look at these rows before it serves them"
