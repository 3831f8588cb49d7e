"""What the pages are told when something is away, broken or asked wrongly: a sentence, and nothing of the machine.

The whole sentence, with addresses and paths, is for those who read the API server's log.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Literal

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from airflow_mlops.errors import ArtifactMissing, LedgerCorrupt, LedgerMisuse, LedgerUnavailable, MLOpsError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger(__name__)

# An address; a password before its "@" may hold anything but a blank.
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://(?:\S*@)?(?P<rest>[^\s,;'\"()?#]*)[^\s,;'\"()]*")
# A path from the root, up to what cannot be part of one.
_PATH = re.compile(r"(?<![\w.])/[^\s,;'\"()]*")
# Machines and people, as the clients of databases and HTTP name them.
_NAMED = re.compile(r"\b(server|host name|host|user|role)(?: at)? (?:\"[^\"]*\"|'[^']*')(?: \([^)]*\))?")
_NUMBERED = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.]*\d)")
_LEDGER = (LedgerUnavailable, LedgerCorrupt, LedgerMisuse)


class Refusal(BaseModel):
    """Why there is no answer, in a sentence."""

    detail: str


class Away(Refusal):
    """What does not answer just now; asking again is right."""

    away: Literal["ledger", "artifacts"]


# What a route may answer beside what it is for, as the description of the API has it.
REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Refusal, "description": "Nobody is logged in."},
    403: {"model": Refusal, "description": "The login counts no more, or may not do this."},
    404: {"model": Refusal, "description": "There is no such thing, or none that the user may see."},
    503: {"model": Away, "description": "The ledger or the artifact store is away."},
}


def answer_failures(app: FastAPI) -> None:
    """Let the application answer each of our errors, a store that is away, and input that is no answer to a form."""
    app.add_exception_handler(MLOpsError, _something_is_away)
    app.add_exception_handler(OSError, _store_is_away)
    app.add_exception_handler(RequestValidationError, _input_is_refused)


def without_places(sentence: str) -> str:
    """Leave of each path and address in a sentence its last part only, and of machines and people nothing."""
    said = _PATH.sub(lambda found: _end(found[0]), _ADDRESS.sub(lambda found: _end(found["rest"]), sentence))
    return _NUMBERED.sub("its address", _NAMED.sub(r"its \1", said))


def _end(place: str) -> str:
    """Return the last part of a place; its first one is a machine."""
    before, _, last = place.rstrip("/.").rpartition("/")
    return last if before or place.startswith("/") else "its address"


def _something_is_away(request: Request, error: Exception) -> JSONResponse:
    # Quoted: an address may hold the end of a line, and with it a line of somebody's own.
    log.warning("%r: %s", request.url.path, error)
    if isinstance(error, ArtifactMissing):
        return JSONResponse({"detail": without_places(str(error))}, status_code=404)
    away = "ledger" if isinstance(error, _LEDGER) else "artifacts"
    return JSONResponse({"detail": without_places(str(error)), "away": away}, status_code=503)


def _store_is_away(request: Request, error: Exception) -> JSONResponse:
    log.warning("%r: the artifact store cannot be read: %r", request.url.path, error)
    sentence = "The artifact store cannot be read; the log of Airflow's API server says why. Asking again by itself."
    return JSONResponse({"detail": sentence, "away": "artifacts"}, status_code=503)


def _input_is_refused(request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with which part; FastAPI's own answer repeats the input, however long it is."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{"loc": fault["loc"], "msg": fault["msg"], "type": fault["type"]} for fault in faults]
    return JSONResponse({"detail": detail}, status_code=422)
