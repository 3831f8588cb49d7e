"""What comes before a request is one: heads that are too large or never end, and more connections than can be held.

All of this happens before a token can be looked at, so it is bounded for everybody.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from airflow_mlops.errors import RequestRefused
from airflow_mlops.serving import answers

if TYPE_CHECKING:
    import asyncio
    from typing import Any

MAX_HEAD = 64 * 1024
# Whatever the system allows; each may hold a head.
_MOST_CONNECTIONS = 4096
# Files that the server itself opens: ledger, models, log.
_OWN_FILES = 64


def bounded_protocol(*, head_s: float, connections: int | None = None) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with bounds.

    Parameters
    ----------
    head_s : float
        Longest time for a head, in seconds; also of a connection that brings nothing.
    connections : int, optional
        Most of them at once; default: what the limit of open files leaves.
    """
    most = most_connections() if connections is None else connections

    class Bounded(BoundedProtocol):
        HEAD_S, MOST = head_s, most

    return Bounded


def most_connections() -> int:
    """Return how many connections leave files to the server itself."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(1, min(allowed - _OWN_FILES, _MOST_CONNECTIONS))


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A head that comes in one piece, as nearly all do, costs neither a timer nor a copy."""

    HEAD_S: float
    MOST: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head = False
        # Bytes of the head by the parser's count, and of pieces it may still keep to itself.
        self._parsed = self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, or hang up where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.MOST:
            self._end("the server has as many connections as it can hold; try again in a second.", 503, "busy")
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that is not complete."""
        if self._is_in_head:
            self._pieces += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_head and self._pieces > MAX_HEAD:
            self._end_head()
        elif self._timer is None and (self._is_in_head or self._is_idle()):
            self._wait()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_in_head, self._parsed, self._pieces = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a line."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head, and begin its request."""
        self._is_in_head = False
        self._wait_no_more()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser does not take in the form of all errors."""
        if self._parsed > MAX_HEAD:
            self._end_head()
        else:
            self._end("this is no HTTP request.", 400, "bad_form")

    def _count(self, size: int) -> None:
        self._parsed += size
        if self._parsed > MAX_HEAD:
            # The parser stops, and has `send_400_response` called.
            raise ValueError("head too large")

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.HEAD_S, self._too_late)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self._is_idle():
            self._end(f"the request's head did not come within {self.HEAD_S:g} s.", 408, "slow_head")
        else:
            # The request before it is being answered, and nothing more is read until then.
            self._wait()

    def _end_head(self) -> None:
        sentence = f"the request's head is larger than {MAX_HEAD // 1024} KiB, which the server takes."
        self._end(sentence, 431, "head_too_large")

    def _end(self, sentence: str, status: int, kind: str) -> None:
        answer = answers.refusal(RequestRefused(sentence, status=status, kind=kind), headers={"Connection": "close"})
        head = b"".join(b"%s: %s\r\n" % line for line in answer.raw_headers)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + bytes(answer.body))
        self.transport.close()
