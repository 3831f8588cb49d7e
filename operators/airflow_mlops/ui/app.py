"""The application that the plugin mounts below ``/mlops``: reports, the pages' scripts, and the API they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse

from airflow_mlops.errors import LedgerCorrupt, LedgerMisuse, LedgerUnavailable
from airflow_mlops.ui import model, models, reports, static

if TYPE_CHECKING:
    from fastapi import Request

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
    )
    app.include_router(reports.router)
    app.include_router(static.router)
    app.include_router(models.router, prefix=API)
    app.include_router(model.router, prefix=API)
    for kind in (LedgerUnavailable, LedgerCorrupt, LedgerMisuse):
        app.add_exception_handler(kind, _ledger_is_away)
    # A route like any other, so that it asks who is there too.
    app.add_api_route(f"{API}/openapi.json", lambda: app.openapi(), methods=["GET"], include_in_schema=False)
    return app


def _ledger_is_away(request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong in a sentence; the page shows it, and asks again by itself."""
    return JSONResponse({"detail": str(error), "away": "ledger"}, status_code=503)
