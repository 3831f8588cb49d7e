"""The head of a model's page: what serves, since when, why, by whose word, and what may be done."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from airflow_mlops.ui.access import ModelDep
from airflow_mlops.ui.sources import LedgerDep

router = APIRouter()


class Held(BaseModel):
    """Somebody, or the loop itself, holds something."""

    by: str
    reason: str
    since: datetime


class Serving(BaseModel):
    """The version that serves; ``since`` is event time."""

    version: str
    epoch: int
    since: datetime
    cause: str | None
    reason: str | None
    by: str | None
    approval: str | None


class Head(BaseModel):
    """The head of the page; ``dags`` maps the kind of a DAG to its id, of those the user may read."""

    name: str
    owners: list[str]
    tags: list[str]
    serving: Serving | None
    paused: Held | None
    promotions_frozen: Held | None
    dags: dict[str, str]


@router.get("")
def read_head(model: ModelDep, ledger: LedgerDep) -> Head:
    """Return what serves and what is held."""
    state = ledger.state(model.name)
    last = next(reversed(ledger.history(model.name).stretches), None)
    serving = last and Serving(
        version=last.version,
        epoch=last.epoch,
        since=last.since,
        cause=last.cause,
        reason=last.reason,
        by=last.by,
        approval=last.approval and last.approval.answer,
    )
    return Head(
        name=model.name,
        owners=sorted({owner for dag in model.dags for owner in dag.owners}),
        tags=sorted({tag for dag in model.dags for tag in dag.tags if tag not in ("mlops", dag.kind)}),
        serving=serving,
        paused=_held(state.paused),
        promotions_frozen=_held(state.promotions_frozen),
        dags={dag.kind: dag.dag_id for dag in model.dags if dag.kind},
    )


def _held(freeze: object) -> Held | None:
    return Held.model_validate(freeze, from_attributes=True) if freeze else None
