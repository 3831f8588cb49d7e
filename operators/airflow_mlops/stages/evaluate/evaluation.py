"""Everything the stage finds out about a challenger, in one call."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_mlops.loop.gate.verdict import Settings, refused
from airflow_mlops.stages.evaluate.checks import Judged, full_gate, with_checks
from airflow_mlops.stages.evaluate.evidence import Evidence
from airflow_mlops.stages.evaluate.importance import permutation_importance
from airflow_mlops.stages.evaluate.metrics import by_slice, further_scores, score
from airflow_mlops.stages.evaluate.predictions import Predictions, all_classes, default_loss, predict, row_losses
from airflow_mlops.stages.evaluate.sanity import filled, finite_rows
from airflow_mlops.stages.evaluate.seen import Seen, find_seen, seen_check
from airflow_mlops.stages.train import usable_target

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    import pandas as pd

    from airflow_mlops.loop.gate import GateVerdict
    from airflow_mlops.spec import ModelSpec

# What a champion made for other columns or classes is seen to raise; it is then not compared, and the verdict says so.
_CANNOT_PREDICT = (ValueError, TypeError, KeyError, AttributeError, IndexError, NameError)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found about a challenger.

    ``scores`` has metrics by who made them: ``challenger``, ``baseline``, ``champion``. ``slices`` and ``importance``
    are in the gate's loss. ``rows`` were judged on, ``seen`` were held out and trained on; ``notes`` say what was left
    out. ``target`` and ``predictions`` are what plots are drawn from, and not part of the report.
    """

    gate: GateVerdict
    scores: dict[str, dict[str, float]]
    slices: list[dict[str, Any]]
    importance: dict[str, float]
    rows: int
    target: np.ndarray
    predictions: dict[str, Predictions]
    seen: dict[str, int] = field(default_factory=dict)
    costs: dict[str, dict[str, float | None]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """Return all metrics in one mapping: the challenger's by name, the others' with a prefix."""
        flat = dict(self.scores.get("challenger", {}))
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
            "seen": self.seen,
            "costs": self.costs,
            "notes": list(self.notes),
        }


