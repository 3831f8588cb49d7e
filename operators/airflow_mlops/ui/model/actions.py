"""What a person may do to the model from its page, with the facts that each confirmation says.

Nothing is done here: the page starts a run of the model's actions DAG through Airflow's own API, by the user's own
permission.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from airflow_mlops.events import Freeze
from airflow_mlops.lifecycle.acting import AskedOverride, Earlier, HeldVersion, Policies, what_may_be_done
from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.sources import LedgerDep, StoreDep

router = APIRouter()


class Actions(BaseModel):
    """What may be done to the model.

    ``dag`` is the actions DAG, where the user may read it. ``back`` is what a rollback chooses by itself, ``no_back``
    why there is nothing; ``earlier`` are all that may be chosen, ``free`` the versions that may be frozen. ``at`` is
    the newest moment of the model's time.
    """

    dag: str | None
    retrain_dag: str | None
    serving: str | None
    back: Earlier | None
    no_back: str | None
    earlier: list[Earlier]
    free: list[str]
    frozen: list[HeldVersion]
    paused: Freeze | None
    promotions_frozen: Freeze | None
    policies: Policies | None
    asked: AskedOverride | None
    restore_seconds: float | None
    at: datetime | None


@router.get("/actions")
def read_actions(model: ModelDep, ledger: LedgerDep, store: StoreDep) -> Actions:
    """Return what may be done now, and the names and numbers to confirm it with."""
    dags = {kind: dag.dag_id if (dag := model.dag(kind)) else None for kind in ("actions", "retrain")}
    acting = what_may_be_done(ledger, store, model.name)
    facts: dict[str, Any] = {field.name: getattr(acting, field.name) for field in fields(acting)}
    return Actions(dag=dags["actions"], retrain_dag=dags["retrain"], **facts)
