"""What the page of one model asks for: a module for each part of the page."""

from fastapi import APIRouter

from airflow_mlops.ui.model import (
    actions,
    approvals,
    audit,
    budgets,
    data_quality,
    decision,
    drift,
    head,
    timeline,
    traffic,
    versions,
)

router = APIRouter(tags=["model"])
for part in (head, timeline, drift, data_quality, budgets, traffic, audit, decision, versions, actions, approvals):
    router.include_router(part.router, prefix="/models/{name}")
