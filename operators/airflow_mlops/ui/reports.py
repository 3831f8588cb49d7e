"""Serve stored reports to people who may read a DAG of the model.

Reports hold scripts of the libraries that drew them, and values of the data. The browser therefore runs them in an
origin of their own, without network: a script in a report can neither act as the user in Airflow nor ask for anything.
"""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import StreamingResponse

from airflow_mlops.errors import ArtifactMissing
from airflow_mlops.hooks.artifacts import ArtifactsHook
from airflow_mlops.report_access import ROUTE, readable_uri

_REPORTS = ROUTE.rsplit("/", 1)[1]

_MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
}

_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "sandbox allow-scripts allow-downloads",
            "default-src 'none'",
            "script-src 'unsafe-inline' 'unsafe-eval'",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "font-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A permission that is taken away must count at once, so nothing is shown without asking again.
    "Cache-Control": "private, no-cache",
}


router = APIRouter()


@router.api_route(
    f"/{_REPORTS}/{{dag_id}}/{{path:path}}",
    methods=["GET", "HEAD"],
    include_in_schema=False,
    dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE))],
)
def read_report(
    request: Request, dag_id: Annotated[str, Path(max_length=250)], path: Annotated[str, Path(max_length=1000)]
) -> Response:
    """Return a file of a report, however large: a part of it at a time is in memory.

    Synchronous on purpose: Starlette runs it in a thread, because reading the store blocks.

    Raises
    ------
    HTTPException
        404 where there is no such file, and where this DAG has nothing to do with it: the answer does not tell which.
    """
    media_type = _MEDIA_TYPES.get(path.rpartition(".")[2])
    store = ArtifactsHook().store
    uri = readable_uri(store, dag_id, path) if media_type else None
    if uri is None:
        raise _not_found(dag_id)
    try:
        headers = {**_HEADERS, "Content-Length": str(store.size(uri))}
    except ArtifactMissing as error:
        raise _not_found(dag_id) from error
    if request.method == "HEAD":
        return Response(media_type=media_type, headers=headers)
    return StreamingResponse(store.blocks(uri), media_type=media_type, headers=headers)


def _not_found(dag_id: str) -> HTTPException:
    detail = f"No such report of DAG {dag_id}; it was deleted, or kept in another store than [mlops] artifacts_uri."
    return HTTPException(404, detail)
