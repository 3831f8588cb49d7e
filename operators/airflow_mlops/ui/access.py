"""Who may see which model: those who may read one of its DAGs.

A DAG belongs to a model when it is tagged ``mlops`` and named ``{model}_{kind}``, as the DAGs made from a spec are, or
when it is tagged ``model:{model}``, which is for DAGs written by hand.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Path

from airflow_mlops.ui.dag_models import DagFacts, DagModels, as_they_are

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ALL = DagModels()


def readable_dags(user: GetUserDep, session: SessionDep) -> dict[str, list[DagFacts]]:
    """List the DAGs that a user may read, by model.

    What belongs to a model is remembered for a while; what the user may read is asked of Airflow each time.
    """
    of_all = _ALL.by_model(session)
    permitted = _permitted(user, (dag for dags in of_all.values() for dag in dags))
    found = {name: [dag for dag in dags if dag.dag_id in permitted] for name, dags in of_all.items()}
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


def seen_model(name: Annotated[str, Path(max_length=200)], user: GetUserDep, session: SessionDep) -> SeenModel:
    """Return the model of the address.

    Raises
    ------
    HTTPException
        404 where there is none, or the user may not see it: the answer does not tell which.
    """
    seen = _seen(name, _ALL.by_model(session).get(name, ()), user, session)
    if not seen.dags:
        raise HTTPException(404, "No such model, or none that you may see: its DAGs are not among those you may read.")
    return seen


ModelDep = Annotated[SeenModel, Depends(seen_model)]


def model_of_dag(
    dag_id: Annotated[str, Path(max_length=250)], user: GetUserDep, session: SessionDep
) -> SeenModel | None:
    """Return the model that a DAG of the address belongs to; None for one that belongs to none."""
    for name, dags in _ALL.by_model(session).items():
        if any(dag.dag_id == dag_id for dag in dags):
            return _seen(name, dags, user, session)
    return None


ModelOfDagDep = Annotated[SeenModel | None, Depends(model_of_dag)]


def _seen(name: str, dags: Sequence[DagFacts], user: GetUserDep, session: SessionDep) -> SeenModel:
    permitted = _permitted(user, dags)
    return SeenModel(name, as_they_are(session, {name: [dag for dag in dags if dag.dag_id in permitted]})[name])


def _permitted(user: GetUserDep, dags: Iterable[DagFacts]) -> set[str]:
    """Ask which of these DAGs a user may read.

    Of these alone, and not which there are at all: where a user has a permission for each of thousands of DAGs, an auth
    manager takes longer to list them than a page may take to answer.
    """
    of_team: dict[str | None, set[str]] = defaultdict(set)
    for dag in dags:
        of_team[dag.team].add(dag.dag_id)
    asked = get_auth_manager().filter_authorized_dag_ids
    found = (asked(dag_ids=ids, user=user, method="GET", team_name=team) for team, ids in of_team.items())
    return {dag_id for permitted in found for dag_id in permitted}
