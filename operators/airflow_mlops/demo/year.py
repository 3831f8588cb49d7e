"""The flights of the year as the airline sees them, and as the story is judged by them when labels have come."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.demo import calendar
from airflow_mlops.demo.runs import MODEL

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.demo.improvement import Improvement
    from airflow_mlops.demo.records import Promotion
    from airflow_mlops.spec import ModelSpec


class Year:
    """Every flight from the first of March on.

    Parameters
    ----------
    spec : ModelSpec
        Names of columns.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    @property
    def sent(self) -> list[str]:
        """What is sent of a flight: what names it, and its features."""
        return list(dict.fromkeys([*self.spec.data.key, self.spec.data.time, *self.spec.features.columns]))

    def flights(self, week: calendar.Week, *, faults: Path) -> pa.Table:
        """Return the flights of a week as the source sends them; ``faults`` is where a fault may be planted."""
        import pyarrow as pa
        from pyarrow import compute as pc

        from airflow_mlops.demo.faults import with_faults

        times = self._true[self.spec.data.time]
        start, end = (pa.scalar(moment, times.type) for moment in (week.start, week.end))
        rows = self._true.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))
        return with_faults(rows, file=faults)

    def changes(self, promotions: list[Promotion], *, now: datetime, artifacts: Path) -> list[Improvement]:
        """Compare what was served with what the replaced versions would have said, by the labels known at ``now``."""
        from airflow_mlops.artifacts import ArtifactStore
        from airflow_mlops.demo.improvement import improvements, judge_served
        from airflow_mlops.serving.prediction_log import read_predictions

        store = ArtifactStore.local(artifacts)
        log = read_predictions(store, MODEL, start=calendar.START, end=now)
        judged = judge_served(log.to_pandas(), self._true.to_pandas(), spec=self.spec, now=now)
        return improvements(promotions, judged, spec=self.spec, load=lambda model: _load(store, model))

    @cached_property
    def _true(self) -> pa.Table:
        from airflow_mlops.demo.flights import read_flights

        return read_flights(calendar.START, calendar.week(calendar.IN_ALL).start)


def _load(store: ArtifactStore, model: dict[str, Any]) -> Any:
    from airflow_mlops.lifecycle.stored_model import StoredModel
    from airflow_mlops.refs import ModelRef
    from airflow_mlops.stages.model_file import load_model

    ref = ModelRef.from_dict(model)
    return load_model(StoredModel.read(store, ref).payload, ref.serialization)
