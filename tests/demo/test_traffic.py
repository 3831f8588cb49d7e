from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from airflow_mlops.demo.traffic import ServerClient
from airflow_mlops.errors import DemoFailed

COLUMNS = ["flight", "scheduled", "temp"]


class Handler(BaseHTTPRequestHandler):
    """Answers a prediction for every row, and keeps what it was asked."""

    asked: list[tuple[str | None, dict]]
    status = 200
    missing = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["dataframe_split"]
        self.asked.append((self.headers["Authorization"], body))
        rows = len(body["data"]) - self.missing
        answer = json.dumps({"predictions": [[0.8, 0.2]] * rows, "model": "m", "version": "3", "epoch": 4}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def handler(monkeypatch):
    monkeypatch.setattr(Handler, "asked", [], raising=False)
    return Handler


@pytest.fixture
def client(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ServerClient(f"http://127.0.0.1:{server.server_port}", "secret")
    server.shutdown()
    server.server_close()


def test_every_row_is_asked_once_in_requests_of_a_few_hundred(client, handler, january):
    rows = january.slice(0, 1200)
    progress: list[int] = []

    answers = client.ask("flights", rows, columns=COLUMNS, progress=progress.append)

    assert (answers.rows, answers.requests, answers.served_by) == (1200, 3, {("3", 4)})
    assert progress == [500, 1000, 1200]
    sent = [row for _, body in handler.asked for row in body["data"]]
    assert [row[0] for row in sent] == rows["flight"].to_pylist()
    assert sent[0][1] == "2013-01-01T10:15:00+00:00"
    assert {token for token, _ in handler.asked} == {"Bearer secret"}


def test_an_answer_that_is_no_200_ends_the_story_with_what_the_server_said(client, handler, january, monkeypatch):
    monkeypatch.setattr(handler, "status", 503)

    with pytest.raises(DemoFailed, match="the model server answered 503 to POST /models/flights/invocations"):
        client.ask("flights", january.slice(0, 3), columns=COLUMNS)


def test_an_answer_that_leaves_a_row_out_is_noticed(client, handler, january, monkeypatch):
    monkeypatch.setattr(handler, "missing", 1)

    with pytest.raises(DemoFailed, match="answered 2 predictions of version 3 at epoch 4 to 3 rows"):
        client.ask("flights", january.slice(0, 3), columns=COLUMNS)
