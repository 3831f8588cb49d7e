"""Why does this run go on? The retrain DAG asks the ledger first, and ends where nobody wants another version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.loop.actions import CHEAP
from airflow_mlops.loop.control import BROKEN_BAKE
from airflow_mlops.loop.history import DECISION, EVALUATE
from airflow_mlops.operators.base import StageOperator
from airflow_mlops.refs import RequestRef
from airflow_mlops.spec.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.spec import ModelSpec

Cause = Literal["schedule", "decision", "person"]

# Longest reason that is kept; whoever rings over REST may write a book.
_LONGEST_REASON = 500


class RequestOperator(StageOperator, SkipMixin):
    """Find out why this run was started, and record it; end the run quietly where its reason is gone.

    The retrain asset is a bell: it may ring twice for one decision, late, or for a decision that another run has
    served. So what it says is not believed. Where a decision of the monitor still stands in the ledger, it is taken, by
    one run at a time; where none does, a person or another DAG must have asked, and that counts once a cooldown. A run
    by the clock or by the form always goes on.

    A decision may also ask for other weights, or another correction, of versions already trained. Then the tasks of a
    training are skipped.

    Parameters
    ----------
    spec : ModelSpec or str
        What the model is; section ``retrain`` is used here.
    window : str or None, templated
        Rows to train on where no decision names them. Default: ``train.window``.
    reason : str, templated
        Why a person started the run.
    training : sequence of str
        Ids of the tasks right after this one that only a training needs.
    """

    stage = "request"
    # What cleared tasks are asked by whether they were skipped.
    inherits_from_skipmixin = True
    template_fields: Sequence[str] = (*StageOperator.template_fields, "window", "reason")

    def __init__(
        self,
        *,
        spec: ModelSpec | str,
        window: str | None = None,
        reason: str = "",
        training: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(spec=spec, **kwargs)
        self.window = window
        self.reason = reason
        self.training = training

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the request, and skip what a training needs where it asks for none."""
        answer = super().execute(context)
        if answer["action"] in CHEAP and self.training:
            # Skipping ends this task at once, so what it returns is pushed before.
            context["ti"].xcom_push(key="return_value", value=answer)
            self.skip(context["ti"], [self.dag.get_task(task_id) for task_id in self.training])
        return answer

    def run_stage(self, context: Context) -> RequestRef:
        """Give the answer this run got before, or find and record one.

        Raises
        ------
        AirflowSkipException
            Nobody wants a training any more: the decision was served or is out of date, or there was a training.
        """
        earlier = self._earlier(context["run_id"])
        answer = earlier or self._answer(context)
        if isinstance(answer, str):
            if earlier is None:
                self._record_quiet(context, answer)
            raise AirflowSkipException(answer)
        how = f"trained on window {answer.window!r}" if answer.action == "retrain" else f"{answer.action} only"
        self.log.info("%s asks: %s; as of %s, %s", answer.cause, answer.reason, answer.now, how)
        return answer

    def _earlier(self, run_id: str) -> RequestRef | str | None:
        """Return what this run was told before: a task that is retried or cleared must not change its mind."""
        for event in self.ledger.events(self.model_spec.name, kind=self.stage):
            if event.run == run_id:
                return (
                    event.payload["reason"] if event.payload["cause"] is None else RequestRef.from_dict(event.payload)
                )
        return None

    def _answer(self, context: Context) -> RequestRef | str:
        run = context.get("dag_run")
        kind = getattr(run, "run_type", "manual")
        started_by = getattr(kind, "value", kind)
        paused = self.ledger.state(self.model_spec.name).paused
        if paused and started_by in ("scheduled", "backfill", "asset_triggered"):
            return (
                f"nothing to do: the loop is paused since {paused.since.isoformat()} by {paused.by} ({paused.reason}). "
                f"The champion stays; resume it by {self.model_spec.name}_actions, or start this DAG by its form."
            )
        if started_by in ("scheduled", "backfill"):
            return self._take(context, "schedule", reason="the schedule of the spec")
        if started_by != "asset_triggered":
            return self._take(context, "person", reason=self.reason or "started by hand, without a reason")
        rings = [Ring.of(event) for event in getattr(run, "consumed_asset_events", None) or []]
        return self._answer_rings(context, rings)

    def _answer_rings(self, context: Context, rings: list[Ring]) -> RequestRef | str:
        """Take the open decision; else let a person's ring count, where there is one."""
        state = self.ledger.state(self.model_spec.name)
        # The latest in event time: a look back into the past, made later, says nothing of now.
        decisions = self.ledger.events(self.model_spec.name, kind=DECISION)
        decision = max(decisions, key=lambda event: (event.at, event.seq), default=None)
        gone = _gone(decision, state)
        if decision is not None and gone is None:
            return self._take_decision(context, decision)
        asked = [ring for ring in rings if not ring.is_ours]
        if not asked:
            return f"nothing to do: {gone}. The champion stays; the monitor asks again when there is a reason."
        return self._answer_person(context, max(asked, key=lambda ring: ring.rung_at))

    def _take_decision(self, context: Context, decision: Event) -> RequestRef:
        """Take a decision that stands: nothing was judged since.

        Whoever took it before came to no verdict and is over, for the DAG runs once at a time; so it is taken again.
        """
        payload = decision.payload
        requests = self.ledger.events(self.model_spec.name, kind=self.stage)
        takers = [event.run for event in requests if event.payload.get("decision") == decision.key]
        again = f"#{len(takers) + 1}" if takers else ""
        if takers:
            self.log.info("run %s took decision %s and came to no verdict", takers[-1], decision.key)
        ref = RequestRef(
            cause="decision",
            now=payload["now"],
            window=payload.get("window") or self.model_spec.train.window,
            reason="; ".join(payload["reasons"]),
            decision=decision.key,
            action=payload["action"],
            weights=(payload.get("weights") or {}) if payload["action"] in CHEAP else {},
        )
        facts = {**ref.to_dict(), "epoch": payload["epoch"]}
        self._append(context, f"{decision.key}{again}", facts, at=decision.at)
        return ref

    def _answer_person(self, context: Context, ring: Ring) -> RequestRef | str:
        now = ring.now or self.moment.isoformat()
        judged = self.ledger.events(self.model_spec.name, kind=EVALUATE)
        if training := next((event for event in reversed(judged) if _is_training(event)), None):
            since = datetime.fromisoformat(now) - training.at
            cooldown = getattr(self.spec_in_force.retrain.policy, "cooldown", None)
            told = f"a training stood at {training.at.isoformat()} (run {training.run})"
            if training.recorded_at >= ring.rung_at:
                return f"nothing to do: {told} and ended after the asset was rung. The champion stays."
            if not since or (cooldown and abs(since) < cooldown):
                length = format_duration(cooldown) if cooldown else "one moment"
                return (
                    f"nothing to do: {told}, and the asset counts once within {length} (retrain.policy.cooldown). "
                    "The champion stays. To train all the same, start this DAG by its form."
                )
        return self._take(context, "person", reason=ring.reason, now=now, window=ring.window)

    def _take(
        self, context: Context, cause: Cause, *, reason: str, now: str | None = None, window: str | None = None
    ) -> RequestRef:
        ref = RequestRef(
            cause=cause,
            now=now or self.moment.isoformat(),
            window=window or self.window or self.model_spec.train.window,
            reason=reason,
        )
        epoch = self.ledger.state(self.model_spec.name).epoch
        at = datetime.fromisoformat(ref.now)
        self._append(context, f"{cause}:{context['run_id']}", {**ref.to_dict(), "epoch": epoch}, at=at)
        return ref

    def _record_quiet(self, context: Context, reason: str) -> None:
        payload = {"cause": None, "now": self.moment.isoformat(), "window": None, "reason": reason, "decision": None}
        self._append(context, f"quiet:{context['run_id']}", payload, at=self.moment)

    def _append(self, context: Context, key: str, payload: dict[str, Any], *, at: datetime) -> Event:
        return self.ledger.append(self.model_spec.name, self.stage, key, payload, at=at, run=context["run_id"])


