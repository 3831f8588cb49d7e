"""What the page of one model asks for: a module for each part of the page."""

from fastapi import APIRouter

from airflow_mlops.ui.model import audit, data_quality, head

router = APIRouter(tags=["model"])
for part in (head, data_quality, audit):
    router.include_router(part.router, prefix="/models/{name}")
