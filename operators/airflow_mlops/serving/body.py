"""Read the body of a request without ever holding more than the limit."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving.settings import MEBIBYTE

if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Any

    from starlette.requests import Request

# All bodies, from their first byte to their answer, may take this many times the limit of one: neither slow clients nor
# a slow model fill the memory.
_AT_ONCE = 8


class BodyReader:
    """Read bodies, and refuse those that are too large, alone or together.

    Parameters
    ----------
    limit_mb : float
        Size of one body, in MiB.
    """

    def __init__(self, limit_mb: float) -> None:
        self._limit_mb, self._limit, self._held = limit_mb, int(limit_mb * MEBIBYTE), 0

    async def read(self, request: Request) -> bytes:
        """Read a body; it counts as held until it is given back.

        Raises
        ------
        RequestRefused
            It is too large, by its head or when it came; its content is not JSON by its head; too many bodies are
            held; or the client has gone.
        """
        _expect_json(request)
        said = request.headers.get("content-length")
        if said is not None and said.isdigit() and int(said) > self._limit:
            raise self._too_large()
        parts, size = [], 0
        try:
            async for part in request.stream():
                size += len(part)
                self._held += len(part)
                if size > self._limit:
                    raise self._too_large()
                if self._held > _AT_ONCE * self._limit:
                    raise RequestRefused(
                        "the server holds as many bytes of requests as it can; try again in a second.",
                        status=429,
                        kind="busy",
                    )
                parts.append(part)
        except BaseException as error:
            # Cancelled requests too.
            self._held -= size
            if isinstance(error, ClientDisconnect):
                raise RequestRefused("the request ended before its body did.", kind="disconnected") from None
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def give_back(self, size: int) -> None:
        """Note that a body is not held any more."""
        self._held -= size

    def hold_until(self, done: Future[Any], size: int) -> None:
        """Go on counting a body that a thread still reads, though its request is over."""
        self._held += size
        loop = asyncio.get_running_loop()

        def end(_done: Future[Any]) -> None:
            # The loop may have ended before the thread.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self.give_back, size)

        done.add_done_callback(end)

    def _too_large(self) -> RequestRefused:
        return RequestRefused(
            f"the request's body is larger than {self._limit_mb:g} MiB, which the server takes; send the rows "
            "in parts.",
            status=413,
            kind="too_large",
        )


def _expect_json(request: Request) -> None:
    kind = request.headers.get("content-type")
    if kind is not None and kind.partition(";")[0].strip().lower() != "application/json":
        raise RequestRefused(
            f"the request's content type is {kind[:60]!r}, and the server takes application/json.",
            status=415,
            kind="not_json",
        )
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RequestRefused("the server takes no compressed bodies.", status=415, kind="not_json")
    if "inference-header-content-length" in request.headers:
        raise RequestRefused("the server takes tensors as JSON, not as binary.", status=415, kind="not_json")
