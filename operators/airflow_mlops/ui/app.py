"""The application that the plugin mounts below ``/mlops``: reports, the pages' scripts, and the API they ask."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, Request

from airflow_mlops.ui import dags, health, model, models, reports, static
from airflow_mlops.ui.failures import REFUSALS, answer_failures
from airflow_mlops.ui.headers import PrivateHeaders

API = "/api/v1"


def make_app() -> FastAPI:
    """Make the application.

    The whole of it asks who is there, so a route that forgets to is not open to everybody.
    """
    app = FastAPI(
        title="MLOps",
        description="What the models page of Airflow shows. Every route asks for a user of Airflow; a model is seen by "
        "those who may read one of its DAGs.",
        dependencies=[Depends(requires_authenticated())],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses=REFUSALS,
    )
    app.include_router(reports.router)
    app.include_router(static.router)
    app.include_router(health.router, prefix=API)
    app.include_router(models.router, prefix=API)
    app.include_router(model.router, prefix=API)
    app.include_router(dags.router, prefix=API)
    answer_failures(app)
    app.add_middleware(PrivateHeaders)

    # A route like any other, so that it asks who is there too.
    @app.get(f"{API}/openapi.json", include_in_schema=False)
    def describe(request: Request) -> dict[str, Any]:
        """Describe the API, below the address at which it was asked for."""
        return {**app.openapi(), "servers": [{"url": request.scope["root_path"]}]}

    return app
