"""What one look of the monitor measures: drift of its rows, and the losses of what served and of what might serve."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_mlops.errors import ArtifactMissing, LabelsUnusable, SignalsUnusable
from airflow_mlops.lifecycle.comparison import Comparison
from airflow_mlops.lifecycle.scorecards import Models, Scorecards
from airflow_mlops.lifecycle.served import Served
from airflow_mlops.lifecycle.windows import Recorded, to_measure_again
from airflow_mlops.loop.history import History
from airflow_mlops.loop.past_of import pool_of
from airflow_mlops.loop.signals import Drift, PredictionDrift, Signals
from airflow_mlops.snapshots import read_frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.lifecycle.comparison import Compared
    from airflow_mlops.lifecycle.scorecards import Judged
    from airflow_mlops.lifecycle.served import ReadLog
    from airflow_mlops.loop.history import Member
    from airflow_mlops.loop.signals import DataCheck, Quality
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.drift.report import ColumnDrift

log = logging.getLogger(__name__)

# Columns named in the signals; the drift report has all of them.
_NAMED_COLUMNS = 10


@dataclass(frozen=True)
class Look:
    """The rows of a look, and what was known before it.

    Parameters
    ----------
    spec : ModelSpec
        What the model is.
    store : ArtifactStore
        Where rows and versions are.
    now : datetime
        The moment, event time.
    snapshot, labels : SnapshotRef or None
        As in `Tick`.
    judged : Event or None
        In which *validate* judged the rows.
    read_log : callable or None
        As in `Tick`.
    state : ModelState
        Who serves.
    events : list of Event
        Promotions, trainings and signals before.
    """

    spec: ModelSpec
    store: ArtifactStore
    now: datetime
    snapshot: SnapshotRef | None
    labels: SnapshotRef | None
    judged: Event | None
    read_log: ReadLog | None
    state: ModelState
    events: list[Event]

    def measure(self) -> tuple[Signals, Compared | None]:
        """Measure; the comparison is None where rows were not compared.

        Raises
        ------
        ArtifactMissing, ArtifactCorrupt
            Rows, or a version that served, are gone or changed.
        """
        champion, (verdict, reasons) = self.state.champion, self._data_check()
        facts: dict[str, Any] = {}
        compared = None
        # Rows that nothing may use say nothing of drift or of quality either.
        if champion is not None and self.snapshot is not None and verdict in ("passed", "warning"):
            comparison = Comparison.of(self.snapshot, champion=champion.payload.get("model") or {}, name=self.spec.name)
            compared = comparison.measure(self.store, self.spec)
            facts |= _drift(compared) | self._losses(self.snapshot)
        signals = Signals(
            now=self.now,
            epoch=self.state.epoch,
            champion_version=champion.version if champion else None,
            data_check=verdict,
            data_check_reasons=tuple(reasons),
            age_days=(self.now - champion.since).total_seconds() / 86_400 if champion else None,
            **facts,
        )
        return signals, compared

    def _data_check(self) -> tuple[DataCheck, list[str]]:
        """Return what *validate* said of these rows, and why; it raises on a failure, so the ledger knows more."""
        if self.snapshot is None:
            return "missing", ["there are no rows of this window: ingest failed, and its log says why"]
        if self.judged is None:
            return "missing", ["validate ended without a verdict, and its log says why"]
        ref = self.judged.payload["ref"]
        wanted = "critical" if ref["verdict"] == "failed" else "warning"
        found = [found["message"] for found in ref["summary"]["worst"] if found["severity"] == wanted]
        return cast("DataCheck", ref["verdict"]), found

    # Losses

    def _losses(self, snapshot: SnapshotRef) -> dict[str, Any]:
        """Measure what was served, or say why it could not be: age and data check decide without it."""
        if self.spec.data.labels and self.labels is None:
            return {"problems": ("there are no labels of this window: ingest_labels failed, and its log says why",)}
        end = self.now - self.spec.data.label_delay
        start = end - self.spec.monitor_window
        quality, problem = self._measured(snapshot, [self.labels] if self.labels else [], start, end)
        found: dict[str, Any] = {"quality": quality, "problems": (problem,) if problem else ()}
        if quality is not None:
            found["reopened"] = tuple(self._reopened(quality))
        return found

    def _measured(
        self, snapshot: SnapshotRef, labels: Sequence[SnapshotRef], start: datetime, end: datetime
    ) -> tuple[Quality | None, str | None]:
        """Measure one window; what could not be measured of it is said in a sentence."""
        rows, known = self._read(snapshot), [self._read(one) for one in labels]
        try:
            judged = self._served.judge(rows, known, start=start, end=end, now=self.now)
        except (SignalsUnusable, LabelsUnusable) as error:
            return None, f"what was served could not be judged: {str(error).rstrip('.')}"
        quality = judged.quality
        if not quality.labelled:
            return quality, None
        try:
            if self._members:
                quality = self._scorecards.score(judged, self._members)
            return self._beside_the_one_before(judged, quality), None
        except SignalsUnusable as error:
            return quality, f"versions could not be compared: {str(error).rstrip('.')}"

    def _beside_the_one_before(self, judged: Judged, quality: Quality) -> Quality:
        """Say also what the version before would have lost, for a window within the champion's bake window."""
        bake, champion = self.spec.deploy.bake, self.state.champion
        if bake is None or champion is None or not champion.since < quality.end:
            return quality
        until = champion.since + bake.window
        return replace(quality, against=self._served.against(judged, until=until)) if quality.start < until else quality

    def _reopened(self, own: Quality) -> list[Quality]:
        """Measure earlier windows again: see `to_measure_again`."""
        recorded = Recorded.of(self.events)
        found = []
        for start, end in to_measure_again(self._history, self._members, self.spec, now=self.now, before=own.start):
            rows, labels = recorded.of_window(start, end)
            if rows is None:
                continue
            try:
                quality, problem = self._measured(rows, [*labels, *([self.labels] if self.labels else [])], start, end)
            except ArtifactMissing as error:
                log.warning("the window from %s to %s stays as it was measured: %s", start, end, error)
                continue
            if problem:
                log.warning("the window from %s to %s stays as it was measured: %s", start, end, problem)
            elif quality is not None:
                found.append(quality)
        return found

    def _read(self, snapshot: SnapshotRef) -> pd.DataFrame:
        return read_frame(self.store, snapshot)

    @cached_property
    def _history(self) -> History:
        return History.of(self.events)

    @cached_property
    def _members(self) -> list[Member]:
        """Who is asked: the pool of the policies that choose among versions, and what serves."""
        retrain = self.spec.retrain
        sizes = [policy.pool for policy in (retrain.policy, retrain.shadow) if policy and hasattr(policy, "pool")]
        if not sizes or not self._history.promotions:
            return []
        pool = pool_of(self._history, max(sizes))
        serving = self._history.promotions[-1].members
        return [each for each in self._history.members if each in pool or each.id in serving]

    @cached_property
    def _models(self) -> Models:
        return Models(self.store)

    @cached_property
    def _scorecards(self) -> Scorecards:
        return Scorecards(self.spec, self.store, self._models)

    @cached_property
    def _served(self) -> Served:
        promotions = [event for event in self.events if event.kind == "promotion"]
        return Served(self.spec, self._models, promotions, self.read_log)


def _drift(compared: Compared) -> dict[str, Any]:
    report = compared.report
    columns = tuple(column.column for column in report.drifted[:_NAMED_COLUMNS])
    found: dict[str, Any] = {}
    # No column that could be compared is no evidence, neither of drift nor of none.
    if report.compared:
        verdict: Literal["drifted", "stable"] = "drifted" if report.verdict == "drifted" else "stable"
        found["drift"] = Drift(verdict, report.share, columns)
    return found | ({"prediction_drift": _prediction_drift(report.prediction)} if report.prediction else {})


def _prediction_drift(column: ColumnDrift) -> PredictionDrift:
    return PredictionDrift(
        verdict="drifted" if column.drifted else "stable",
        method=column.method,
        score=column.score,
        threshold=column.threshold,
    )
