"""A stand-in for the model server on a real port: the tests say what it answers, also when it is away or a stranger."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIGEST = "ab" * 32


def entry(version: str, *, state: str = "loaded", epoch: int | None = None, **facts: Any) -> dict[str, Any]:
    """Return one entry of ``loaded``."""
    return {"version": version, "epoch": epoch, "state": state, "digest": DIGEST, "role": "prepared", **facts}


def status(*loaded: dict[str, Any], version: str | None = None, epoch: int | None = None) -> dict[str, Any]:
    """Return what ``/status`` says of one model, flights."""
    served = {"state": "serving" if version else "empty", "version": version, "epoch": epoch, "loaded": list(loaded)}
    return {"server": {"version": "0.1.0", "ledger": "ok", "poll_s": 1.0}, "models": {"flights": served}}


class StandIn:
    """Answers each request by ``reply(path)``: a status and a body, text or JSON; notes the tokens it was shown."""

    def __init__(self, reply: Callable[[str], tuple[int, Any]], port: int = 0) -> None:
        self.reply = reply
        self.seen: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append(self.headers.get("Authorization"))
                code, body = outer.reply(self.path)
                payload = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def log_message(self, *arguments: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def answering(reply: Callable[[str], tuple[int, Any]]) -> Iterator[StandIn]:
    """Run a stand-in for the length of a block."""
    server = StandIn(reply)
    try:
        yield server
    finally:
        server.close()


def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connection(port: int, /, **fields: Any) -> str:
    """Return a connection to a port of this machine, as Airflow reads it from the environment."""
    return json.dumps({"conn_type": "model_server", "host": "127.0.0.1", "port": port, **fields})
