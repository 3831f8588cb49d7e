"""What a person may do to the model from its page, with the facts that each confirmation says.

Nothing is done here: the page starts a run of the model's actions DAG through Airflow's own API, by the user's own
permission.
"""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from airflow_mlops.lifecycle.acting import what_may_be_done
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.sources import LedgerDep, StoreDep

router = APIRouter()


class Served(BaseModel):
    """A version that served before and is free to serve again; event time."""

    version: str
    since: datetime
    until: datetime | None


class Frozen(BaseModel):
    """What is frozen or paused: by whom, why, since when in event time."""

    version: str | None = None
    by: str
    reason: str
    since: datetime


class Override(BaseModel):
    """Who had the policy in shadow decide, why, and since when in event time."""

    by: str
    reason: str
    since: datetime


class AskedOverride(Override):
    """The override that was asked for last; it holds while the retrain section of the spec is ``retrain``."""

    retrain: str | None


class Policies(BaseModel):
    """Which policy decides and which is in shadow, by kind, and how the last looks compare."""

    live: str | None
    shadow: str | None
    override: Override | None
    from_next_look: bool
    looks: int
    differed: int
    live_retrains: int
    shadow_retrains: int


class Actions(BaseModel):
    """What may be done to the model.

    ``dag`` is the actions DAG, where the user may read it. ``back`` is what a rollback chooses by itself, ``no_back``
    why there is nothing; ``earlier`` are all that may be chosen, ``free`` the versions that may be frozen. ``at`` is
    the newest moment of the model's time.
    """

    dag: str | None
    retrain_dag: str | None
    serving: str | None
    back: Served | None
    no_back: str | None
    earlier: list[Served]
    free: list[str]
    frozen: list[Frozen]
    paused: Frozen | None
    promotions_frozen: Frozen | None
    policies: Policies | None
    asked: AskedOverride | None
    restore_seconds: float | None
    at: datetime | None


@router.get("/actions")
def read_actions(model: ModelDep, ledger: LedgerDep, store: StoreDep) -> Actions:
    """Return what may be done now, and the names and numbers to confirm it with."""
    dag, retrain = model.dag("actions"), model.dag("retrain")
    about_dags = {"dag": dag and dag.dag_id, "retrain_dag": retrain and retrain.dag_id}
    acting = what_may_be_done(ledger, store, model.name)
    facts = {name: getattr(acting, name) for name in Actions.model_fields if name not in about_dags}
    return Actions.model_validate({**about_dags, **facts}, from_attributes=True)
