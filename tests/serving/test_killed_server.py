"""A server process is killed with SIGKILL under load, twice; nothing that was answered is lost."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.loop.labels import row_id
from airflow_mlops.serving.prediction_log import read_predictions
from airflow_mlops.serving.prediction_log.table import skipped_lines
from tests.conftest import ROOT
from tests.serving.small_models import ROW, ROWS, Place

ALWAYS = {"start": datetime(2000, 1, 1, tzinfo=UTC), "end": datetime(3000, 1, 1, tzinfo=UTC)}
CLIENTS, KILLS, ANSWERS_BEFORE_KILL = 6, 2, 150
PATIENCE_S = 60.0


class Server:
    """A real ``airflow-mlops serve`` of one folder on a free port."""

    def __init__(self, place):
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "operators")}
        serve = ["serve", "flights", "--port", "0", "--artifacts-uri", str(place.folder)]
        self.said = (place.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "airflow_mlops.cli", *serve], env=environ, stdout=subprocess.PIPE, stderr=self.said
        )
        self.port = int(re.search(rb"http://127.0.0.1:(\d+)", self.process.stdout.readline())[1])
        self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.get("/ready")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except ConnectionRefusedError:
            return 0, None
        finally:
            connection.close()

    def serving(self):
        seen = self.get("/status")[1]["models"]["flights"]
        return seen["state"], seen["version"], seen["epoch"]

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        self.said.close()


class Client(threading.Thread):
    """Ask until the server is gone; keep the ids of rows that were sent, and of rows that were answered."""

    def __init__(self, server, name, answered):
        super().__init__()
        self.server, self.client_name, self.answered = server, name, answered
        self.sent, self.refused = [], []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        try:
            for number in range(100_000):
                rows = [self.row(number, each) for each in range(1 + number % 4)]
                ids = [row_id(row, ROWS["key"], ROWS["time"]) for row in rows]
                self.sent += ids
                body = json.dumps({"dataframe_records": rows})
                connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.refused.append(answer.status)
                self.answered.update(ids)
        except (OSError, http.client.HTTPException):
            pass  # the server was killed
        finally:
            connection.close()

    def row(self, number, each):
        moment = datetime(2013, 3, 1, tzinfo=UTC) + timedelta(minutes=number)
        return {**ROW, "flight": f"{self.client_name}-{number}-{each}", "scheduled": moment.isoformat()}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What was sent and answered by a server that was killed twice, and what the one after it says."""
    place = Place.at(tmp_path_factory.mktemp("killed"))
    for seed in range(2):
        place.promote(place.add(seed))
    seen = {"place": place, "sent": [], "answered": set(), "refused": [], "serving": []}
    for life in range(KILLS):
        server = Server(place)
        seen["serving"].append(server.serving())
        load_until_killed(server, life, seen)
    seen["after_kills"] = read_predictions(place.store, "flights", **ALWAYS)
    last = Server(place)
    seen["serving"].append(last.serving())
    last.end(signal.SIGTERM)
    seen["after_restart"] = read_predictions(place.store, "flights", **ALWAYS)
    return seen


def load_until_killed(server, life, seen):
    already = len(seen["answered"])
    clients = [Client(server, f"{life}.{number}", seen["answered"]) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    deadline = time.monotonic() + PATIENCE_S
    while len(seen["answered"]) < already + ANSWERS_BEFORE_KILL and time.monotonic() < deadline:
        time.sleep(0.001)
    server.end(signal.SIGKILL)
    for client in clients:
        client.join(PATIENCE_S)
        seen["sent"] += client.sent
        seen["refused"] += client.refused


def test_every_answered_prediction_is_in_the_log(killed):
    logged = killed["after_kills"]["id"].to_pylist()

    assert len(killed["answered"]) >= KILLS * ANSWERS_BEFORE_KILL
    assert killed["refused"] == []
    assert killed["answered"] - set(logged) == set()


def test_the_log_holds_nothing_twice_and_nothing_that_nobody_sent(killed):
    logged = killed["after_kills"]["id"].to_pylist()

    assert len(logged) == len(set(logged))
    assert set(logged) <= set(killed["sent"])
    assert skipped_lines(killed["after_kills"]) <= KILLS


def test_the_server_comes_back_on_the_same_champion_and_epoch(killed):
    assert killed["serving"] == [("serving", "2", 2)] * (KILLS + 1)
    assert set(killed["after_kills"]["version"].to_pylist()) == {"2"}
    assert set(killed["after_kills"]["epoch"].to_pylist()) == {2}


def test_the_next_server_compacts_what_the_dead_left_and_changes_nothing(killed):
    left = list(killed["place"].folder.glob("flights/predictions/segments/*"))

    assert left == []
    assert killed["after_restart"].equals(killed["after_kills"])
