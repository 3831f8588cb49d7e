"""The list of models: a row each, of those that the user may see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from airflow_mlops.ui.access import ReadableDags
from airflow_mlops.ui.sources import LedgerDep

router = APIRouter(tags=["models"])


class ModelRow(BaseModel):
    """One model; ``since`` is event time."""

    name: str
    owners: list[str]
    tags: list[str]
    version: str | None
    since: datetime | None


class ModelList(BaseModel):
    """A page of rows; ``total`` counts all that match."""

    models: list[ModelRow]
    total: int


@router.get("/models")
def list_models(
    dags: ReadableDags,
    ledger: LedgerDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> ModelList:
    """Return a page of the models that the user may see."""
    names = sorted(dags)
    rows = []
    for name in names[offset : offset + limit]:
        promotion = ledger.serving(name)
        rows.append(
            ModelRow(
                name=name,
                owners=sorted({owner for dag in dags[name] for owner in dag.owners}),
                tags=sorted({tag for dag in dags[name] for tag in dag.tags if tag not in ("mlops", dag.kind)}),
                version=promotion and promotion.payload["version"],
                since=promotion and promotion.at,
            )
        )
    return ModelList(models=rows, total=len(names))
