"""Rows of now beside those the champion was trained on: what *drift* renders and *decide* weighs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from airflow_mlops.errors import ArtifactMissing, NothingToCompare
from airflow_mlops.lifecycle.compared_rows import ComparedRows
from airflow_mlops.lifecycle.stored_model import load_stored
from airflow_mlops.refs import ModelRef, SnapshotRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.drift import ColumnDrift, DriftReport
    from airflow_mlops.stages.profile import ColumnProfile, Profile

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

    def measure(self, store: ArtifactStore, spec: ModelSpec, *, is_multivariate: bool = False) -> Compared:
        """Score all rows by their profiles, and measure effects and predictions on a sample of either side.

        Parameters
        ----------
        store : ArtifactStore
            Where snapshots, profiles and the model are.
        spec : ModelSpec
            What the model is; `spec.drift.sample_rows` bounds the samples.
        is_multivariate : bool, default=False
            Ask a classifier too whether it can tell the two apart.

        Raises
        ------
        MissingColumns
            A snapshot lacks a column.
        ArtifactMissing, ArtifactCorrupt
            A snapshot is gone or changed.
        """
        from airflow_mlops.stages.drift import drift

        sides = ComparedRows(store, self.reference), ComparedRows(store, [self.current])
        wanted = _wanted(spec)
        reference, current = (side.profile(wanted, sensitive=spec.data.sensitive) for side in sides)
        label = spec.data.target if all(spec.data.target in side.columns for side in (reference, current)) else None
        read = [*wanted, label] if label and label not in wanted else wanted
        then, now = (side.sample(read, rows=spec.drift.sample_rows) for side in sides)
        days = _days(then, spec.data.time), _days(now, spec.data.time)
        asked = self._ask(store, spec, then, now, days=days)
        answered = _profiled(asked.main) if asked else None
        report = drift(
            reference,
            current,
            spec.features.columns,
            spec.drift,
            sensitive=spec.data.sensitive,
            label=label,
            predictions=answered,
            recount=lambda column: _aligned(*(side.counts(column) for side in sides)),
        )
        profiles = Profiles(reference, current, answered)
        compared = Compared(report, then, now, asked.main if asked else None, days, asked, profiles)
        return replace(compared, report=_measured(compared, spec, is_multivariate=is_multivariate))

    def _ask(
        self,
        store: ArtifactStore,
        spec: ModelSpec,
        then: pd.DataFrame,
        now: pd.DataFrame,
        *,
        days: tuple[np.ndarray, np.ndarray],
    ) -> Asked | None:
        """Predict for both samples; the reference is the model's held-out rows, where they are stored.

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
            then = _even(store.read_frame(f"{folder}/holdout.parquet", digest=manifest["holdout"]), spec)
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
class Profiles:
    """What all rows of then and of now are told by, and what the model answers for the samples."""

    then: Profile
    now: Profile
    answers: tuple[ColumnProfile, ColumnProfile] | None


@dataclass(frozen=True)
class Compared:
    """The report on all rows, and the sample and answers that effects are measured on.

    ``days`` has the day of each row of then and of now.
    """

    report: DriftReport
    then: pd.DataFrame
    now: pd.DataFrame
    answers: tuple[np.ndarray, np.ndarray] | None
    days: tuple[np.ndarray, np.ndarray]
    asked: Asked | None
    profiles: Profiles

    def distributions(self) -> dict[str, Any]:
        """Give what the pages draw of the compared columns, of all rows."""
        from airflow_mlops.stages.drift.distributions import distributions_of

        profiles = self.profiles
        return distributions_of(self.report, profiles.then, profiles.now, predictions=profiles.answers)


def _wanted(spec: ModelSpec) -> list[str]:
    """List the columns that are compared, those the model takes, and the time."""
    return list(dict.fromkeys([*spec.drift.columns, *spec.features.columns, spec.data.time]))


def _days(frame: pd.DataFrame, time: str) -> np.ndarray:
    from airflow_mlops.stages.drift.effects import days_of

    return days_of(frame[time])


def _even(frame: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """Keep at most so many rows as a sample has, every so many."""
    import numpy as np

    most = spec.drift.sample_rows
    return frame if len(frame) <= most else frame.iloc[np.arange(most) * len(frame) // most].reset_index(drop=True)


def _profiled(answers: tuple[np.ndarray, np.ndarray]) -> tuple[ColumnProfile, ColumnProfile]:
    import pyarrow as pa

    from airflow_mlops.stages.drift import PREDICTION
    from airflow_mlops.stages.profile.measure import measure

    then, now = (measure(PREDICTION, pa.array(side)) for side in answers)
    return then, now


def _aligned(then: tuple[pa.Array, pa.Array], now: tuple[pa.Array, pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    """Put the counts of two sides into the same order of texts."""
    import numpy as np
    import pyarrow as pa

    codes = pa.concat_arrays([then[0], now[0]]).dictionary_encode().indices.to_numpy()
    size = int(codes.max()) + 1
    places = codes[: len(then[0])], codes[len(then[0]) :]
    first, second = (
        np.bincount(place, weights=side[1].to_numpy(), minlength=size)
        for place, side in zip(places, (then, now), strict=True)
    )
    return first, second


def _measured(compared: Compared, spec: ModelSpec, *, is_multivariate: bool) -> DriftReport:
    """Add to a report what comes from the sample: effects with intervals, and the check of all columns together."""
    from airflow_mlops.stages.drift.domain import tell_apart
    from airflow_mlops.stages.drift.effects import effect_of, prediction_effect

    report, then, now = compared.report, compared.then, compared.now

    def with_effect(column: ColumnDrift | None) -> ColumnDrift | None:
        if column is None or column.score is None:
            return column
        name = column.column
        return replace(column, effect=effect_of(name, then[name], now[name], days=compared.days))

    prediction, asked = report.prediction, compared.asked
    if prediction is not None and asked is not None:
        prediction = replace(prediction, effect=prediction_effect(*asked.main, days=asked.days))
    columns = tuple(column for each in report.columns if (column := with_effect(each)) is not None)
    names = [column.column for column in report.compared]
    return replace(
        report,
        columns=columns,
        prediction=prediction,
        label=with_effect(report.label),
        domain=tell_apart(then, now, names, days=compared.days, seed=spec.train.seed) if is_multivariate else None,
        sample_rows=(len(then), len(now)),
    )


def _said(estimator: Any, frame: pd.DataFrame) -> np.ndarray:
    """Give probabilities where a classifier has them, else what the model predicts."""
    if hasattr(estimator, "classes_") and hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(frame)
    return estimator.predict(frame)
