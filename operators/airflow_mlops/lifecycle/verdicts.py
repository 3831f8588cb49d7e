"""What a look measured, as signals with verdicts: beside those of the looks before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.loop import verdicts
from airflow_mlops.loop.past_of import counted, fresh_losses
from airflow_mlops.loop.standing import CHANGES, FRESH_LOSSES
from airflow_mlops.loop.verdicts.readings import DATA_QUALITY, FRESHNESS, usual_age

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.lifecycle.comparison import Asked, Compared
    from airflow_mlops.loop.estimate import Answered, Estimate
    from airflow_mlops.loop.history import History
    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.loop.signals import Signals
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.spec import ModelSpec


@dataclass(frozen=True)
class Judge:
    """Gives the verdicts of one look.

    Parameters
    ----------
    spec : ModelSpec
        What the model is; rates of false alarms and thresholds are its own.
    history : History
        As it stood when the look was made.
    earlier : sequence of Signals
        Looks at the same trained version before, oldest first.
    importance : mapping of str to float
        Rise in loss when a column is shuffled, from the evaluation of what serves.
    """

    spec: ModelSpec
    history: History
    earlier: Sequence[Signals]
    importance: Mapping[str, float]

    def verdicts(self, signals: Signals, snapshot: SnapshotRef | None, compared: Compared | None) -> dict[str, Signal]:
        """Return the signals of a look by name.

        Parameters
        ----------
        signals : Signals
            What it measured.
        snapshot : SnapshotRef or None
            Its rows.
        compared : Compared or None
            These rows and the champion's; None where they were not compared.
        """
        found = [*self._read_off(signals, snapshot)]
        if compared is not None and snapshot is not None:
            found += self._moved(compared, snapshot)
        if self.history.promotions:
            found += self._lost(signals, snapshot, compared.asked if compared else None)
        return {signal.name: signal for signal in found}

    def _past(self, name: str) -> list[Signal]:
        return [signals.measured[name] for signals in self.earlier if name in signals.measured]

    def _read_off(self, signals: Signals, snapshot: SnapshotRef | None) -> list[Signal]:
        read = verdicts.readings(
            now=signals.now,
            data_check=signals.data_check,
            reasons=signals.data_check_reasons,
            newest=_moment(snapshot.end) if snapshot is not None and snapshot.rows else None,
            usual=usual_age([signal.value for signal in self._past(FRESHNESS)]),
        )
        return [read[DATA_QUALITY], read[FRESHNESS]]

    def _moved(self, compared: Compared, snapshot: SnapshotRef) -> list[Signal]:
        settings, report = self.spec.drift, compared.report
        effects = {column.column: column.effect for column in report.compared if column.effect is not None}
        start, end = _moment(snapshot.start), _moment(snapshot.end)
        data = verdicts.data_drift(
            effects,
            importance=self.importance,
            thresholds=settings.thresholds,
            false_alarms=settings.false_alarms,
            share=settings.share,
            past=self._past("data_drift"),
            start=start,
            end=end,
        )
        answers = verdicts.prediction_drift(
            report.prediction.effect if report.prediction else None,
            threshold=settings.thresholds.get("prediction"),
            false_alarms=settings.false_alarms,
            past=self._past("prediction_drift"),
            start=start,
            end=end,
        )
        return [data, answers]

    def _lost(self, signals: Signals, snapshot: SnapshotRef | None, asked: Asked | None) -> list[Signal]:
        spec, quality = self.spec, signals.quality
        windows = counted(
            self.history,
            min_labels=spec.monitor.min_labels,
            maturity=spec.monitor.maturity,
            ended_by=signals.now - spec.label_wait,
        )
        before = [each for each in windows if quality is None or each.end <= quality.start]
        served = [each.loss for each in before]
        level = verdicts.Level.of(fresh_losses(self.history, before)[-FRESH_LOSSES:], served[-CHANGES - 1 :])
        realised = verdicts.quality(
            quality,
            level,
            error=quality.error if quality else None,
            min_labels=spec.monitor.min_labels,
            maturity=spec.monitor.maturity,
            false_alarms=spec.drift.false_alarms,
            past=self._past("quality"),
        )
        estimated = verdicts.estimated_quality(
            _estimate(asked, spec, quality.metric if quality and quality.labelled else None) if asked else None,
            level,
            false_alarms=spec.drift.false_alarms,
            past=self._past("estimated_quality"),
            start=_moment(snapshot.start) if snapshot else None,
            end=_moment(snapshot.end) if snapshot else None,
        )
        return [realised, estimated]


def importance_of(store: ArtifactStore, evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Read what a version leans on from its evaluation; nothing where the report is gone, or of a light gate."""
    if not evaluation.get("uri"):
        return {}
    try:
        return store.read_json(f"{evaluation['uri']}/report.json").get("importance") or {}
    except ArtifactMissing:
        return {}


def _estimate(asked: Asked, spec: ModelSpec, metric: str | None) -> Estimate | None:
    """Estimate the loss of the rows of now; None where there is nothing to estimate it from."""
    from airflow_mlops.loop.estimate import Answered, estimate_loss

    now = asked.said[1]
    is_number = spec.task == "regression"
    if not len(now) or (now.ndim == 1 and not is_number):
        return None
    metric = metric or spec.evaluate.gate.metric or ("mean_absolute_error" if is_number else "log_loss")
    return estimate_loss(metric, Answered(now, asked.days[1]), _labelled(asked, spec))


def _labelled(asked: Asked, spec: ModelSpec) -> Answered | None:
    """Return the held-out answers whose label is known."""
    import numpy as np

    from airflow_mlops.lifecycle.scorecards import coded
    from airflow_mlops.loop.estimate import Answered
    from airflow_mlops.stages.train import usable_target

    if asked.happened is None:
        return None
    known = asked.happened.notna().to_numpy()
    if not known.any():
        return None
    classes = [each.item() if hasattr(each, "item") else each for each in asked.classes]
    target = coded(usable_target(asked.happened[known], task=spec.task), classes)
    kept = np.isfinite(target)
    happened = target[kept] if spec.task == "regression" else target[kept].astype(int)
    return Answered(asked.said[0][known][kept], asked.days[0][known][kept], happened)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
