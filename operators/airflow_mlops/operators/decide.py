"""Look at what is served, decide whether it needs a training, and ask for one where it does."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_json
from airflow_mlops.assets import retrain_alias, retrain_asset, rollback_alias, rollback_asset
from airflow_mlops.hooks.model_server import ModelServerHook
from airflow_mlops.loop.actions import CHEAP
from airflow_mlops.loop.control import BROKEN_BAKE
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.operators.links import DecisionReportLink, ModelPageLink
from airflow_mlops.refs import DecisionRef, SnapshotRef
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Asset, AssetAlias, Context

    from airflow_mlops.lifecycle.tick import Decided
    from airflow_mlops.operators.base import RefInput

# What the retrain DAG does something about.
_ASKING = ("retrain", *CHEAP)
# Stored with the decision, so that a page drawn by other code is not taken for this one.
_FORM = 3


class DecideOperator(StageOperator):
    """Measure drift and the quality of served predictions, let the policy decide, and record both in the ledger.

    The decision is *nothing*, *warn*, *recalibrate*, *re-weigh*, *re-elect*, *roll back*, *retrain* or *call*, with its
    reasons and with what would have changed it. *retrain*, and what makes a version without training, ring the retrain
    asset; each look rings again while the reason lasts. The *roll back* of a broken bake rings the rollback asset
    instead, and the bake DAG carries it out. *call* asks for a person in the log, and the run stays green.
    Without rows, or with rows that failed their check, there is a decision too: it says what held it back. A policy in
    ``retrain.shadow`` decides on the same facts; that is recorded, and rings nothing.
    Under an override the two policies stand in each other's place.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; sections ``monitor``, ``drift`` and ``retrain.policy`` are used here.
    snapshot : SnapshotRef or dict or None, templated
        Rows of the monitor's window and of the label delay before it; None where *ingest* failed.
    judgement : str or None, templated
        Key of the event in which *validate* judged them: what that task pushes as ``judgement``, also where it fails.
        Empty where it came to no verdict.
    label_snapshot : SnapshotRef or dict or None, templated
        Labels, where they have a source of their own.
    """

    stage = "decide"
    template_fields: Sequence[str] = (*StageOperator.template_fields, "snapshot", "judgement", "label_snapshot")
    operator_extra_links = (DecisionReportLink(), ModelPageLink())

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        snapshot: RefInput | None,
        judgement: str | None = None,
        label_snapshot: RefInput | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(spec, ModelSpec):
            kwargs.setdefault("outlets", [retrain_alias(spec.name), rollback_alias(spec.name)])
        super().__init__(spec=spec, **kwargs)
        self.snapshot = snapshot
        self.judgement = judgement
        self.label_snapshot = label_snapshot

    def run_stage(self, context: Context) -> DecisionRef:
        """Look, decide, draw the page, and ring where something is asked for."""
        decided = self._look(context["run_id"])
        folder = self._store_page(decided)
        self.report_uri = f"{folder}/report.html"
        self._log(decided)
        signals, decision = decided.signals, decided.decision
        ref = DecisionRef(
            id=decided.key,
            action=decision.action,
            reasons=list(decision.reasons),
            counterfactual=decision.counterfactual,
            now=signals.now.isoformat(),
            epoch=signals.epoch,
            champion_version=signals.champion_version,
            window=decision.window,
            held_by=decision.held_by,
            html_uri=self.report_uri,
            signals=signals.to_dict(),
            same_as=decided.first_run if decided.first_run != context["run_id"] else None,
        )
        if decision.cause == BROKEN_BAKE and ref.action == "roll back":
            self._ring(context, ref, rollback_alias(self.model_spec.name), rollback_asset(self.model_spec.name))
        elif ref.action in _ASKING:
            self._ring(context, ref, retrain_alias(self.model_spec.name), retrain_asset(self.model_spec.name))
        elif ref.action == "call":
            self.log.warning(
                "A person is called: %s. Nothing is asked of the retrain DAG meanwhile. When labels and features are "
                "in order, start it by its form.",
                ref.reasons[0],
            )
        return ref

    def _look(self, run_id: str) -> Decided:
        from airflow_mlops.lifecycle.tick import Tick
        from airflow_mlops.serving.prediction_log import read_predictions

        spec, clock, server = self.spec_in_force, datetime.now(UTC), self.model_spec.deploy.server
        return Tick(
            spec=spec,
            store=self.store,
            ledger=self.ledger,
            now=self.moment,
            snapshot=SnapshotRef.from_dict(self.snapshot) if self.snapshot else None,
            labels=SnapshotRef.from_dict(self.label_snapshot) if self.label_snapshot else None,
            judgement=self.judgement if self.judgement not in (None, "", "None") else None,
            read_log=partial(read_predictions, self.store, spec.name) if spec.reads_prediction_log else None,
            # Quiet hours are those of people, so of the clock and not of event time.
            hour=clock.hour,
            clock=clock,
            server=(lambda: ModelServerHook(server).client) if server else None,
            override=self.policy_override,
        ).decide(run=run_id)

    def _store_page(self, decided: Decided) -> str:
        from airflow_mlops.stages.decide.page import render

        spec = self.spec_in_force
        identity = digest_json({"form": _FORM, **decided.to_dict()})[:16]
        folder = self.store.uri(spec.name, "reports", self.stage, identity)
        if self.store.manifest(folder) is None:
            page = render(decided.signals, decided.decision, decided.history, spec, shadow=decided.shadow)
            self.store.write_bytes(f"{folder}/report.html", page.encode())
            self.store.write_json(f"{folder}/report.json", decided.to_dict())
            self.store.complete(folder, {"id": identity, "decision": decided.key})
        return folder

    def _log(self, decided: Decided) -> None:
        from airflow_mlops.stages.decide.text import block

        for line in block(decided.signals, decided.decision, decided.shadow):
            self.log.info("%s", line)

    def _ring(self, context: Context, ref: DecisionRef, alias: AssetAlias, asset: Asset) -> None:
        """Emit an asset; whoever is woken by it finds the decision in the ledger."""
        events = context.get("outlet_events")
        if events is None:
            return
        if alias not in self.outlets:
            self.log.warning(
                "The asset %s is not rung: this task has no outlet for it. Give it the spec and not its path, or "
                "outlets=[airflow_mlops.assets.retrain_alias(%r), airflow_mlops.assets.rollback_alias(%r)].",
                asset.name,
                self.model_spec.name,
                self.model_spec.name,
            )
            return
        told = {
            key: value for key, value in ref.to_dict().items() if key not in ("id", "same_as", "html_uri", "held_by")
        }
        events[alias].add(asset, extra={"decision": ref.id, **told})
