"""Where a challenger's strength comes from: enough rows, and no column that knows the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.gate import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.stages.evaluate.evidence import Origin

# A column that alone gets below this part of the baseline's loss is as good as a copy of the target. Errors alone say
# less: a column that honestly divides two classes may make next to none.
COPY, COPY_OF_LABELS = 0.02, 0.002
# And one is carrying a challenger that alone makes this part of its gain over the champion.
CARRIES = 0.5


def rows_check(challenger: Origin, champion: Origin, *, least: float) -> Check | None:
    """Check that the challenger was trained on about as much as the champion.

    Parameters
    ----------
    challenger, champion : Origin
        With the rows each was trained on.
    least : float
        Share of the champion's rows; fewer fail.

    Returns
    -------
    Check or None
        None where one of the two numbers is not known.
    """
    if not challenger.rows or not champion.rows:
        return None
    share = challenger.rows / champion.rows
    passed = share >= least
    sentence = f"it was trained on {challenger.rows} rows, the champion on {champion.rows}"
    if not passed:
        sentence += (
            f": {share:.1%} are fewer than evaluate.gate.min_rows_share asks for ({least:.1%}); look where the others "
            "are, or lower it"
        )
    return Check("rows", "provenance", "pass" if passed else "fail", sentence, value=share, limit=least)


def gain_check(
    losses: Mapping[str, np.ndarray], metrics: Mapping[str, float], *, metric: str, most: float
) -> Check | None:
    """Check that the challenger is not too much better than the champion was at its best.

    A champion that has grown old is no measure: what it once gained over the baseline is.

    Parameters
    ----------
    losses : mapping of str to ndarray of shape (n_rows,)
        Row losses of challenger, baseline and champion.
    metrics : mapping of str to float
        Those of the evaluation that promoted the champion; empty where unknown.
    metric : str
        The loss.
    most : float
        Relative gain that is believed.

    Returns
    -------
    Check or None
        None without a champion, or without a record of how good it was.
    """
    if "champion" not in losses or not metrics:
        return None
    means = {name: float(values.mean()) for name, values in losses.items()}
    best = reference_loss(means, metrics, metric)
    if best <= 0 or not math.isfinite(means["challenger"]):
        return None
    gain = 1 - means["challenger"] / best
    passed = gain <= most
    sentence = f"{metric} {means['challenger']:.4f} is {abs(gain):.0%} {'below' if gain >= 0 else 'above'} " + (
        f"the champion's {best:.4f}"
        if best == means["champion"]
        else f"the {best:.4f} that the champion's gain over the baseline was worth when it was promoted"
    )
    if not passed:
        sentence += (
            f", more than evaluate.gate.max_gain believes ({most:.0%}): look for a column that knows the answer, or "
            "raise it"
        )
    return Check(
        "gain",
        "provenance",
        "pass" if passed else "fail",
        sentence,
        value=gain,
        limit=most,
        rows=len(losses["champion"]),
    )


def reference_loss(means: Mapping[str, float], metrics: Mapping[str, float], metric: str) -> float:
    """Return the champion's loss here, or what its loss when it was promoted is worth here, if that is lower.

    Worth here: in the same proportion to the baseline's loss. Where the record does not have this loss, the baseline's
    stands in for a champion that has fallen behind even that.
    """
    then = [loss_in(metrics, metric, prefix) for prefix in ("", "baseline_")]
    if then[0] and then[1] and then[0] < then[1]:
        return min(means["champion"], then[0] / then[1] * means["baseline"])
    return min(means["champion"], means["baseline"])


def loss_in(metrics: Mapping[str, float], metric: str, prefix: str = "") -> float | None:
    """Read a loss off the metrics of an evaluation; None where they do not tell."""
    if metric == "zero_one":
        accuracy = metrics.get(f"{prefix}accuracy")
        return None if accuracy is None else 1 - accuracy
    if metric == "mean_squared_error":
        root = metrics.get(f"{prefix}rmse")
        return None if root is None else root**2
    return metrics.get(prefix + {"mean_absolute_error": "mae"}.get(metric, metric))


def leak_check(
    rows: pd.DataFrame,
    target: np.ndarray,
    losses: Mapping[str, np.ndarray],
    *,
    columns: Sequence[str],
    champion_columns: frozenset[str] | None,
    metric: str,
    classes: Sequence[Any],
) -> Check:
    """Check that no raw column alone predicts the target as only one that knows the answer can.

    A column that the champion does not take fails where it alone, with two folds of the held-out rows, predicts better
    than the whole champion and makes at least half of the challenger's gain. Any fails that alone is as good as a
    copy of the target, unless the champion, which takes it too, is as good.

    Parameters
    ----------
    rows : DataFrame of shape (n_rows, n_columns)
        Held-out rows in order of time. Not modified.
    target : ndarray of shape (n_rows,)
        What happened.
    losses : mapping of str to ndarray of shape (n_rows,)
        Row losses of challenger, baseline and, where there is one, champion.
    columns : sequence of str
        Raw columns of the challenger.
    champion_columns : frozenset of str or None
        Those of the champion; None where unknown: all count as taken by it.
    metric : str
        The loss.
    classes : sequence
        Of the task; none for a regression.

    References
    ----------
    Kaufman, Rosset, Perlich, Stitelman (2012), Leakage in Data Mining: Formulation, Detection, and Avoidance, ACM TKDD
    6(4): a single feature that predicts too well is the first sign.
    """
    from airflow_mlops.stages.evaluate.single_column import alone

    means = {name: float(values.mean()) for name, values in losses.items()}
    copy = (COPY_OF_LABELS if metric == "zero_one" else COPY) * means["baseline"]
    found = {name: alone(rows[name], target, metric=metric, classes=classes) for name in columns}
    best = min(found, key=lambda name: found[name])
    caught = [
        name
        for name, loss in sorted(found.items(), key=lambda item: item[1])
        if _knows(loss, means, copy, is_new=champion_columns is not None and name not in champion_columns)
    ]
    against = "champion" if "champion" in means else "baseline"
    shown = caught[0] if caught else best
    sentence = f"the best single column, {shown}, gets {metric} {found[shown]:.4f}, the {against} {means[against]:.4f}"
    if caught:
        sentence = (
            f"column {shown} alone predicts {metric} {found[shown]:.4f} on rows it was not fitted on, the {against} "
            f"{means[against]:.4f}: it seems to know the answer; take it out of features.columns, or see to it that "
            "it is known when the model is asked"
        )
    return Check(
        "leak",
        "provenance",
        "fail" if caught else "pass",
        sentence,
        value=found[shown],
        limit=copy,
        rows=len(target),
        detail={"column": shown, "columns": caught},
    )


def _knows(loss: float, means: Mapping[str, float], copy: float, *, is_new: bool) -> bool:
    """Tell whether a column that alone has this loss knows the answer."""
    champion = means.get("champion")
    if champion is None:
        return loss < copy
    if loss < copy and loss < champion / 2:
        return True
    gain = champion - means["challenger"]
    # One that stays below the baseline by little is no copy, whatever a champion that has fallen behind says.
    return is_new and gain > 0 and loss < min(champion, means["baseline"]) and champion - loss >= CARRIES * gain
