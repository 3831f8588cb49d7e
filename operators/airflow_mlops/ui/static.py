"""The scripts of the pages: plain modules that the browser loads as they are, so nothing has to be built."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Request, Response

router = APIRouter()

_MEDIA_TYPES = {"js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FILE = re.compile(r"(?:[a-z][a-z0-9_]*/)*[a-z][a-z0-9_]*\.(?P<suffix>js|svg)")


@router.get("/static/{path:path}", include_in_schema=False)
def read_static(path: str, request: Request) -> Response:
    """Return a script or an icon; the browser keeps it, and asks each time whether it is still the same."""
    matched = _FILE.fullmatch(path)
    found = _read(path) if matched else None
    if matched is None or found is None:
        raise HTTPException(404, "No such file.")
    body, tag = found
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=_MEDIA_TYPES[matched["suffix"]], headers=headers)


@cache
def _read(path: str) -> tuple[bytes, str] | None:
    from hashlib import sha256

    file = files("airflow_mlops.ui").joinpath("static", *path.split("/"))
    if not file.is_file():
        return None
    body = file.read_bytes()
    return body, f'"{sha256(body).hexdigest()[:16]}"'
