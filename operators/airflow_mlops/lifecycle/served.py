"""What a model answered in the window whose labels have become due, and how good that was."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.errors import SignalsUnusable
from airflow_mlops.events import BACK
from airflow_mlops.lifecycle.scorecards import Judged
from airflow_mlops.loop.bake import Against
from airflow_mlops.loop.labels import Labelled, join_labels, known_labels, row_ids
from airflow_mlops.loop.signals import measure_quality

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import pandas as pd
    import pyarrow as pa

    from airflow_mlops.events import Event
    from airflow_mlops.lifecycle.scorecards import Models
    from airflow_mlops.spec import ModelSpec

    # Takes ``start`` and ``end``.
    ReadLog = Callable[..., pa.Table]

log = logging.getLogger(__name__)

# A column that no spec names.
_NAME = "_row_id"


@dataclass
class Served:
    """The served answers of one model.

    Parameters
    ----------
    spec : ModelSpec
        What the model is.
    models : Models
        Loads its versions.
    promotions : sequence of Event
        In the order of epochs.
    read_log : callable or None
        Gives the prediction log between two times; None asks the versions that served again.
    """

    spec: ModelSpec
    models: Models
    promotions: Sequence[Event]
    read_log: ReadLog | None

    def judge(
        self, rows: pd.DataFrame, labels: Sequence[pd.DataFrame], *, start: datetime, end: datetime, now: datetime
    ) -> Judged:
        """Measure the answers to the rows of a window, by the labels known at a moment.

        Parameters
        ----------
        rows : DataFrame
            Raw rows of at least that window.
        labels : sequence of DataFrame
            Where the spec has ``data.labels``.
        start, end : datetime
            The window; ``end`` is left out.
        now : datetime
            The moment of the look.

        Raises
        ------
        SignalsUnusable
            Answers cannot be judged; the sentence says why.
        ArtifactMissing, ArtifactCorrupt
            A version that served is gone or changed.
        """
        import numpy as np
        import pandas as pd

        from airflow_mlops.stages.decide.quality import losses
        from airflow_mlops.stages.drift.effects import days_of
        from airflow_mlops.stages.train import usable_target

        found, raw = self._labelled(rows, labels, start, end, now)
        times = pd.to_datetime(raw[self.spec.data.time], utc=True)
        if not found.labelled:
            quality = measure_quality(found, [], metric=self.spec.evaluate.gate.metric or "loss")
            return Judged(quality, raw, times, np.empty(0), np.empty(0), np.empty(0, dtype=str))
        target = usable_target(found.frame[self.spec.data.target], task=self.spec.task)
        versions = found.frame["version"].astype(str).unique()
        classes = {version: np.asarray(getattr(self._model(version), "classes_", ())).tolist() for version in versions}
        self._check_classes(target.tolist(), {label for known in classes.values() for label in known})
        metric, each = losses(found.frame, target, classes, self.spec)
        quality = measure_quality(found, each, metric=metric, days=days_of(times))
        return Judged(quality, raw, times, target, each, found.frame["version"].astype(str).to_numpy())

    def against(self, judged: Judged, *, until: datetime) -> Against | None:
        """Ask the version before the champion about the rows that the champion answered.

        Parameters
        ----------
        judged : Judged
            From `judge`.
        until : datetime
            Where the champion's bake window ends; later rows are left out.

        Returns
        -------
        Against or None
            None where nothing served before, or none of the rows is the champion's.

        Raises
        ------
        SignalsUnusable
            The version before cannot answer these rows.
        ArtifactMissing, ArtifactCorrupt
            It is gone or changed.
        """
        from airflow_mlops.stages.decide.quality import answer, losses
        from airflow_mlops.stages.drift.effects import days_of

        watched, before = self.promotions[-1], _before(self.promotions)
        if before is None:
            return None
        version = str(watched.payload["version"])
        is_its_own = (judged.times >= watched.at) & (judged.times < until)
        mine = is_its_own.to_numpy() & (judged.versions == version)
        days = days_of(judged.times[mine])
        if not mine.any():
            return None
        name, model = str(before.payload["version"]), self.models.load(before.payload["model"])
        try:
            said = answer(model, judged.rows.loc[mine, self.spec.features.columns]).assign(version=name)
        except (ValueError, TypeError) as error:
            raise SignalsUnusable(
                f"version {name} cannot answer the {int(mine.sum())} rows that it is compared on "
                f"({type(error).__name__}: {error})."
            ) from error
        classes = {name: list(getattr(model, "classes_", ()))}
        _, each = losses(said.reset_index(drop=True), judged.target[mine], classes, self.spec)
        return Against.measured(watched.epoch or 0, name, (judged.losses[mine], each), days)

    def _labelled(
        self, rows: pd.DataFrame, labels: Sequence[pd.DataFrame], start: datetime, end: datetime, now: datetime
    ) -> tuple[Labelled, pd.DataFrame]:
        """Return the labelled answers, and the raw row of each in the same order."""
        if self.read_log is None:
            return self._asked_again(rows, labels, start, end, now)
        from airflow_mlops.stages.decide.quality import LABEL, OUTPUT

        logged = self.read_log(start=start, end=end).to_pandas().rename(columns={"output": OUTPUT, "label": LABEL})
        known = logged["version"].isin(self._by_version())
        if not known.all():
            log.warning("%d predictions of versions that were never promoted are left out", int((~known).sum()))
        data = self.spec.data
        found = join_labels(logged[known], rows, labels, data=data, start=start, end=end, now=now)
        # A label is found by the row's name, so each labelled answer has a row.
        named = rows.assign(**{_NAME: row_ids(rows, data.key, data.time)}).drop_duplicates(_NAME, keep="last")
        return found, named.set_index(_NAME).loc[found.frame["id"]].reset_index(drop=True)

    def _asked_again(
        self, rows: pd.DataFrame, labels: Sequence[pd.DataFrame], start: datetime, end: datetime, now: datetime
    ) -> tuple[Labelled, pd.DataFrame]:
        """Ask the version that served at each row's time, so that none answers for rows it was trained on."""
        import pandas as pd

        from airflow_mlops.stages.decide.quality import answer, serving_epochs

        data = self.spec.data
        times = pd.to_datetime(rows[data.time], utc=True)
        # All rows, not only the window's: a label may belong to a row after it.
        known = known_labels(rows.assign(**{data.time: times}), labels, data=data, now=now)
        known = known[(known[data.time] >= start) & (known[data.time] < end)]
        known = known.drop_duplicates(data.key, keep="last") if data.key else known
        epochs = serving_epochs(known[data.time], [(event.at, event.epoch or 0) for event in self.promotions])
        served, epochs = known[epochs > 0], epochs[epochs > 0]
        labelled = served[data.target].notna().to_numpy()
        judged, epochs = served[labelled], epochs[labelled]
        answered = []
        for event in self.promotions:
            mine = judged[epochs == event.epoch]
            if len(mine):
                version = str(event.payload["version"])
                said = answer(self._model(version), mine[self.spec.features.columns])
                answered.append(said.assign(version=version, epoch=event.epoch))
        frame = pd.concat(answered) if answered else pd.DataFrame({"version": []})
        frame = judged[[data.time, data.target]].join(frame)
        return Labelled(frame.reset_index(drop=True), start, end, rows=len(served)), judged.reset_index(drop=True)

    def _check_classes(self, happened: list[Any], known: set[Any]) -> None:
        """Refuse labels of no class: beside two there is no third, and of several a new one comes beside others."""
        unknown = [label for label in happened if label not in known]
        if not known or not unknown or (self.spec.task != "binary" and len(unknown) < len(happened)):
            return
        raise SignalsUnusable(
            f"{len(unknown)} of {len(happened)} labels, such as {unknown[0]!r}, are no class of what served, which "
            f"knows {sorted(known, key=str)}; mend {self.spec.data.target!r} at its source."
        )

    def _model(self, version: str) -> Any:
        return self.models.load(self._by_version()[version])

    def _by_version(self) -> dict[str, dict[str, Any]]:
        return {str(event.payload["version"]): event.payload["model"] for event in self.promotions}


def _before(promotions: Sequence[Event]) -> Event | None:
    """Return the promotion of the version before the champion; None where there is none to beat."""
    if len(promotions) < 2 or promotions[-1].payload.get("cause") in BACK:
        return None
    version = str(promotions[-1].payload["version"])
    return next((each for each in reversed(promotions[:-1]) if str(each.payload["version"]) != version), None)
