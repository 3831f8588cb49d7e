"""One look at a served model: signals are measured, the policy decides, and both are put on record.

Everything is read as of the tick's moment, so a tick that is repeated later decides what it decided then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.events import APPROVAL, BACK, FREEZE, PROMOTION, REGISTER
from airflow_mlops.lifecycle.budgets import Budgets
from airflow_mlops.lifecycle.earlier import looks_of, trained
from airflow_mlops.lifecycle.holds import control_of
from airflow_mlops.lifecycle.look import Look
from airflow_mlops.lifecycle.override import told_of
from airflow_mlops.lifecycle.scorecards import Models, Scorecards
from airflow_mlops.lifecycle.verdicts import Judge, importance_of
from airflow_mlops.loop.bake import BAKE, bake_at, is_watched
from airflow_mlops.loop.control import BURN as SLO_BURN
from airflow_mlops.loop.control import Control
from airflow_mlops.loop.history import DECISION, DEPLOY, EVALUATE, SHADOW, SIGNALS, TRAIN, History
from airflow_mlops.loop.past_of import past_of, persists
from airflow_mlops.loop.policy import Decision, decide
from airflow_mlops.loop.signals import Signals
from airflow_mlops.loop.slo import slo_signal
from airflow_mlops.spec.policy_sections import CommitteePolicy, RulesPolicy, SinglePolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.lifecycle.budgets import AsksServer
    from airflow_mlops.lifecycle.override import Override
    from airflow_mlops.lifecycle.served import ReadLog
    from airflow_mlops.loop.history import Reading
    from airflow_mlops.loop.signal import Signal
    from airflow_mlops.loop.slo import Budget
    from airflow_mlops.refs import SnapshotRef
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.spec.loop_sections import Policy

    # Budgets, and what the server has counted.
    Measured = tuple[list[Budget], dict[str, Any] | None]

VALIDATE = "validate"
# Policies that choose among versions already trained.
VERSIONS = (CommitteePolicy, SinglePolicy, RulesPolicy)
_DIGEST_LENGTH = 8


@dataclass(frozen=True)
class Decided:
    """What a tick found and decided; ``key`` names its events in the ledger, ``first_run`` recorded them.

    ``shadow`` is what a policy in shadow would have decided on the same facts; None where the spec has none.
    """

    key: str
    signals: Signals
    decision: Decision
    history: History
    first_run: str | None
    shadow: Decision | None = None

    def to_dict(self) -> dict[str, Any]:
        """Turn into JSON."""
        return {
            "key": self.key,
            "signals": self.signals.to_dict(),
            "decision": self.decision.to_dict(),
            "shadow": self.shadow.to_dict() if self.shadow else None,
        }


@dataclass(frozen=True)
class Tick:
    """Where a look stands, and what it may read.

    Parameters
    ----------
    spec : ModelSpec
        What the model is, as it is in force: see `override.in_force`.
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
    hour : int or None
        Of the clock, UTC, for the quiet hours of a policy.
    clock : datetime or None
        Now, by which an approval that nobody gives expires.
    server : callable or None
        Gives a client of the model server, which counts its requests; None where there is none.
    override : Override or None
        Why the two policies of the spec stand in each other's place; None where they do not.
    """

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    now: datetime
    snapshot: SnapshotRef | None
    labels: SnapshotRef | None
    judgement: str | None
    read_log: ReadLog | None
    hour: int | None = None
    clock: datetime | None = None
    server: Callable[[], AsksServer] | None = None
    override: Override | None = None

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
        signals, history = self._look(events)
        signals, budgets = self._budgets(signals, history, events)
        retrain = self.spec.retrain
        control = replace(self._control, is_spent=self._is_spent(budgets))
        readings = [history.readings, history.shadow_readings]
        ours, others = reversed(readings) if self.override else readings
        decision = self._decided(retrain.policy, history, signals, ours, control)
        shadow = retrain.shadow and self._decided(retrain.shadow, history, signals, others, control)
        if signals.problems:
            # What was in the way may be gone at a second look, which is then a look of its own.
            key = f"{key}:{digest_json(signals.to_dict())[:_DIGEST_LENGTH]}"
        if budgets is not None:
            Budgets(self.spec, self.ledger, self.now).record(*budgets, key=key, run=run)
        return self._record(Decided(key, signals, decision, history, run, shadow or None))

    def _look(self, events: list[Event]) -> tuple[Signals, History]:
        """Measure, and judge what was measured in the light of earlier looks."""
        state = self.ledger.state(self.spec.name, as_of=self.now)
        judged = self.ledger.find(self.spec.name, VALIDATE, self.judgement) if self.judgement else None
        look = Look(self.spec, self.store, self.now, self.snapshot, self.labels, judged, self.read_log, state, events)
        signals, compared = look.measure()
        history = History.of(events).seen_by(signals)
        (since, evaluation), looks = trained(events), looks_of(events, before=self.now)
        ours = [look for look in looks if since is not None and look.now > since]
        judge = Judge(self.spec, history, ours, importance_of(self.store, evaluation))
        signals = replace(signals, measured=judge.verdicts(signals, self.snapshot, compared))
        return replace(signals, measured=signals.measured | self._on_trial(signals, looks, state)), history

    def _on_trial(self, signals: Signals, looks: list[Signals], state: ModelState) -> dict[str, Signal]:
        """Judge what was promoted last, while its bake window lasts."""
        bake, champion = self.spec.deploy.bake, state.champion
        if bake is None or champion is None or champion.payload.get("cause") in BACK:
            return {}
        if not is_watched(self.now, champion.since, bake, wait=self.spec.data.label_delay + self.spec.monitor_window):
            return {}
        labels = self.spec.monitor.min_labels
        return {BAKE: bake_at(signals, looks, bake, since=champion.since, min_labels=labels)}

    def _budgets(self, signals: Signals, history: History, events: list[Event]) -> tuple[Signals, Measured | None]:
        """Measure the error budgets, where the spec promises something."""
        if self.spec.slo is None:
            return signals, None
        looks = looks_of(events, before=self.now)
        budgets = Budgets(self.spec, self.ledger, self.now, self.server)
        found, requests = budgets.measure(history, [*looks, signals])
        return replace(signals, measured=signals.measured | {SLO_BURN: slo_signal(found)}), (found, requests)

    def _is_spent(self, budgets: Measured | None) -> bool:
        """Tell whether a spent budget holds what nobody can be asked about."""
        section = self.spec.slo
        if budgets is None or section is None or not section.freeze or self.spec.approval is not None:
            return False
        return any(budget.state == "spent" for budget in budgets[0])

    def _decided(
        self, policy: Policy, history: History, signals: Signals, readings: Sequence[Reading], control: Control
    ) -> Decision:
        monitor, past = self.spec.monitor, None
        limits: dict[str, Any] = {
            "min_labels": monitor.min_labels,
            "maturity": monitor.maturity,
            "label_wait": self.spec.label_wait,
        }
        if isinstance(policy, VERSIONS) and history.promotions:
            past = past_of(
                history,
                signals,
                policy,
                window=self.spec.monitor_window,
                readings=readings,
                read_card=Scorecards(self.spec, self.store, Models(self.store)).read,
                hour=self.hour,
                **limits,
            )
        return decide(
            history,
            signals,
            policy,
            window=self.spec.train.window,
            past=past,
            hour=self.hour,
            control=control,
            **limits,
        )

    @cached_property
    def _control(self) -> Control:
        return control_of(self.ledger, self.spec, clock=self.clock)

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
        if spec.retrain.shadow is not None:
            looked_at["shadow"] = spec.retrain.shadow.model_dump(mode="json")
        if self._control != Control():
            # Once it is let go, the same look is another one.
            looked_at["held"] = str(self._control)
        return f"{self.now.isoformat()}:{digest_json(looked_at)[:_DIGEST_LENGTH]}"

    def _again(self, earlier: Event, events: list[Event]) -> Decided:
        measured = self.ledger.find(self.spec.name, SIGNALS, earlier.key)
        if measured is None:
            raise LedgerCorrupt(f"decision {earlier.key} of {self.spec.name} has no signals; run ledger verify.")
        signals = Signals.from_dict(measured.payload)
        decision = Decision.from_dict(earlier.payload)
        shadowed = self.ledger.find(self.spec.name, SHADOW, earlier.key)
        shadow = Decision.from_dict(shadowed.payload) if shadowed else None
        return Decided(earlier.key, signals, decision, History.of(events).seen_by(signals), earlier.run, shadow)

    def _record(self, found: Decided) -> Decided:
        name, key, run, signals = self.spec.name, found.key, found.first_run, found.signals
        facts: dict[str, Any] = {
            "signals": key,
            "now": self.now.isoformat(),
            "champion_version": signals.champion_version,
            "epoch": signals.epoch,
        }
        inputs = {
            "rows": self.snapshot.to_dict() if self.snapshot else None,
            "labels": self.labels.to_dict() if self.labels else None,
        }
        # The decision last: where it is on record, what it rests on and what was decided beside it are.
        self.ledger.append(name, SIGNALS, key, {**signals.to_dict(), "inputs": inputs}, at=self.now, run=run)
        if found.shadow:
            beside = facts | {"policy": told_of(self.spec.retrain.shadow, self.override, is_live=False)}
            self.ledger.append(name, SHADOW, key, {**found.shadow.to_dict(), **beside}, at=self.now, run=run)
        facts["policy"] = told_of(self.spec.retrain.policy, self.override, is_live=True)
        first = self.ledger.append(name, DECISION, key, {**found.decision.to_dict(), **facts}, at=self.now, run=run)
        return found if first.run == run else self._again(first, self._history())

    def _history(self) -> list[Event]:
        """Return trainings, promotions and looks before this one; what it measures itself is passed beside them."""
        kinds = [PROMOTION, TRAIN, EVALUATE, DEPLOY, SIGNALS, APPROVAL, FREEZE, REGISTER]
        retrain = self.spec.retrain
        # Of a model that is looked at every hour these are many. Which is which an override may have changed.
        if any(isinstance(policy, VERSIONS) and persists(policy) for policy in (retrain.policy, retrain.shadow)):
            kinds += [DECISION, SHADOW]
        found = [event for kind in kinds for event in self.ledger.events(self.spec.name, kind=kind, as_of=self.now)]
        earlier = [event for event in found if event.kind not in (SIGNALS, DECISION, SHADOW) or event.at < self.now]
        return sorted(earlier, key=lambda event: event.seq)
