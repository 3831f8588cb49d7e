"""Did a promotion help? Loss as served before and after, and both versions on the very same flights.

Weeks differ: after a bad one quality mostly returns by itself. So the honest number is the paired one: what was served
after a promotion against what the replaced version would have said of the same flights.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.demo.records import Promotion
    from airflow_mlops.spec import ModelSpec

# How long "before" and "after" of the loss as served are: two windows of the monitor, and as long as the cooldown, so
# that no other promotion lies in them.
AROUND = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Served:
    """Mean loss of what was served in a window, and over how many labelled flights."""

    loss: float
    rows: int


@dataclass(frozen=True, slots=True)
class Paired:
    """The new version's mean loss minus the replaced one's on the same flights; below 0 the new one is better.

    ``low`` and ``high`` are bounds at 95 % each, from a bootstrap that resamples whole days.
    """

    difference: float
    low: float
    high: float
    rows: int
    days: int


@dataclass(frozen=True, slots=True)
class Improvement:
    """What a promotion changed; ``after`` and ``paired`` are None while too few labels have come since."""

    version: str
    replaced: str
    since: datetime
    before: Served | None
    after: Served | None
    paired: Paired | None


def improvements(
    promotions: Sequence[Promotion],
    judged: pd.DataFrame,
    *,
    spec: ModelSpec,
    load: Callable[[dict[str, Any]], Any],
) -> list[Improvement]:
    """Compare each promoted version with the one it replaced.

    Parameters
    ----------
    promotions : sequence of Promotion
        In order; the first has replaced nothing.
    judged : DataFrame
        Served predictions whose label is known: raw columns, target, ``time``, ``version`` and ``loss``.
    spec : ModelSpec
        Names of columns.
    load : callable
        Turns the reference of a model into the model.
    """
    ends = [promotion.since for promotion in promotions[2:]]
    bounds = [*ends, datetime.max.replace(tzinfo=promotions[0].since.tzinfo)]
    return [
        _improvement(old, new, judged, until=until, spec=spec, load=load)
        for old, new, until in zip(promotions, promotions[1:], bounds, strict=False)
    ]


def _improvement(
    old: Promotion,
    new: Promotion,
    judged: pd.DataFrame,
    *,
    until: datetime,
    spec: ModelSpec,
    load: Callable[[dict[str, Any]], Any],
) -> Improvement:
    by_new, by_old = judged["version"] == new.version, judged["version"] == old.version
    time = judged["time"]
    served = judged[by_new & (time >= new.since) & (time < until)]
    return Improvement(
        version=new.version,
        replaced=old.version,
        since=new.since,
        before=_served(judged[by_old & (time >= new.since - AROUND) & (time < new.since)]),
        after=_served(served[served["time"] < new.since + AROUND]),
        paired=_paired(served, _losses(load(old.model), served, spec)) if len(served) else None,
    )


def _served(rows: pd.DataFrame) -> Served | None:
    return Served(float(rows["loss"].mean()), len(rows)) if len(rows) else None


def _losses(model: Any, rows: pd.DataFrame, spec: ModelSpec) -> np.ndarray:
    """Return what a model would have lost on each row."""
    from airflow_mlops.stages.evaluate.predictions import all_classes, predict, row_losses

    target = rows[spec.data.target].to_numpy()
    said = predict(model, rows[spec.features.columns], classes=all_classes(target, model))
    return row_losses("log_loss", target, said)


def _paired(served: pd.DataFrame, would_have: np.ndarray) -> Paired | None:
    """Bound the difference by the gate's own bootstrap, whole days at a time."""
    from airflow_mlops.loop.gate import judge

    days = served["time"].dt.floor("D").to_numpy()
    verdict = judge(served["loss"].to_numpy(), baseline=would_have, blocks=days, metric="log_loss", min_rows=1)
    if not verdict.comparisons:
        return None
    found = verdict.comparisons[0]
    return Paired(found.difference, found.low, found.high, verdict.n, verdict.units)


def judge_served(predictions: pd.DataFrame, rows: pd.DataFrame, *, spec: ModelSpec, now: datetime) -> pd.DataFrame:
    """Put the prediction log and the labels known at ``now`` together, and take the loss of each answer.

    Parameters
    ----------
    predictions : DataFrame
        The prediction log: ``id``, ``time``, ``version``, ``output`` with the probabilities of 0 and 1.
    rows : DataFrame
        The flights as they were.
    spec : ModelSpec
        Names of columns, and when labels are known.
    now : datetime
        With a zone.
    """
    import numpy as np

    from airflow_mlops.loop.labels import join_labels, row_ids
    from airflow_mlops.stages.evaluate.predictions import Predictions, row_losses

    start = predictions["time"].min()
    asked = predictions.drop(columns=["features", "label"], errors="ignore")
    labelled = join_labels(asked, rows, data=spec.data, start=start, end=now, now=now).frame
    target = labelled[spec.data.target].astype(int).to_numpy()
    probabilities = np.stack(labelled["output"].tolist())
    answers = Predictions(probabilities.argmax(axis=1), (0, 1), probabilities)
    judged = labelled.assign(loss=row_losses("log_loss", target, answers))
    raw = rows[spec.features.columns].assign(id=row_ids(rows, spec.data.key, spec.data.time))
    return judged.merge(raw, on="id", how="left", validate="1:1")