def evaluate(
    holdout: pd.DataFrame,
    *,
    challenger: Any,
    baseline: Any,
    champion: Any | None = None,
    spec: ModelSpec,
    holdout_start: datetime,
    evidence: Evidence | None = None,
) -> Evaluation:
    """Judge a challenger against a baseline, and a champion where there is one, on rows that neither has trained on.

    Parameters
    ----------
    holdout : DataFrame of shape (n_rows, n_columns)
        Raw rows with their target and time. Not modified.
    challenger, baseline, champion : estimator
        Challenger and champion take raw columns.
    spec : ModelSpec
        Task, columns, and the evaluate section; train.seed seeds the bootstrap.
    holdout_start : datetime
        Where blocks of time begin.
    evidence : Evidence, optional
        What is known besides; what is missing is not checked.

    Returns
    -------
    Evaluation
        A champion that cannot predict these rows is left out, and the gate's reasons say so. Where models have trained
        on all of them, there are no scores.

    Raises
    ------
    GateMisuse
        evaluate.gate.metric or evaluate.metrics names something that does not fit the task.
    MissingExtra
        A library of the extra ``gate`` is not installed.
    """
    decision = decide(
        holdout,
        challenger=challenger,
        baseline=baseline,
        champion=champion,
        spec=spec,
        holdout_start=holdout_start,
        evidence=evidence or Evidence(),
    )
    judged = decision.judged
    return Evaluation(
        gate=decision.gate,
        scores=_scores(judged, challenger, spec) if judged else {},
        slices=_slices(judged, spec) if judged else [],
        importance=_importance(judged, challenger, spec) if judged else {},
        rows=len(judged.target) if judged else 0,
        target=judged.target if judged else _no_target(),
        predictions=dict(judged.predictions) if judged else {},
        seen=decision.seen.to_dict(),
        costs={name: asdict(costs) for name, costs in (evidence or Evidence()).costs.items()},
        notes=decision.notes,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's verdict, the rows and answers it rests on (None where no row was left), and what was left out."""

    gate: GateVerdict
    judged: Judged | None
    seen: Seen
    notes: tuple[str, ...]


def decide(
    holdout: pd.DataFrame,
    *,
    challenger: Any,
    baseline: Any,
    champion: Any | None,
    spec: ModelSpec,
    holdout_start: datetime,
    evidence: Evidence,
) -> Decision:
    """Find the verdict of `evaluate` and nothing else; parameters and errors are the same."""
    seen = find_seen(holdout, evidence, time=spec.data.time)
    notes = [*seen.notes(), *evidence.notes]
    rows = holdout[seen.keep].sort_values(spec.data.time, kind="stable")
    if rows.empty:
        gate = _unjudged(spec, seen)
        return Decision(replace(gate, reasons=(*gate.reasons, *notes)), None, seen, tuple(notes))
    target = usable_target(rows[spec.data.target], task=spec.task)
    models = {"challenger": challenger, "baseline": baseline, "champion": champion}
    predictions, note = _all_predictions(rows, target, challenger, baseline, champion, spec)
    judged = _judged(rows, target, predictions, models, spec, holdout_start)
    gate = full_gate(judged, spec, challenger, evidence, seen)
    notes = ([note] if note else []) + notes
    return Decision(replace(gate, reasons=(*gate.reasons, *notes)), judged, seen, tuple(notes))


def _scores(judged: Judged, challenger: Any, spec: ModelSpec) -> dict[str, dict[str, float]]:
    scores = {name: score(spec.task, judged.target, each) for name, each in judged.predictions.items()}
    scores["challenger"] |= further_scores(spec.evaluate.metrics, challenger, judged.rows, judged.target)
    return scores


def _slices(judged: Judged, spec: ModelSpec) -> list[dict[str, Any]]:
    section = spec.evaluate
    return by_slice(judged.rows, judged.losses, section.slices, min_rows=section.min_slice_rows)


def _importance(judged: Judged, challenger: Any, spec: ModelSpec) -> dict[str, float]:
    return permutation_importance(
        challenger,
        judged.rows,
        judged.target,
        columns=spec.features.columns,
        metric=judged.metric,
        classes=judged.predictions["challenger"].classes,
        seed=spec.train.seed,
    )


def _no_target() -> np.ndarray:
    import numpy as np

    return np.empty(0)


def _unjudged(spec: ModelSpec, seen: Seen) -> GateVerdict:
    """Say that no row is left to judge on."""
    gate = spec.evaluate.gate
    reason = (
        f"none of the {len(seen.keep)} held-out rows is left: challenger or champion has trained on all of them; hold "
        "out rows that are newer"
    )
    settings = Settings(
        test=gate.test,
        goal=gate.goal,
        metric=gate.metric or default_loss(spec.task),
        n=0,
        units=0,
        blocked=gate.block is not None,
        resamples=gate.resamples,
        confidence=gate.confidence,
    )
    verdict = refused("not enough labels", reason, settings)
    check = seen_check(seen, most=gate.max_seen)
    return with_checks(verdict, [check] if check else [])


def _judged(
    rows: pd.DataFrame,
    target: np.ndarray,
    predictions: dict[str, Predictions],
    models: dict[str, Any],
    spec: ModelSpec,
    start: datetime,
) -> Judged:
    gate = spec.evaluate.gate
    metric = gate.metric or ("zero_one" if gate.test == "mcnemar" else default_loss(spec.task, *predictions.values()))
    losses = {name: row_losses(metric, target, each) for name, each in predictions.items()}
    own = predictions["challenger"]
    return Judged(
        rows=rows,
        target=target,
        predictions=predictions,
        losses=filled(losses, own, coverage=gate.coverage),
        metric=metric,
        blocks=((rows[spec.data.time] - start) // gate.block).to_numpy() if gate.block else None,
        known={
            name: tuple(models[name].classes_.tolist())
            for name in predictions
            if own.classes and hasattr(models[name], "classes_")
        },
    )


def _all_predictions(
    holdout: pd.DataFrame, target: np.ndarray, challenger: Any, baseline: Any, champion: Any | None, spec: ModelSpec
) -> tuple[dict[str, Predictions], str | None]:
    """Ask every model, and explain where the champion cannot answer."""
    classes = () if spec.task == "regression" else all_classes(target, challenger)
    said = {
        "challenger": predict(challenger, holdout, classes=classes),
        "baseline": predict(baseline, holdout, classes=classes),
    }
    if champion is None:
        return said, None
    try:
        answer = predict(champion, holdout, classes=classes)
        broken = int((~finite_rows(answer)).sum())
        fault = f"{broken} of its answers are not finite" if broken else None
    except _CANNOT_PREDICT as error:
        fault = f"{type(error).__name__}: {error}"
    if fault:
        return said, f"the champion was not compared, because it cannot predict these rows ({fault})"
    return {**said, "champion": answer}, None
