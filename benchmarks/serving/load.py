"""Clients that ask as fast as they are answered: ``python -m benchmarks.serving.load PORT BODIES CLIENTS SECONDS``.

Each client keeps one connection and sends its next request when the last answer is whole. HTTP is spoken by hand, so
that this process needs a small part of what a server needs; its own share of a core is in what it prints, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from pathlib import Path

WARM_UP_S = 1.0
PATH = "/invocations"
_END_OF_HEAD = b"\r\n\r\n"


class Client(asyncio.Protocol):
    """One connection; keeps when each answer came, how long it took, and what was no 200.

    Parameters
    ----------
    requests : list of bytes
        Sent in turn, over and over.
    first : int
        Where in the list this client begins, so that no two send the same at once.
    """

    def __init__(self, requests: list[bytes], first: int) -> None:
        self.requests, self.turns = requests, count(first)
        self.answers: list[tuple[float, float]] = []
        self.errors: list[str] = []
        self.is_stopped = False
        self.closed = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self._buffer, self._wanted = b"", 0
        self._sent = time.perf_counter()
        self.transport.write(self.requests[next(self.turns) % len(self.requests)])  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; send the next request when it was the last."""
        self._buffer += data
        if not self._wanted:
            self._wanted = _whole_length(self._buffer)
        if self._wanted and len(self._buffer) >= self._wanted:
            now = time.perf_counter()
            self.answers.append((now, now - self._sent))
            if self._buffer[9:12] != b"200":
                self.errors.append(self._buffer[:300].decode(errors="replace"))
            if self.is_stopped:
                self.transport.close()
            else:
                self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the server closed as an error."""
        if not self.is_stopped:
            self.errors.append(f"the server closed the connection: {exc}")
        if not self.closed.done():
            self.closed.set_result(None)


def _whole_length(buffer: bytes) -> int:
    """Return the length of head and body, or 0 while the head is not whole."""
    head, end, _ = buffer.partition(_END_OF_HEAD)
    if not end:
        return 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + len(end) + int(value)
    raise ValueError(f"an answer without a length: {head!r}")


async def measure(port: int, bodies: list[bytes], clients: int, seconds: float) -> dict[str, object]:
    """Ask for a while, and return what was seen after the warm-up."""
    requests = [_request(port, body) for body in bodies]
    loop = asyncio.get_running_loop()
    made = [Client(requests, number * len(requests) // clients) for number in range(clients)]
    for client in made:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    await asyncio.sleep(WARM_UP_S)
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    ended, cpu = time.perf_counter(), time.process_time() - cpu
    for client in made:
        client.is_stopped = True
    await asyncio.wait([client.closed for client in made], timeout=30)
    took = sorted(s for client in made for at, s in client.answers if begun < at <= ended)
    errors = [error for client in made for error in client.errors]
    return {
        "answers": sum(len(client.answers) for client in made),
        "requests_per_s": len(took) / (ended - begun),
        "p50_ms": 1000 * took[len(took) // 2] if took else None,
        "p99_ms": 1000 * took[int(len(took) * 0.99)] if took else None,
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "generator_share_of_a_core": cpu / (ended - begun),
    }


def _request(port: int, body: bytes) -> bytes:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    """Measure and print."""
    port, bodies, clients, seconds = sys.argv[1:]
    lines = Path(bodies).read_bytes().splitlines()
    print(json.dumps(asyncio.run(measure(int(port), lines, int(clients), float(seconds)))))


if __name__ == "__main__":
    main()
