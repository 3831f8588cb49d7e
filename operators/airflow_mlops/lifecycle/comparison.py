"""Rows of now beside those the champion was trained on: what *drift* renders and *decide* weighs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.errors import ArtifactMissing, MissingColumns, NothingToCompare
from airflow_mlops.lifecycle.stored_model import load_stored
from airflow_mlops.refs import ModelRef, SnapshotRef
from airflow_mlops.snapshots import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.drift import DriftReport

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """Which snapshots are compared, and the model whose answers are compared too, where there is one."""

    current: SnapshotRef
    reference: list[SnapshotRef]
    model: ModelRef | None

    @classmethod
    def of(
        cls,
        current: SnapshotRef,
        *,
        champion: Mapping[str, Any],
        reference: Sequence[Any] | None = None,
        model: Any = None,
        name: str,
    ) -> Self:
        """Take what is not given from the champion.

        Parameters
        ----------
        current : SnapshotRef
            Rows to be judged.
        champion : mapping
            The champion's `ModelRef` as a dict; empty where there is none.
        reference, model
            What to take instead.
        name : str
            Of the model, for the sentence.

        Raises
        ------
        NothingToCompare
            There is neither a reference nor a champion.
        """
        model = model or champion
        snapshots = (champion.get("features") or {}).get("snapshots") if reference is None else reference
        if not snapshots:
            raise NothingToCompare(
                f"{name} has no champion whose training snapshots could be the reference. Run its retrain DAG first, "
                "or give this task `reference`."
            )
        if not model:
            log.info("prediction drift skipped: no model is given and there is no champion")
        return cls(
            current, [SnapshotRef.from_dict(one) for one in snapshots], ModelRef.from_dict(model) if model else None
        )

    def measure(self, store: ArtifactStore, spec: ModelSpec) -> Compared:
        """Read both sides and score them.

        Raises
        ------
        MissingColumns
            A snapshot lacks a column.
        ArtifactMissing, ArtifactCorrupt
            A snapshot is gone or changed.
        """
        from airflow_mlops.stages.drift import drift

        (then, then_days), (now, now_days) = (
            self._read(store, spec, side) for side in (self.reference, [self.current])
        )
        asked = self._ask(store, spec, then, now, days=(then_days, now_days))
        answers = asked.main if asked else None
        report = drift(then, now, spec.features.columns, spec.drift, sensitive=spec.data.sensitive, predictions=answers)
        return Compared(report, then, now, answers, (then_days, now_days), asked)

    def _read(
        self, store: ArtifactStore, spec: ModelSpec, snapshots: Sequence[SnapshotRef]
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Return the columns that are compared, and the day of each row."""
        import pandas as pd

        from airflow_mlops.stages.drift.effects import days_of

        time = spec.data.time
        compared = list(dict.fromkeys([*spec.drift.columns, *spec.features.columns]))
        wanted = list(dict.fromkeys([*compared, time]))
        frames = []
        for one in snapshots:
            table = read_rows(store, one)
            if missing := [column for column in wanted if column not in table.column_names]:
                raise MissingColumns(missing, present=table.column_names, where=f"snapshot {one.id}")
            frames.append(table.select(wanted).to_pandas())
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        return frame, days_of(frame[time] if time in compared else frame.pop(time))

    def _ask(
        self,
        store: ArtifactStore,
        spec: ModelSpec,
        then: pd.DataFrame,
        now: pd.DataFrame,
        *,
        days: tuple[np.ndarray, np.ndarray],
    ) -> Asked | None:
        """Predict for both windows; the reference is the model's held-out rows, where they are stored.

        A flexible model is surer of rows it was fitted on than of any others, which would look like drift.
        """
        from airflow_mlops.stages.drift.effects import days_of

        if self.model is None:
            return None
        try:
            estimator = load_stored(store, self.model)
        except ArtifactMissing:
            log.warning("prediction drift skipped: model %s is not in the artifact store", self.model.id)
            return None
        folder, columns = self.model.features.get("uri"), spec.features.columns
        happened = None
        if folder and (manifest := store.manifest(folder)):
            then = store.read_frame(f"{folder}/holdout.parquet", digest=manifest["holdout"])
            happened, days = then[spec.data.target], (days_of(then[spec.data.time]), days[1])
        said = (_said(estimator, then[columns]), _said(estimator, now[columns]))
        classes = tuple(getattr(estimator, "classes_", ()))
        return Asked(said, days, classes, happened)


@dataclass(frozen=True)
class Asked:
    """What the model says of rows of then and of now: probabilities, labels, or numbers.

    ``days`` has the day of each row, ``classes`` the order of the probabilities. ``happened`` is what became of the
    rows of then; None where it is not known.
    """

    said: tuple[np.ndarray, np.ndarray]
    days: tuple[np.ndarray, np.ndarray]
    classes: tuple[Any, ...]
    happened: pd.Series | None

    @property
    def main(self) -> tuple[np.ndarray, np.ndarray]:
        """Give the probability of the second class where there are two, else what the model predicts."""
        import numpy as np

        then, now = self.said
        if then.ndim == 1:
            return then, now
        if len(self.classes) == 2:
            return then[:, 1], now[:, 1]
        classes = np.asarray(self.classes)
        return classes[then.argmax(axis=1)], classes[now.argmax(axis=1)]


@dataclass(frozen=True)
class Compared:
    """The report, and the rows and answers it is about.

    ``days`` has the day of each row of then and of now.
    """

    report: DriftReport
    then: pd.DataFrame
    now: pd.DataFrame
    answers: tuple[np.ndarray, np.ndarray] | None
    days: tuple[np.ndarray, np.ndarray]
    asked: Asked | None


def _said(estimator: Any, frame: pd.DataFrame) -> np.ndarray:
    """Give probabilities where a classifier has them, else what the model predicts."""
    if hasattr(estimator, "classes_") and hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(frame)
    return estimator.predict(frame)
