"""Before a request is one: heads without end, connections without word, and too many of them."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading

import pytest
import uvicorn

from airflow_mlops.serving.heads import bounded_protocol, most_connections
from tests.serving.conftest import until


@contextlib.contextmanager
def listening(**bounds):
    """Run uvicorn with bounds in this process; ``asked`` holds the paths that came through."""
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    taken = socket.create_server(("127.0.0.1", 0))
    protocol = bounded_protocol(**{"head_s": 60, **bounds})
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None))
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
    thread.start()
    try:
        yield taken.getsockname()[1], asked
    finally:
        server.should_exit = True
        thread.join(timeout=60)


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(60)
    return connection


def refusal(connection):
    """Read an answer to the end of the connection; its status and sentence."""
    head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), json.loads(body)["error"]["message"]


def flood(connection, piece, *, pieces=5000):
    with contextlib.suppress(ConnectionError):
        for _ in range(pieces):
            connection.sendall(piece)
        return "taken"
    return "hung up"


def test_a_head_of_ordinary_size_passes_also_in_pieces():
    with listening() as (port, asked), connect(port) as connection:
        for piece in (b"GET /a HT", b"TP/1.1\r\nX-A: " + b"a" * 60_000, b"\r\n", b"\r\n"):
            connection.sendall(piece)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        body = b"b" * 300_000
        connection.sendall(b"POST /b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    assert asked == ["/a", "/b"]


def test_a_head_that_is_too_large_is_refused():
    with listening() as (port, asked), connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-A: " + b"a" * 66_000 + b"\r\n\r\n")

        assert refusal(connection) == (431, "the request's head is larger than 64 KiB, which the server takes.")
    assert asked == []


@pytest.mark.parametrize(
    "piece", [b"a" * 100_000, b"X-A: " + b"a" * 5000 + b"\r\n"], ids=["in one line", "in many lines"]
)
def test_a_head_without_end_is_not_kept(piece):
    with listening() as (port, asked), connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-B: b")

        assert flood(connection, piece) == "hung up"
    assert asked == []


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HTTP/1.1\r\nX-A:"], ids=["nothing", "a line break", "half"])
def test_a_head_that_does_not_come_is_given_up(sent):
    with listening(head_s=0.2) as (port, _), connect(port) as connection:
        connection.sendall(sent)

        assert refusal(connection) == (408, "the request's head did not come within 0.2 s.")


def test_a_second_head_that_does_not_come_is_given_up_too():
    with listening(head_s=0.2) as (port, _), connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET")

        assert refusal(connection)[0] == 408


def test_a_slow_body_is_no_slow_head():
    with listening(head_s=0.1) as (port, _), connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n")
        threading.Event().wait(0.4)
        connection.sendall(b"{}")

        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_is_no_http_is_refused_in_the_form_of_all_errors():
    with listening() as (port, _), connect(port) as connection:
        connection.sendall(b"hello?\r\n\r\n")

        assert refusal(connection) == (400, "this is no HTTP request.")


def test_more_connections_than_can_be_held_are_turned_away_until_one_ends():
    with listening(connections=2) as (port, _):
        with connect(port) as one, connect(port):
            one.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
            with connect(port) as third:
                assert refusal(third) == (
                    503,
                    "the server has as many connections as it can hold; try again in a second.",
                )

        def comes_through():
            with connect(port) as again:
                again.sendall(b"GET / HTTP/1.1\r\n\r\n")
                return again.recv(65536).startswith(b"HTTP/1.1 200")

        until(comes_through)


def test_connections_leave_files_to_the_server(monkeypatch):
    import resource

    for allowed, most in ((128, 64), (1024, 960), (1_000_000, 4096), (resource.RLIM_INFINITY, 4096), (10, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, allowed=allowed: (allowed, allowed))
        assert most_connections() == most
