"""Weigh the trained versions of a model anew, and store what is to serve as one model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.errors import ArtifactMissing, CommitteeUnusable
from airflow_mlops.events import PROMOTION
from airflow_mlops.lifecycle.scorecards import Models, Scorecards
from airflow_mlops.lifecycle.stored_model import StoredModel, write_model
from airflow_mlops.loop.choice import what_serves
from airflow_mlops.loop.committee import WINDOWS
from airflow_mlops.loop.history import DEPLOY, EVALUATE, SIGNALS, TRAIN, History
from airflow_mlops.loop.past import settled
from airflow_mlops.loop.past_of import counted, member_losses, pool_of
from airflow_mlops.loop.scorecard import measure_shift
from airflow_mlops.refs import ModelRef
from airflow_mlops.spec.policy_sections import VersionsPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_mlops.artifacts import ArtifactStore
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.loop.history import Member, Window
    from airflow_mlops.loop.scorecard import Card
    from airflow_mlops.spec import ModelSpec
    from airflow_mlops.stages.weigh import Weighed

ID_LENGTH = 16
COMMITTEE = "committee"
KINDS = (TRAIN, EVALUATE, DEPLOY, SIGNALS, PROMOTION)


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is to serve, and with what correction, one number for each of ``classes`` where there are several."""

    weights: Mapping[str, float]
    correction: Any = 0.0
    classes: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Weighing:
    """The past of a model, as far as it is known at a moment, and what is made of it.

    Parameters
    ----------
    spec : ModelSpec
        What the model is; its policy weighs.
    store : ArtifactStore
        Where versions and scorecards are, and where what is made goes.
    ledger : Ledger
        Where the past is.
    now : datetime
        The moment, event time.
    """

    spec: ModelSpec
    store: ArtifactStore
    ledger: Ledger
    now: datetime

    def after_training(self, trained: ModelRef) -> Plan:
        """Weigh a new version with the others by what was known before its held-out rows.

        These are for the gate: what weights were chosen on shows nothing of how good they are.

        Raises
        ------
        ArtifactMissing, ArtifactCorrupt
            A scorecard is gone or changed.
        """
        policy = self.spec.retrain.policy
        if not isinstance(policy, VersionsPolicy) or not self.history.promotions:
            return Plan({trained.id: 1.0})
        pool = pool_of(self.history, policy.pool)
        new = next(member for member in self.history.members if member.id == trained.id)
        known = [window for window in self._windows if window.end <= new.holdout_start]
        newest = known[-WINDOWS:]
        served = [window.loss for window in newest]
        weights = what_serves([member.id for member in pool], member_losses(pool, newest), served, policy)
        return self._corrected(weights, known)

    def as_decided(self, weights: Mapping[str, float]) -> Plan:
        """Take the weights of a decision, and measure their correction on the newest windows.

        Raises
        ------
        ArtifactMissing, ArtifactCorrupt
            A scorecard is gone or changed.
        """
        return self._corrected(weights, self._windows)

    def cards(self, windows: Sequence[Window]) -> list[Card]:
        """Read the scorecards of windows, oldest first; a window without one is left out."""
        return [self._scorecards.read(window.scorecard) for window in windows if window.scorecard]

    def newest_windows(self) -> list[Window]:
        """Return the labelled windows that other weights are judged on."""
        return self._windows[-WINDOWS:]

    def make(self, plan: Plan, *, reason: str) -> ModelRef:
        """Store what a plan describes, unless it is stored already, or is a trained version as it is.

        Parameters
        ----------
        plan : Plan
            From `after_training` or `as_decided`.
        reason : str
            Why, for the model's card.

        Raises
        ------
        CommitteeUnusable
            A version was never trained here, or they cannot answer together.
        ArtifactMissing, ArtifactCorrupt
            A version is gone or changed.
        """
        members = self._members(plan)
        if len(members) == 1 and not _is_any(plan.correction):
            return ModelRef.from_dict(members[0].model)
        key = self._key(plan, members)
        folder = self.store.uri(self.spec.name, "models", key)
        manifest = self.store.manifest(folder) or self._store(key, folder, plan, members, reason)
        return ModelRef.from_dict(manifest["ref"])

    # What is known

    @cached_property
    def history(self) -> History:
        """Everything up to the moment."""
        name = self.spec.name
        return History.of(event for kind in KINDS for event in self.ledger.events(name, kind=kind, as_of=self.now))

    @cached_property
    def _windows(self) -> list[Window]:
        monitor = self.spec.monitor
        return counted(
            self.history,
            min_labels=monitor.min_labels,
            maturity=monitor.maturity,
            ended_by=self.now - self.spec.label_wait,
        )

    @cached_property
    def _models(self) -> Models:
        return Models(self.store)

    @cached_property
    def _scorecards(self) -> Scorecards:
        return Scorecards(self.spec, self.store, self._models)

    def _corrected(self, weights: Mapping[str, float], windows: Sequence[Window]) -> Plan:
        policy = self.spec.retrain.policy
        if not isinstance(policy, VersionsPolicy) or policy.correction is None:
            return Plan(weights)
        cards = self.cards(windows[-policy.correction.windows :])
        serving = self.history.promotions[-1].correction
        shift = measure_shift(cards, weights, policy.correction, serving=serving)
        value = settled(shift, bound=policy.correction.bound, serving=serving or 0.0)
        return Plan(weights, value, cards[-1].classes if cards else ())

    def _members(self, plan: Plan) -> list[Member]:
        """Return the members, the newest last."""
        known = {member.id: member for member in self.history.members}
        used = [name for name, weight in plan.weights.items() if weight > 0]
        if missing := [name for name in used if name not in known]:
            raise CommitteeUnusable(
                f"model {missing[0]} is to serve {self.spec.name}, and the ledger knows no training of it up to "
                f"{self.now.isoformat()}; run the retrain DAG by its form."
            )
        return sorted((known[name] for name in used), key=lambda member: (member.at, member.id))

    # What is made

    def _key(self, plan: Plan, members: Sequence[Member]) -> str:
        parts = [[member.model["digest"], plan.weights[member.id]] for member in members]
        return digest_json([parts, plan.correction, plan.classes, self.spec.task])[:ID_LENGTH]

    def _store(self, key: str, folder: str, plan: Plan, members: Sequence[Member], reason: str) -> dict[str, Any]:
        from airflow_mlops.stages.golden import answers, predict_method
        from airflow_mlops.stages.weigh import weigh

        newest = StoredModel.read(self.store, ModelRef.from_dict(members[-1].model))
        golden = newest.golden.to_pandas()
        models = {member.id: self._models.load(member.model) for member in members}
        made = weigh(
            models,
            plan.weights,
            task=self.spec.task,
            correction=plan.correction,
            classes=plan.classes,
            rows=golden[self.spec.features.columns],
        )
        described = write_model(self.store, folder, "model", made.model)
        self.store.write_bytes(f"{folder}/golden.parquet", self.store.read_bytes(newest.golden_uri))
        manifest = {
            **described,
            "ref": self._ref(key, folder, made, newest.model, described).to_dict(),
            "baseline": self._copy_baseline(folder, newest.model),
            "predict": predict_method(made.model),
            "golden_predictions": answers(made.model, golden),
            "target": self.spec.data.target,
            "task": self.spec.task,
            "kind": made.kind,
            "classes": list(made.classes),
            "trees": made.trees,
            "reason": reason,
        }
        # Last: a process killed before this line leaves a folder that nobody reads, and the retry writes it again.
        self.store.complete(folder, manifest)
        return manifest

    def _copy_baseline(self, folder: str, newest: ModelRef) -> dict[str, Any]:
        manifest = self.store.manifest(newest.uri)
        if manifest is None:
            raise ArtifactMissing(f"no complete model is stored at {newest.uri}; run train again.")
        baseline = manifest["baseline"]
        payload = self.store.read_bytes(f"{newest.uri}/{baseline['file']}", digest=baseline["digest"])
        self.store.write_bytes(f"{folder}/{baseline['file']}", payload)
        return baseline

    def _ref(self, key: str, folder: str, made: Weighed, newest: ModelRef, described: Mapping[str, Any]) -> ModelRef:
        """Describe it; held-out rows and reference of drift are those of the newest member."""
        return replace(
            newest,
            id=key,
            uri=folder,
            digest=described["digest"],
            serialization=described["serialization"],
            estimator=COMMITTEE if made.kind == "committee" else newest.estimator,
            members=made.weights,
            correction=made.correction,
            same_as=None,
        )


def _is_any(correction: Any) -> bool:
    return any(correction) if isinstance(correction, list | tuple) else bool(correction)
