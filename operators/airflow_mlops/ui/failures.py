"""What the pages are told when something is away, broken or asked wrongly: a sentence, and nothing of the machine.

The whole sentence, with addresses and paths, is for those who read the API server's log.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from airflow_mlops.errors import ArtifactMissing, LedgerCorrupt, LedgerMisuse, LedgerUnavailable, MLOpsError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger(__name__)

# An address or a path from the root, up to what cannot be part of one.
_PLACE = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|(?<![\w.])/)[^\s,;'\"()]*")
_LEDGER = (LedgerUnavailable, LedgerCorrupt, LedgerMisuse)


def answer_failures(app: FastAPI) -> None:
    """Let the application answer each of our errors, a store that is away, and input that is no answer to a form."""
    app.add_exception_handler(MLOpsError, _something_is_away)
    app.add_exception_handler(OSError, _store_is_away)
    app.add_exception_handler(RequestValidationError, _input_is_refused)


def without_places(sentence: str) -> str:
    """Leave of each path and address in a sentence its last part only."""
    return _PLACE.sub(lambda found: found[0].rstrip("/.").rpartition("/")[2], sentence)


def _something_is_away(request: Request, error: Exception) -> JSONResponse:
    log.warning("%s: %s", request.url.path, error)
    if isinstance(error, ArtifactMissing):
        return JSONResponse({"detail": without_places(str(error))}, status_code=404)
    away = "ledger" if isinstance(error, _LEDGER) else "artifacts"
    return JSONResponse({"detail": without_places(str(error)), "away": away}, status_code=503)


def _store_is_away(request: Request, error: Exception) -> JSONResponse:
    log.warning("%s: the artifact store cannot be read: %r", request.url.path, error)
    sentence = "The artifact store cannot be read; the log of Airflow's API server says why. Asking again by itself."
    return JSONResponse({"detail": sentence, "away": "artifacts"}, status_code=503)


def _input_is_refused(request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with which part; FastAPI's own answer repeats the input, however long it is."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{"loc": fault["loc"], "msg": fault["msg"], "type": fault["type"]} for fault in faults]
    return JSONResponse({"detail": detail}, status_code=422)
