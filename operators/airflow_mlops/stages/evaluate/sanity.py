"""Whether a challenger answers at all: finite, for every row, for every class, and not the same to everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.gate import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from airflow_mlops.stages.evaluate.predictions import Predictions

# Rows of a class that the challenger cannot name, as a part of all; fewer are one freak label.
FEW = 0.01
# Answers that differ by less are the same.
SAME = 1e-12


def finite_rows(said: Predictions) -> np.ndarray:
    """Tell which rows have a finite answer."""
    import numpy as np

    values = said.labels if said.probabilities is None else said.probabilities
    if values.dtype.kind != "f":
        return np.ones(len(values), dtype=bool)
    return np.isfinite(values).reshape(len(values), -1).all(axis=1)


def sanity_checks(
    said: Predictions,
    target: np.ndarray,
    *,
    coverage: float,
    known: Sequence[Any] = (),
    champion_known: Sequence[Any] | None = None,
) -> list[Check]:
    """Check a challenger's answers without asking whether they are right.

    Parameters
    ----------
    said : Predictions
        The challenger's answers.
    target : ndarray of shape (n_rows,)
        What happened.
    coverage : float
        Share of rows that must get a finite answer.
    known : sequence
        Classes the challenger can answer; none for a regression.
    champion_known : sequence or None
        Classes the champion can answer; None without one.
    """
    checks = [_coverage(said, coverage), _constant(said)]
    if len(known):
        checks.append(_classes(target, known, champion_known))
    return checks


def _coverage(said: Predictions, least: float) -> Check:
    finite = finite_rows(said)
    share, total = float(finite.mean()), len(finite)
    passed = share >= least
    sentence = f"{int(finite.sum())} of {total} held-out rows get a finite answer"
    if not passed:
        sentence += f", evaluate.gate.coverage asks for {least:.1%}; look for what divides by zero or overflows"
    elif share < 1:
        sentence += "; the others count with the loss of the simple baseline"
    return Check("coverage", "sanity", "pass" if passed else "fail", sentence, value=share, limit=least, rows=total)


def _constant(said: Predictions) -> Check:
    import numpy as np

    values = said.labels if said.probabilities is None else said.probabilities
    if values.dtype.kind == "f":
        shown = values[finite_rows(said)].reshape(-1, *values.shape[1:])
        is_constant = not len(shown) or bool((np.ptp(shown, axis=0) < SAME).all())
    else:
        is_constant = len(set(values.tolist())) < 2
    # Labels alone may honestly be the same for all rows, of a rare class.
    passed = not is_constant or values.dtype.kind != "f"
    words = "the same" if is_constant else "not the same"
    sentence = f"the challenger's answers to {len(values)} rows are {words}"
    if not passed:
        sentence += "; a model that looks at no column is no better than the baseline: look at its features"
    return Check("constant", "sanity", "pass" if passed else "fail", sentence, rows=len(values))


def _classes(target: np.ndarray, known: Sequence[Any], champion_known: Sequence[Any] | None) -> Check:
    import numpy as np

    happened = dict(zip(*(part.tolist() for part in np.unique(target, return_counts=True)), strict=True))
    missing = {label: count for label, count in happened.items() if label not in set(known)}
    # A class that the champion cannot name either is nothing the challenger takes away.
    lost = {label: count for label, count in missing.items() if champion_known is None or label in set(champion_known)}
    share = sum(lost.values()) / max(len(target), 1)
    passed = share <= FEW
    sentence = f"it can answer {len(happened) - len(missing)} of the {len(happened)} classes that happened"
    if missing:
        sentence += f"; not {', '.join(map(str, missing))} ({sum(missing.values())} rows)"
    if not passed:
        sentence += ": it has seen none of them in training; train on a window that has some"
    return Check("classes", "sanity", "pass" if passed else "fail", sentence, value=share, limit=FEW, rows=len(target))


def filled(losses: Mapping[str, np.ndarray], said: Predictions, *, coverage: float) -> dict[str, np.ndarray]:
    """Give the few rows without a finite answer the loss of the baseline, unless there are more than may be.

    Parameters
    ----------
    losses : mapping of str to ndarray of shape (n_rows,)
        Row losses, with those of "challenger" and "baseline".
    said : Predictions
        The challenger's answers.
    coverage : float
        Share of rows that must have one.
    """
    import numpy as np

    finite = finite_rows(said)
    if finite.all() or finite.mean() < coverage:
        return dict(losses)
    return {**losses, "challenger": np.where(finite, losses["challenger"], losses["baseline"])}
