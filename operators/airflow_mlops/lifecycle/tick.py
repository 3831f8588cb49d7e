"""One look at a served model: signals are measured, the policy decides, and both are put on record.

Everything is read as of the tick's moment, so a tick that is repeated later decides what it decided then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import LabelsUnusable, LedgerCorrupt, SignalsUnusable
from airflow_mlops.events import PROMOTION
from airflow_mlops.lifecycle.comparison import Comparison
from airflow_mlops.lifecycle.served import Served
from airflow_mlops.loop.history import History
from airflow_mlops.loop.policy import Decision, decide
from airflow_mlops.loop.signals import Drift, PredictionDrift, Signals

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.served import ReadLog
    from airflow_mlops.loop.signals import DataCheck, Quality
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.drift.report import ColumnDrift

SIGNALS = "signals"
DECISION = "decision"
EVALUATE = "evaluate"
DEPLOY = "deploy"
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
    judgement : str or None
        Key of the event in which *validate* judged these rows; None where it came to no verdict.
    read_log : callable or None
        Gives the prediction log between two times; None asks the versions that served again.
    """

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    now: datetime
    snapshot: SnapshotRef | None
    labels: SnapshotRef | None
    judgement: str | None
    read_log: ReadLog | None

    def decide(self, *, run: str | None) -> Decided:
        """Measure, decide, and record both; a look that was made before gives what it decided then.

        Raises
        ------
        ArtifactMissing, ArtifactCorrupt
            Rows, or a version that served, are gone or changed.
        LedgerUnavailable
            The ledger's database did not answer.
        """
        events, key = self._history(), self._key()
        earlier = self.ledger.find(self.spec.name, DECISION, key)
        if earlier is not None:
            return self._again(earlier, events)
        state = self.ledger.state(self.spec.name, as_of=self.now)
        signals = self._signals(state, [event for event in events if event.kind == PROMOTION])
        history = History.of(events).seen_by(signals)
        decision = decide(
            history,
            signals,
            self.spec.retrain.policy,
            window=self.spec.train.window,
            min_labels=self.spec.monitor.min_labels,
        )
        if signals.problems:
            # What was in the way may be gone at a second look, which is then a look of its own.
            key = f"{key}:{digest_json(signals.to_dict())[:_DIGEST_LENGTH]}"
        return self._record(key, signals, decision, history, run)

    def _key(self) -> str:
        """Name this look by its moment, its rows, the verdict on them, and the rules it decides by."""
        spec = self.spec
        looked_at = {
            "rows": self.snapshot.id if self.snapshot else None,
            "labels": self.labels.id if self.labels else None,
            "judgement": self.judgement,
            "monitor": spec.monitor.model_dump(mode="json"),
            "policy": spec.retrain.policy.model_dump(mode="json"),
            "drift": spec.drift.model_dump(mode="json"),
            "metric": spec.evaluate.gate.metric,
            "train": spec.train.window,
        }
        return f"{self.now.isoformat()}:{digest_json(looked_at)[:_DIGEST_LENGTH]}"

    def _again(self, earlier: Event, events: list[Event]) -> Decided:
        measured = self.ledger.find(self.spec.name, SIGNALS, earlier.key)
        if measured is None:
            raise LedgerCorrupt(f"decision {earlier.key} of {self.spec.name} has no signals; run ledger verify.")
        signals = Signals.from_dict(measured.payload)
        decision = Decision.from_dict(earlier.payload)
        return Decided(earlier.key, signals, decision, History.of(events).seen_by(signals), earlier.run)

    def _record(self, key: str, signals: Signals, decision: Decision, history: History, run: str | None) -> Decided:
        facts = {
            **decision.to_dict(),
            "signals": key,
            "now": self.now.isoformat(),
            "champion_version": signals.champion_version,
            "epoch": signals.epoch,
        }
        # Signals first: a decision that is on record has them.
        self.ledger.append(self.spec.name, SIGNALS, key, signals.to_dict(), at=self.now, run=run)
        first = self.ledger.append(self.spec.name, DECISION, key, facts, at=self.now, run=run)
        if first.run != run:
            return self._again(first, self._history())
        return Decided(key, signals, decision, history, run)

    def _history(self) -> list[Event]:
        """Return trainings, promotions and signals before this look; what it measures itself is passed beside them."""
        kinds = (PROMOTION, EVALUATE, DEPLOY, SIGNALS)
        found = [event for kind in kinds for event in self.ledger.events(self.spec.name, kind=kind, as_of=self.now)]
        earlier = [event for event in found if event.kind != SIGNALS or event.at < self.now]
        return sorted(earlier, key=lambda event: event.seq)

    def _signals(self, state: ModelState, promotions: list[Event]) -> Signals:
        champion, (verdict, reasons) = state.champion, self._data_check()
        facts: dict[str, Any] = {}
        # Rows that nothing may use say nothing of drift or of quality either.
        if champion is not None and self.snapshot is not None and verdict in ("passed", "warning"):
            facts |= self._drift(self.snapshot, champion.payload.get("model") or {})
            facts |= self._judged(self.snapshot, promotions)
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
        judged = self.ledger.find(self.spec.name, VALIDATE, self.judgement) if self.judgement else None
        if judged is None:
            return "missing", ["validate ended without a verdict, and its log says why"]
        verdict, worst = judged.payload["ref"]["verdict"], judged.payload["ref"]["summary"]["worst"]
        wanted = "critical" if verdict == "failed" else "warning"
        return cast("DataCheck", verdict), [found["message"] for found in worst if found["severity"] == wanted]

    def _drift(self, snapshot: SnapshotRef, champion: dict[str, Any]) -> dict[str, Any]:
        compared = Comparison.of(snapshot, champion=champion, name=self.spec.name)
        report = compared.measure(self.store, self.spec).report
        columns = tuple(column.column for column in report.drifted[:_NAMED_COLUMNS])
        verdict: Literal["drifted", "stable"] = "drifted" if report.verdict == "drifted" else "stable"
        found: dict[str, Any] = {"drift": Drift(verdict, report.share, columns)}
        return found | ({"prediction_drift": _prediction_drift(report.prediction)} if report.prediction else {})

    def _judged(self, snapshot: SnapshotRef, promotions: list[Event]) -> dict[str, Any]:
        """Measure what was served, or say why it could not be: age and data check decide without it."""
        if self.spec.data.labels and self.labels is None:
            return {"problems": ("there are no labels of this window: ingest_labels failed, and its log says why",)}
        try:
            return {"quality": self._quality(snapshot, promotions)}
        except (SignalsUnusable, LabelsUnusable) as error:
            return {"problems": (f"what was served could not be judged: {str(error).rstrip('.')}",)}

    def _quality(self, snapshot: SnapshotRef, promotions: list[Event]) -> Quality:
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
