"""Everything the stage finds out about a challenger, in one call."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.gate import GateVerdict, judge
from airflow_mlops.stages.evaluate.importance import permutation_importance
from airflow_mlops.stages.evaluate.metrics import by_slice, further_scores, score
from airflow_mlops.stages.evaluate.predictions import Predictions, all_classes, default_loss, predict, row_losses
from airflow_mlops.stages.train import usable_target

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    import pandas as pd

    from airflow_mlops.spec import ModelSpec

# What a champion made for other columns or classes is seen to raise; it is then not compared, and the verdict says so.
_CANNOT_PREDICT = (ValueError, TypeError, KeyError, AttributeError, IndexError, NameError)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found about a challenger.

    ``scores`` has metrics by who made them: ``challenger``, ``baseline``, ``champion``. ``slices`` and ``importance``
    are in the gate's loss. ``target`` and ``predictions`` are what plots are drawn from, and not part of the report.
    """

    gate: GateVerdict
    scores: dict[str, dict[str, float]]
    slices: list[dict[str, Any]]
    importance: dict[str, float]
    rows: int
    target: np.ndarray
    predictions: dict[str, Predictions]

    def metrics(self) -> dict[str, float]:
        """Return all metrics in one mapping: the challenger's by name, the others' with a prefix."""
        flat = dict(self.scores["challenger"])
        for name in ("champion", "baseline"):
            flat |= {f"{name}_{metric}": value for metric, value in self.scores.get(name, {}).items()}
        return flat

    def to_dict(self) -> dict[str, Any]:
        """Turn into the JSON of the report: no rows, no predictions."""
        return {
            "gate": asdict(self.gate),
            "scores": self.scores,
            "slices": self.slices,
            "importance": self.importance,
            "rows": self.rows,
        }


def evaluate(
    holdout: pd.DataFrame,
    *,
    challenger: Any,
    baseline: Any,
    champion: Any | None = None,
    spec: ModelSpec,
    holdout_start: datetime,
) -> Evaluation:
    """Judge a challenger against a baseline, and a champion where there is one, on the same rows.

    Parameters
    ----------
    holdout : DataFrame of shape (n_rows, n_columns)
        Raw rows with their target and time, none of them trained on. Not modified.
    challenger, baseline, champion : estimator
        Challenger and champion take raw columns.
    spec : ModelSpec
        Task, columns, and the evaluate section; train.seed seeds the bootstrap.
    holdout_start : datetime
        Where blocks of time begin.

    Returns
    -------
    Evaluation
        A champion that cannot predict these rows is left out, and the gate's reasons say so.

    Raises
    ------
    GateMisuse
        evaluate.gate.metric or evaluate.metrics names something that does not fit the task.
    """
    target = usable_target(holdout[spec.data.target], task=spec.task)
    predictions, note = _all_predictions(holdout, target, challenger, baseline, champion, spec)
    metric = spec.evaluate.gate.metric or default_loss(spec.task, *predictions.values())
    losses = {name: row_losses(metric, target, each) for name, each in predictions.items()}
    gate = _gate(losses, holdout, spec, metric, holdout_start)
    own = predictions["challenger"]
    scores = {name: score(spec.task, target, each) for name, each in predictions.items()}
    scores["challenger"] |= further_scores(spec.evaluate.metrics, challenger, holdout, target)
    return Evaluation(
        gate=replace(gate, reasons=(*gate.reasons, note)) if note else gate,
        scores=scores,
        slices=by_slice(holdout, losses, spec.evaluate.slices, min_rows=spec.evaluate.min_slice_rows),
        importance=permutation_importance(
            challenger,
            holdout,
            target,
            columns=spec.features.columns,
            metric=metric,
            classes=own.classes,
            seed=spec.train.seed,
        ),
        rows=len(holdout),
        target=target,
        predictions=predictions,
    )


def _all_predictions(
    holdout: pd.DataFrame, target: np.ndarray, challenger: Any, baseline: Any, champion: Any | None, spec: ModelSpec
) -> tuple[dict[str, Predictions], str | None]:
    """Ask every model, and explain where the champion cannot answer."""
    import numpy as np

    classes = () if spec.task == "regression" else all_classes(target, challenger)
    said = {
        "challenger": predict(challenger, holdout, classes=classes),
        "baseline": predict(baseline, holdout, classes=classes),
    }
    if champion is None:
        return said, None
    try:
        answer = predict(champion, holdout, classes=classes)
        values = answer.labels if answer.probabilities is None else answer.probabilities
        broken = int((~np.isfinite(values)).sum()) if values.dtype.kind == "f" else 0
        fault = f"{broken} of its answers are not finite" if broken else None
    except _CANNOT_PREDICT as error:
        fault = f"{type(error).__name__}: {error}"
    if fault:
        return said, f"the champion was not compared, because it cannot predict these rows ({fault})"
    return {**said, "champion": answer}, None


def _gate(
    losses: dict[str, np.ndarray], holdout: pd.DataFrame, spec: ModelSpec, metric: str, start: datetime
) -> GateVerdict:
    settings = spec.evaluate.gate
    blocks = ((holdout[spec.data.time] - start) // settings.block).to_numpy() if settings.block else None
    return judge(
        losses["challenger"],
        baseline=losses["baseline"],
        champion=losses.get("champion"),
        blocks=blocks,
        metric=metric,
        margin=settings.margin,
        confidence=settings.confidence,
        resamples=settings.resamples,
        min_rows=settings.min_rows,
        seed=spec.train.seed,
    )
