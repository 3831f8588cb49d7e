"""What people hold of a model now: a pause, frozen promotions, an approval that is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.events import APPROVAL, PROMOTION, REGISTER, version_of
from airflow_mlops.lifecycle.budgets import is_budget_spent
from airflow_mlops.loop.control import Control
from airflow_mlops.loop.history import DEPLOY, EVALUATE
from airflow_mlops.loop.risk import risks_to_approve
from airflow_mlops.refs import PASSED

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_mlops.events import Event, ModelState
    from airflow_mlops.ledger import Ledger
    from airflow_mlops.spec import ModelSpec


def control_of(ledger: Ledger, spec: ModelSpec, *, clock: datetime | None) -> Control:
    """Read what is held, as it stands now and not at a look's moment: who pauses a loop means the next run of it.

    Parameters
    ----------
    ledger : Ledger
        Of the model.
    spec : ModelSpec
        Section ``approval`` says what a person is asked about, and for how long.
    clock : datetime or None
        Now; None: an answer is awaited however long ago it was asked for.
    """
    state = ledger.state(spec.name)
    awaited = _awaited(ledger, spec, state)
    until = awaited.recorded_at + spec.approval.expires if awaited and spec.approval else None
    if awaited is None or (clock is not None and until is not None and clock >= until):
        return Control(state.paused, state.promotions_frozen)
    return Control(state.paused, state.promotions_frozen, version_of(awaited.payload), until)


def _awaited(ledger: Ledger, spec: ModelSpec, state: ModelState) -> Event | None:
    """Find the version registered last, where a person has to answer about it and nobody has."""
    registered, judged = state.last.get(REGISTER), state.last.get(EVALUATE)
    if spec.approval is None or registered is None or judged is None or registered.seq < judged.seq:
        return None
    payload = judged.payload
    if payload.get("verdict") not in PASSED or payload.get("epoch") != state.epoch:
        return None
    is_spent = is_budget_spent(ledger, spec)
    if not risks_to_approve(spec, payload.get("risks") or (), is_budget_spent=is_spent):
        return None
    answers = [event for event in ledger.events(spec.name, kind=APPROVAL) if event.payload.get("answer") != "first"]
    later = [*answers, *(found for kind in (PROMOTION, DEPLOY) if (found := state.last.get(kind)))]
    return None if any(event.seq > registered.seq for event in later) else registered
