"""The HTTP side of a model server: routes, and one form of error for all of them."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from airflow_mlops import __version__
from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving import answers, openapi
from airflow_mlops.serving.access import TokenRequired
from airflow_mlops.serving.body import BodyReader
from airflow_mlops.serving.metrics import all_finite
from airflow_mlops.serving.requests import parse_infer, parse_invocation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from airflow_mlops.serving.loaded import LoadedVersion
    from airflow_mlops.serving.server import ModelServer
    from airflow_mlops.serving.signature import Rows, Signature

    Parse = Callable[..., Rows]
    Reply = Callable[[LoadedVersion, list[Any], Rows], Response]

log = logging.getLogger(__name__)

# Parsing a larger body would keep the event loop from others; a thread costs less than that. Two of them, for rows in
# memory are many times their JSON.
_LARGE_BODY = 128 * 1024
_PARSERS = 2


def make_app(server: ModelServer) -> FastAPI:
    """Put a model server behind HTTP; it is started and closed with the app.

    Parameters
    ----------
    server : ModelServer
        Not started yet.
    """
    # Not the loop's own threads: whatever a body does to its parser, the server ends.
    parsers = ThreadPoolExecutor(_PARSERS, thread_name_prefix="parse")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        server.start()
        yield
        parsers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(server.close)

    app = FastAPI(
        title="airflow-mlops model server",
        version=__version__,
        lifespan=lifespan,
        # Their pages load scripts from another site; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(RequestRefused, _refused)
    app.add_exception_handler(Exception, _failed)
    if server.settings.token is not None:
        app.add_middleware(TokenRequired, token=server.settings.token)
    _add_state(app, server)
    _add_predictions(app, server, parsers)
    _add_protocol(app, server)
    return app


async def _not_found(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    sentences = {
        404: f"there is nothing at {request.url.path[:100]}; see /openapi.json.",
        405: f"{request.url.path[:100]} does not take {request.method[:20]}; see /openapi.json.",
    }
    message = sentences.get(status, str(getattr(error, "detail", "the request cannot be answered.")))
    headers = getattr(error, "headers", None)
    return answers.refusal(RequestRefused(message, status=status, kind="not_found"), headers=headers)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    return answers.refusal(error)


async def _failed(_request: Request, _error: Exception) -> Response:
    # Whoever calls this writes the error to the log.
    return answers.refusal(RequestRefused("the server failed; its log says why.", status=500, kind="server_failed"))


# How the server is


def _add_state(app: FastAPI, server: ModelServer) -> None:
    async def health() -> Response:
        if ended := server.failures():
            raise RequestRefused(" ".join(ended), status=503, kind="dead")
        return answers.json_answer({"status": "ok"})

    async def ready() -> Response:
        if reasons := server.not_ready():
            raise RequestRefused(" ".join(reasons), status=503, kind="no_champion")
        return answers.json_answer({"status": "ready"})

    async def status() -> Response:
        return answers.json_answer(server.status())

    async def metrics() -> Response:
        return Response(server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, route, summary in (
        ("/health", health, "Whether the process works."),
        ("/ready", ready, "Whether every model serves."),
        ("/status", status, "What is served since when, what is in memory, what is wrong."),
        ("/metrics", metrics, "Counters for Prometheus."),
        ("/v2/health/live", health, "As /health."),
        ("/v2/health/ready", ready, "As /ready."),
    ):
        app.add_api_route(path, route, summary=summary, responses=openapi.REFUSALS)
        app.add_api_route(path, route, methods=["HEAD"], include_in_schema=False)


# Predictions


class _Reader(NamedTuple):
    """What all routes read with."""

    bodies: BodyReader
    parsers: ThreadPoolExecutor


class _Predictions:
    """Answer requests for predictions; one for each route, so that its counters are at hand."""

    def __init__(self, server: ModelServer, reader: _Reader, route: str, parse: Parse, reply: Reply) -> None:
        self._server, self._reader, self._route = server, reader, route
        self._parse, self._reply = parse, reply
        self._seconds = server.metrics.seconds.labels(route)
        self._counters: dict[tuple[str, int], Any] = {}

    async def __call__(self, request: Request) -> Response:
        start = time.perf_counter()
        model, loaded, is_finite = "", None, True
        try:
            path, query = request.path_params, request.query_params
            model = self._server.model_named(path.get("model") or query.get("model"))
            # One look for the whole request: whatever is swapped meanwhile, answer and headers name who answered.
            loaded = self._server.version_of(model, path.get("version") or query.get("version"))
            response, is_finite = await self._answer(request, loaded)
        except RequestRefused as error:
            response = answers.refusal(error)
        except Exception as error:
            log.exception("A request for %s failed", model)
            response = await _failed(request, error)
        seconds = time.perf_counter() - start
        self._count(model, response.status_code)
        self._seconds.observe(seconds)
        if loaded is not None:
            self._server.metrics.answered(loaded, response.status_code, seconds, is_finite=is_finite)
        return response

    async def _answer(self, request: Request, loaded: LoadedVersion) -> tuple[Response, bool]:
        self._server.batcher.refuse_failed()
        limit, body, rows = self._server.settings.timeout_s, None, None
        try:
            async with asyncio.timeout(limit):
                body = await self._reader.bodies.read(request)
                rows = await self._rows(body, loaded)
                answer = await self._server.batcher.predict(loaded, rows)
            return self._reply(loaded, answer, rows), all_finite(answer)
        except TimeoutError:
            raise _too_late(limit, is_read=body is not None, is_parsed=rows is not None) from None
        finally:
            if body is not None:
                self._reader.bodies.give_back(len(body))

    async def _rows(self, body: bytes, loaded: LoadedVersion) -> Rows:
        facts = {"keep": loaded.facts.names, "max_rows": self._server.settings.max_rows}
        if len(body) <= _LARGE_BODY:
            return self._parse(body, loaded.signature, **facts)
        parsed = self._reader.parsers.submit(_parse_aside, self._parse, body, loaded.signature, facts)
        try:
            rows = await asyncio.wrap_future(parsed)
        except asyncio.CancelledError:
            self._reader.bodies.hold_until(parsed, len(body))
            raise
        if isinstance(rows, RequestRefused):
            raise rows
        return rows

    def _count(self, model: str, status: int) -> None:
        counter = self._counters.get((model, status))
        if counter is None:
            counter = self._server.metrics.requests.labels(model, self._route, str(status))
            self._counters[model, status] = counter
        counter.inc()


def _parse_aside(parse: Parse, body: bytes, signature: Signature, facts: dict[str, Any]) -> Rows | RequestRefused:
    try:
        return parse(body, signature, **facts)
    except RequestRefused as refused:
        # A new one: the frames of the other hold all that was read, for as long as it lives.
        return RequestRefused(str(refused), status=refused.status, kind=refused.kind)


def _too_late(limit: float, *, is_read: bool, is_parsed: bool) -> RequestRefused:
    what = "the model did not come to it" if is_parsed else "its body was read, but not parsed in time"
    status, kind = (504, "timeout") if is_read else (408, "slow_body")
    if not is_read:
        what = "its body came too slowly"
    return RequestRefused(f"the request was given up after {limit:g} s: {what}.", status=status, kind=kind)


def _add_predictions(app: FastAPI, server: ModelServer, parsers: ThreadPoolExecutor) -> None:
    reader = _Reader(BodyReader(server.settings.max_body_mb), parsers)
    invocation = (parse_invocation, lambda loaded, answer, _rows: answers.predictions(loaded, answer))
    inference = (parse_infer, lambda loaded, answer, rows: answers.inference(loaded, answer, request_id=rows.id))
    for path, (parse, reply), extra in (
        ("/invocations", invocation, openapi.INVOCATION_OF_ANY),
        ("/models/{model}/invocations", invocation, openapi.INVOCATION_OF_MODEL),
        ("/models/{model}/versions/{version}/invocations", invocation, openapi.INVOCATION_OF_VERSION),
        ("/v2/models/{model}/infer", inference, openapi.INFERENCE_OF_MODEL),
        ("/v2/models/{model}/versions/{version}/infer", inference, openapi.INFERENCE_OF_VERSION),
    ):
        predictions = _Predictions(server, reader, path, parse, reply)
        _add_route(app, path, predictions, extra)


def _add_route(app: FastAPI, path: str, predictions: _Predictions, extra: dict[str, Any]) -> None:
    async def route(request: Request) -> Response:
        return await predictions(request)

    app.add_api_route(path, route, methods=["POST"], openapi_extra=extra, responses=openapi.REFUSALS)


# The open inference protocol, besides inference itself


def _add_protocol(app: FastAPI, server: ModelServer) -> None:
    async def metadata() -> Response:
        return answers.json_answer({"name": "airflow-mlops", "version": __version__, "extensions": []})

    async def describe(request: Request) -> Response:
        loaded = _named(server, request)
        return answers.json_answer(openapi.describe(loaded, list(server.follower.served[loaded.model].versions)))

    async def ready(request: Request) -> Response:
        loaded = _named(server, request)
        return answers.json_answer({"name": loaded.model, "version": loaded.version, "ready": True})

    app.add_api_route("/v2", metadata, summary="Which server this is.")
    for path, parameters in (
        ("/v2/models/{model}", openapi.OF_MODEL),
        ("/v2/models/{model}/versions/{version}", openapi.OF_VERSION),
    ):
        app.add_api_route(path, describe, openapi_extra=parameters, responses=openapi.REFUSALS)
        app.add_api_route(f"{path}/ready", ready, openapi_extra=parameters, responses=openapi.REFUSALS)


def _named(server: ModelServer, request: Request) -> LoadedVersion:
    path = request.path_params
    return server.version_of(server.model_named(path["model"]), path.get("version"))