def _gone(decision: Event | None, state: ModelState) -> str | None:
    """Say why the newest decision asks for nothing now, or None where it stands."""
    if decision is None:
        return "the ledger has no decision of the monitor"
    if decision.payload["action"] not in ("retrain", *CHEAP):
        return f"the newest decision ({decision.key}) is {decision.payload['action']!r}"
    if decision.payload.get("cause") == BROKEN_BAKE:
        return f"decision {decision.key} goes back, which the bake DAG does"
    if decision.payload["epoch"] != state.epoch:
        return f"decision {decision.key} was made at epoch {decision.payload['epoch']}, and epoch {state.epoch} serves"
    judged = state.last.get(EVALUATE)
    if judged is not None and judged.seq > decision.seq:
        ended = "a training has ended" if _is_training(judged) else "other weights were judged"
        return f"{ended} since decision {decision.key} (run {judged.run})"
    return None


def _is_training(judged: Event) -> bool:
    return judged.payload.get("gate", "full") == "full"


@dataclass(frozen=True)
class Ring:
    """One event of the retrain asset: rung by the monitor, or by somebody who may give a reason, a moment, a window."""

    is_ours: bool
    rung_at: datetime
    reason: str
    now: str | None
    window: str | None

    @classmethod
    def of(cls, event: Any) -> Ring:
        """Read an asset event of Airflow; of what a stranger wrote only what can be used is taken."""
        extra = event.extra or {}
        by = extra.get("by") or ("the REST API" if extra.get("from_rest_api") else event.source_dag_id) or "somebody"
        said = str(extra.get("reason") or "no reason given")[:_LONGEST_REASON]
        return cls(
            is_ours="decision" in extra,
            rung_at=event.timestamp,
            reason=f"{str(by)[:100]} rang the retrain asset: {said}",
            now=_moment(extra.get("now"), latest=event.timestamp),
            window=extra.get("window") if extra.get("window") in ("all", "recent", "mix") else None,
        )


def _moment(text: object, *, latest: datetime) -> str | None:
    """Return an ISO time with its zone; None where it is none, or has not come yet: nobody could look after it."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.isoformat() if zoned <= latest else None
