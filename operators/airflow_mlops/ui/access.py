"""Who may see which model: those who may read one of its DAGs.

A DAG belongs to a model when it is tagged ``mlops`` and named ``{model}_{kind}``, as the DAGs made from a spec are, or
when it is tagged ``model:{model}``, which is for DAGs written by hand.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel, DagTag
from fastapi import Depends, HTTPException, Path
from sqlalchemy import select

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = ("retrain", "monitor", "score", "actions", "bake", "drill", "ingest", "reproduce", "backtest")
TAG, MODEL_TAG = "mlops", "model:"


@dataclass(frozen=True, slots=True)
class DagFacts:
    """What Airflow knows of a DAG; ``kind`` is None for one written by hand."""

    dag_id: str
    kind: str | None
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    is_paused: bool
    next_run: datetime | None


def model_of(dag_id: str, tags: Iterable[str]) -> tuple[str, str | None] | None:
    """Return the model a DAG belongs to and the kind of the DAG; None where it belongs to none."""
    tags = set(tags)
    for tag in sorted(tags):
        if tag.startswith(MODEL_TAG):
            return tag.removeprefix(MODEL_TAG), None
    for kind in KINDS:
        if {TAG, kind} <= tags and dag_id.endswith(f"_{kind}"):
            return dag_id.removesuffix(f"_{kind}"), kind
    return None


def readable_dags(user: GetUserDep, session: SessionDep) -> dict[str, list[DagFacts]]:
    """List the DAGs that a user may read, by model."""
    permitted = get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)
    marked = select(DagTag.dag_id).where((DagTag.name == TAG) | DagTag.name.startswith(MODEL_TAG, autoescape=True))
    tags: dict[str, list[str]] = defaultdict(list)
    for dag_id, tag in session.execute(select(DagTag.dag_id, DagTag.name).where(DagTag.dag_id.in_(marked))):
        tags[dag_id].append(tag)
    columns = (DagModel.dag_id, DagModel.owners, DagModel.is_paused, DagModel.next_dagrun_create_after)
    found: dict[str, list[DagFacts]] = defaultdict(list)
    for dag_id, owners, is_paused, next_run in session.execute(
        select(*columns).where(DagModel.dag_id.in_(marked), DagModel.is_stale.is_(False)).order_by(DagModel.dag_id)
    ):
        belongs = model_of(dag_id, tags[dag_id]) if dag_id in permitted else None
        if belongs is not None:
            name, kind = belongs
            people = tuple(filter(None, (owner.strip() for owner in (owners or "").split(","))))
            facts = DagFacts(dag_id, kind, people, tuple(sorted(tags[dag_id])), bool(is_paused), next_run)
            found[name].append(facts)
    return dict(found)


ReadableDags = Annotated[dict[str, list[DagFacts]], Depends(readable_dags)]


@dataclass(frozen=True, slots=True)
class SeenModel:
    """A model that the user may see, and its DAGs that they may read."""

    name: str
    dags: tuple[DagFacts, ...]

    def dag(self, kind: str) -> DagFacts | None:
        """Return the DAG of a kind; None where there is none, or the user may not read it."""
        return next((dag for dag in self.dags if dag.kind == kind), None)


def seen_model(name: Annotated[str, Path(max_length=200)], dags: ReadableDags) -> SeenModel:
    """Return the model of the address.

    Raises
    ------
    HTTPException
        404 where there is none, or the user may not see it: the answer does not tell which.
    """
    if name not in dags:
        raise HTTPException(404, "No such model, or none that you may see: its DAGs are not among those you may read.")
    return SeenModel(name, tuple(dags[name]))


ModelDep = Annotated[SeenModel, Depends(seen_model)]
