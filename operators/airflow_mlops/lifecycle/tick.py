"""One look at a served model: signals are measured, the policy decides, and both are put on record.

Everything is read as of the tick's moment, so a tick that is repeated later decides what it decided then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_mlops.artifacts import digest_json
from airflow_mlops.events import PROMOTION
from airflow_mlops.lifecycle.comparison import Comparison
from airflow_mlops.lifecycle.served import Served
from airflow_mlops.loop.history import History
from airflow_mlops.loop.policy import decide
from airflow_mlops.loop.signals import Drift, PredictionDrift, Signals

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.served import ReadLog
    from airflow_mlops.loop.policy import Decision
    from airflow_mlops.loop.signals import DataCheck, Quality
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.drift.report import ColumnDrift

SIGNALS = "signals"
DECISION = "decision"
EVALUATE = "evaluate"
VALIDATE = "validate"

# Columns named in the signals; the drift report has all of them.
_NAMED_COLUMNS = 10
_DIGEST_LENGTH = 8


@dataclass(frozen=True)
class Decided:
    """What a tick found and decided; ``key`` names both events in the ledger, ``first_run`` recorded them."""

    key: str
    signals: Signals
    decision: Decision
    history: History
    first_run: str | None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {"key": self.key, "signals": self.signals.to_dict(), "decision": self.decision.to_dict()}


@dataclass(frozen=True)
class Tick:
    """Where a look stands, and what it may read.

    Parameters
    ----------
    spec : ModelSpec
        What the model is.
    store : ArtifactStore
        Where rows and versions are.
    ledger : Ledger
        Where history is, and where signals and decision go.
    now : datetime
        The moment, event time.
    snapshot : SnapshotRef or None
        Rows of the monitor's window and the label delay before it; None where they could not be brought in.
    labels : SnapshotRef or None
        Labels, where the spec has ``data.labels``.
    verdict : str or None
        What *validate* said; None where it raised: then the ledger is asked.
    read_log : callable or None
        Gives the prediction log between two times; None asks the versions that served again.
    """

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    now: datetime
    snapshot: SnapshotRef | None
    labels: SnapshotRef | None
    verdict: str | None
    read_log: ReadLog | None

    def decide(self, *, run: str | None) -> Decided:
        """Measure, decide, and record both; the same facts leave one event each.

        Raises
        ------
        ArtifactMissing, ArtifactCorrupt
            Rows, or a version that served, are gone or changed.
        LedgerUnavailable
            The ledger's database did not answer.
        """
        name = self.spec.name
        state = self.ledger.state(name, as_of=self.now)
        events = self._history()
        signals = self._signals(state, [event for event in events if event.kind == PROMOTION])
        history = History.of(events).seen_by(signals)
        decision = decide(
            history,
            signals,
            self.spec.retrain.policy,
            window=self.spec.train.window,
            min_labels=self.spec.monitor.min_labels,
        )
        measured = signals.to_dict()
        key = f"{self.now.isoformat()}:{digest_json(measured)[:_DIGEST_LENGTH]}"
        facts = {
            **decision.to_dict(),
            "signals": key,
            "now": self.now.isoformat(),
            "champion_version": signals.champion_version,
            "epoch": signals.epoch,
        }
        self.ledger.append(name, SIGNALS, key, measured, at=self.now, run=run)
        first = self.ledger.append(name, DECISION, key, facts, at=self.now, run=run)
        return Decided(key, signals, decision, history, first.run)

    def _history(self) -> list[Event]:
        """Return trainings, promotions and signals before this look; what it measures itself is passed beside them."""
        kinds = (PROMOTION, EVALUATE, SIGNALS)
        found = [event for kind in kinds for event in self.ledger.events(self.spec.name, kind=kind, as_of=self.now)]
        earlier = [event for event in found if event.kind != SIGNALS or event.at < self.now]
        return sorted(earlier, key=lambda event: event.seq)

    def _signals(self, state: ModelState, promotions: list[Event]) -> Signals:
        champion, (verdict, reasons) = state.champion, self._data_check()
        facts: dict[str, Any] = {}
        # Rows that nothing may use say nothing of drift or of quality either.
        if champion is not None and self.snapshot is not None and verdict in ("passed", "warning"):
            facts |= self._drift(self.snapshot, champion.payload.get("model") or {})
            facts["quality"] = self._quality(self.snapshot, promotions)
        return Signals(
            now=self.now,
            epoch=state.epoch,
            champion_version=champion.version if champion else None,
            data_check=verdict,
            data_check_reasons=tuple(reasons),
            age_days=(self.now - champion.since).total_seconds() / 86_400 if champion else None,
            **facts,
        )

    def _data_check(self) -> tuple[DataCheck, list[str]]:
        """Return what *validate* said of these rows, and why; it raises on a failure, so the ledger knows more."""
        if self.snapshot is None:
            return "missing", ["there are no rows of this window: ingest failed, and its log says why"]
        events = self.ledger.events(self.spec.name, kind=VALIDATE)
        mine = [event for event in events if event.payload["snapshot"]["id"] == self.snapshot.id]
        verdict = self.verdict or (mine[-1].payload["ref"]["verdict"] if mine else None)
        if verdict is None:
            return "missing", ["validate ended without a verdict, and its log says why"]
        worst = mine[-1].payload["ref"]["summary"]["worst"] if mine else []
        wanted = "critical" if verdict == "failed" else "warning"
        return cast("DataCheck", verdict), [found["message"] for found in worst if found["severity"] == wanted]

    def _drift(self, snapshot: SnapshotRef, champion: dict[str, Any]) -> dict[str, Any]:
        compared = Comparison.of(snapshot, champion=champion, name=self.spec.name)
        report = compared.measure(self.store, self.spec).report
        columns = tuple(column.column for column in report.drifted[:_NAMED_COLUMNS])
        verdict: Literal["drifted", "stable"] = "drifted" if report.verdict == "drifted" else "stable"
        found: dict[str, Any] = {"drift": Drift(verdict, report.share, columns)}
        return found | ({"prediction_drift": _prediction_drift(report.prediction)} if report.prediction else {})

    def _quality(self, snapshot: SnapshotRef, promotions: list[Event]) -> Quality | None:
        """Measure what was served; None where labels have a source of their own that gave none."""
        if self.spec.data.labels and self.labels is None:
            return None
        rows = self.store.read_frame(snapshot.table_uri, digest=snapshot.digest)
        known = [self.labels] if self.labels else []
        labels = [self.store.read_frame(one.table_uri, digest=one.digest) for one in known]
        return Served(self.spec, self.store, promotions, self.read_log).quality(rows, labels, now=self.now)


def _prediction_drift(column: ColumnDrift) -> PredictionDrift:
    return PredictionDrift(
        verdict="drifted" if column.drifted else "stable",
        method=column.method,
        score=column.score,
        threshold=column.threshold,
    )
