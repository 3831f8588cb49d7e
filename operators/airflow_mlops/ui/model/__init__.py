"""What the page of one model asks for: a module for each part of the page."""

from fastapi import APIRouter

from airflow_mlops.ui.model import audit, data_quality, decision, drift, head, timeline

router = APIRouter(tags=["model"])
for part in (head, timeline, drift, data_quality, audit, decision):
    router.include_router(part.router, prefix="/models/{name}")
