"""The server as people start it: what it says, how it ends, and how much it holds."""

from __future__ import annotations

import errno
import re
import signal
import socket
import sys

import httpx
import pytest

from airflow_mlops.cli import main
from airflow_mlops.cli.serve import _token
from airflow_mlops.serving.listen import _hint
from airflow_mlops.serving.prediction_log import read_predictions
from tests.serving.conftest import Process, until
from tests.serving.small_models import MARCH, ROW, Place

HIDDEN = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("airflow", "mlflow"):
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Hidden())
from airflow_mlops.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """A server with narrow limits, which harm is tried on."""
    place = Place.at(tmp_path_factory.mktemp("limited"))
    place.promote(place.add())
    server = Process(place.folder, "flights", "--max-body-mb", "1", "--max-rows", "100", "--timeout", "5")
    until(lambda: any("serves since epoch 1" in line for line in server.lines))
    yield server
    server.end()


def test_it_works_without_airflow_and_mlflow_and_ends_with_its_work_done(champion, serve):
    server = serve(champion.folder, "flights", command=(sys.executable, "-c", HIDDEN, "serve", "--port", "0"))
    until(lambda: any("serves since epoch 1" in line for line in server.lines))
    url = f"http://127.0.0.1:{server.port}"
    body = b'{"instances": [["AA", 700, 39.9]]}'
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + body[:9])
        # It is in flight when the server has begun to read it; that another one is answered shows that.
        assert httpx.post(f"{url}/invocations", json={"dataframe_records": [ROW]}).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(server.port))
        connection.sendall(body[9:])
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert server.end() == 0
    assert re.fullmatch(
        rf"serving flights on {url} \(Ledger\('sqlite:///{champion.folder}/ledger\.db'\), artifacts "
        rf"file://{champion.folder}\)\n",
        server.lines[0],
    )
    always = {"start": MARCH.replace(year=2000), "end": MARCH.replace(year=2100)}
    assert read_predictions(champion.store, "flights", **always).num_rows == 2
    # No access log: who asked for what is nobody's business by default.
    assert [line for line in server.lines if "invocations" in line] == []


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_refused_requests_leave_nothing_in_memory(limited):
    with httpx.Client(base_url=f"http://127.0.0.1:{limited.port}", timeout=60) as client:
        wide = {"instances": [["x" * 100] * 9] * 1000}
        assert client.post("/invocations", json=wide).status_code == 413
        before = resident(client)
        for _ in range(20):
            assert flood(limited.port, mebibytes=32).startswith(b"HTTP/1.1 413")
            assert client.post("/invocations", json=wide).status_code == 413
        after = resident(client)

        assert client.post("/invocations", json={"dataframe_records": [ROW]}).status_code == 200
    # 640 MiB were sent.
    assert after - before < 64 * 2**20


def resident(client):
    return float(re.search(r"^process_resident_memory_bytes (\S+)", client.get("/metrics").text, re.MULTILINE)[1])


def flood(port, *, mebibytes):
    """Send a body in pieces, without saying how long it is, until the server hangs up."""
    piece = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(60)
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(mebibytes):
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            # The answer was dropped with what the server did not read.
            return b"HTTP/1.1 413"


def test_a_length_that_lies_harms_nobody_else(limited):
    port = limited.port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{}")
        too_long = connection.makefile("rb").read()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}and more\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        too_short = connection.makefile("rb").read()

    assert too_long.startswith(b"HTTP/1.1 408")
    assert b"the request was given up after 5 s: its body came too slowly." in too_long
    assert too_short.startswith(b"HTTP/1.1 400")
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--artifacts-uri", "store", "--host", "0.0.0.0"],
            "a server on 0.0.0.0 answers other machines and needs a token",
        ),
        ([], "where are the models? Give --artifacts-uri, or set MLOPS_ARTIFACTS_URI."),
        (["--artifacts-uri", "memory://store"], "where no SQLite ledger can live; set MLOPS_LEDGER_URL"),
        (["--artifacts-uri", "store", "--poll", "0"], "limits are above zero and finite, and it was given poll_s 0"),
        (["--artifacts-uri", "store", "--port", "65536"], "a port is between 0 and 65535, and it was given 65536."),
        (["--artifacts-uri", "store", "--timeout", "inf"], "it was given timeout_s inf"),
        (["--artifacts-uri", "nowhere://store"], "the artifacts at nowhere://store cannot be opened"),
    ],
)
def test_what_cannot_be_started_is_said_in_a_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("MLOPS_ARTIFACTS_URI", "MLOPS_LEDGER_URL", "MLOPS_SERVER_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    assert main(["serve", "flights", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(champion, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert main(["serve", "flights", "--artifacts-uri", str(champion.folder), "--port", str(port)]) == 2
    assert (
        f"cannot listen on 127.0.0.1:{port}: Address already in use. Choose another --port." in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (socket.gaierror(-2, "Name or service not known"), "Choose a --host that is an address of this machine."),
        (OSError(errno.EADDRNOTAVAIL, "no"), "Choose a --host that is an address of this machine."),
        (OSError(errno.EACCES, "no"), "Ports below 1024 need a privilege; choose another --port."),
        (OSError(errno.EADDRINUSE, "no"), "Choose another --port."),
    ],
)
def test_the_hint_fits_what_hinders_listening(error, hint):
    assert _hint(error) == hint


def test_a_token_from_a_file_may_end_with_a_line_break(monkeypatch):
    monkeypatch.setenv("MLOPS_SERVER_TOKEN", "lovage\n")

    assert _token("MLOPS_SERVER_TOKEN") == "lovage"


def test_a_missing_library_is_said_with_its_extra(champion, monkeypatch, capsys):
    from airflow_mlops import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "uvloop" else object())

    assert main(["serve", "flights", "--artifacts-uri", str(champion.folder)]) == 2
    assert (
        "serve needs uvloop, which is not installed; install airflow-provider-mlops[serving]."
        in capsys.readouterr().err
    )
