"""The model that a DAG belongs to, for the tab on the DAG's own page."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from airflow_mlops.overview.curves import none_yet
from airflow_mlops.ui.access import ReadableDags
from airflow_mlops.ui.listing import listed
from airflow_mlops.ui.rows import ModelRow
from airflow_mlops.ui.sources import LedgerDep

router = APIRouter(tags=["dags"])


class DagModel(BaseModel):
    """The row of a DAG's model, and the kind of the DAG; both None where it belongs to none."""

    kind: str | None
    model: ModelRow | None


@router.get("/dags/{dag_id}/model", dependencies=[Depends(requires_access_dag("GET"))])
def read_model_of_dag(dag_id: Annotated[str, Path(max_length=250)], dags: ReadableDags, ledger: LedgerDep) -> DagModel:
    """Return where the model of a DAG stands, as the list of models has it."""
    for name, of_model in dags.items():
        for dag in of_model:
            if dag.dag_id == dag_id:
                found = ledger.overviews([name])
                curves = ledger.curves([name])
                row = listed(name, of_model, found).row(curves.get(name) or none_yet())
                return DagModel(kind=dag.kind, model=row)
    return DagModel(kind=None, model=None)
