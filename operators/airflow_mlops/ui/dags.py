"""The model that a DAG belongs to, for the tab on the DAG's own page."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from airflow_mlops.overview.curves import none_yet
from airflow_mlops.ui.access import ModelOfDagDep
from airflow_mlops.ui.listing import listed
from airflow_mlops.ui.rows import ModelRow
from airflow_mlops.ui.sources import LedgerDep

router = APIRouter(tags=["dags"])


class DagModel(BaseModel):
    """The row of a DAG's model, and the kind of the DAG; both None where it belongs to none."""

    kind: str | None
    model: ModelRow | None


@router.get("/dags/{dag_id}/model", dependencies=[Depends(requires_access_dag("GET"))])
def read_model_of_dag(
    dag_id: Annotated[str, Path(max_length=250)], model: ModelOfDagDep, ledger: LedgerDep
) -> DagModel:
    """Return where the model of a DAG stands, as the list of models has it."""
    kind = next((dag.kind for dag in model.dags if dag.dag_id == dag_id), None) if model else None
    if model is None or not model.dags:
        return DagModel(kind=None, model=None)
    found, curves = ledger.overviews([model.name]), ledger.curves([model.name])
    row = listed(model.name, model.dags, found).row(curves.get(model.name) or none_yet())
    return DagModel(kind=kind, model=row)
