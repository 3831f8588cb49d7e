"""Who may see which model: those who may read one of its DAGs.

A DAG belongs to a model when it is tagged ``mlops`` and named ``{model}_{kind}``, as the DAGs made from a spec are, or
when it is tagged ``model:{model}``, which is for DAGs written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Path

from airflow_mlops.ui.dag_models import DagFacts, DagModels, as_they_are

_ALL = DagModels()


def readable_dags(user: GetUserDep, session: SessionDep) -> dict[str, list[DagFacts]]:
    """List the DAGs that a user may read, by model.

    What belongs to a model is remembered for some seconds; what the user may read is asked each time, so that a
    permission that is given or taken away counts at once.
    """
    permitted = get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)
    found = {name: [dag for dag in dags if dag.dag_id in permitted] for name, dags in _ALL.by_model(session).items()}
    return {name: dags for name, dags in found.items() if dags}


ReadableDags = Annotated[dict[str, list[DagFacts]], Depends(readable_dags)]


@dataclass(frozen=True, slots=True)
class SeenModel:
    """A model that the user may see, and its DAGs that they may read."""

    name: str
    dags: tuple[DagFacts, ...]

    def dag(self, kind: str) -> DagFacts | None:
        """Return the DAG of a kind; None where there is none, or the user may not read it."""
        return next((dag for dag in self.dags if dag.kind == kind), None)


def seen_model(name: Annotated[str, Path(max_length=200)], dags: ReadableDags, session: SessionDep) -> SeenModel:
    """Return the model of the address.

    Raises
    ------
    HTTPException
        404 where there is none, or the user may not see it: the answer does not tell which.
    """
    if name not in dags:
        raise HTTPException(404, "No such model, or none that you may see: its DAGs are not among those you may read.")
    return SeenModel(name, as_they_are(session, {name: dags[name]})[name])


ModelDep = Annotated[SeenModel, Depends(seen_model)]
