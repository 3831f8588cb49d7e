"""The trigger looks until waiting is over, whatever happens on the way, and keeps no secret."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_mlops.lifecycle.server_status import Awaited
from airflow_mlops.triggers.model_server import ModelServerTrigger
from tests.model_server import DIGEST, StandIn, answering, closed_port, connection, entry, status

LOADED = Awaited("flights", "3", DIGEST, epoch=5, until="loaded")
SERVING = Awaited("flights", "3", DIGEST, epoch=5, until="serving")
LOADING = status(entry("3", state="loading"), version="2", epoch=4)


def trigger(awaited: Awaited, *, for_s: float = 60.0) -> ModelServerTrigger:
    deadline = datetime.now(UTC) + timedelta(seconds=for_s)
    return ModelServerTrigger("server", asdict(awaited), deadline.isoformat(), poll_s=0.01)


def first_event(waiting: ModelServerTrigger) -> str:
    async def run():
        return await anext(waiting.run())

    return asyncio.run(run()).payload["why"]


@pytest.fixture
def at(monkeypatch):
    """Point the connection to a port."""
    return lambda port, **fields: monkeypatch.setenv("AIRFLOW_CONN_SERVER", connection(port, **fields))


ENDS = {
    "loaded": (LOADED, status(entry("3"), version="2", epoch=4)),
    "failed": (LOADED, status(entry("3", state="failed", reason="no"), version="2", epoch=4)),
    "overtaken": (LOADED, status(version="9", epoch=5)),
    "swapped": (SERVING, status(entry("3", epoch=5), version="3", epoch=5)),
    "swapped and on": (SERVING, status(version="4", epoch=6)),
    "failed after promotion": (SERVING, status(entry("3", state="failed", epoch=5), version="2", epoch=4)),
    "another model": (LOADED, {**status(), "models": {}}),
}


@pytest.mark.parametrize(("awaited", "end"), ENDS.values(), ids=ENDS)
def test_it_waits_until_there_is_news(awaited, end, at):
    answers = iter([LOADING, LOADING])
    with answering(lambda path: (200, next(answers, end))) as server:
        at(server.port)
        assert "has news" in first_event(trigger(awaited))

    assert len(server.seen) == 3


STAYS = {
    "loaded, but not promoted there": (SERVING, status(entry("3"), version="2", epoch=4)),
    "a version of that number with other bytes": (
        LOADED, status({**entry("3"), "digest": "cd" * 32}, version="2", epoch=4),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("awaited", "said"), STAYS.values(), ids=STAYS)
def test_it_goes_on_waiting_up_to_the_deadline(awaited, said, at):
    with answering(lambda path: (200, said)) as server:
        at(server.port)
        assert first_event(trigger(awaited, for_s=0.3)) == "the time is up"


def test_a_server_that_comes_back_is_waited_for(at):
    port = closed_port()
    at(port)
    servers = []

    async def run():
        waiting = asyncio.create_task(anext(trigger(LOADED).run()))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        server = StandIn(lambda path: (200, ENDS["loaded"][1]), port=port)
        servers.append(server)
        return await waiting

    try:
        assert "has news" in asyncio.run(run()).payload["why"]
    finally:
        for server in servers:
            server.close()


def test_a_server_that_stays_away_is_given_up_at_the_deadline(at, capsys):
    at(closed_port())

    assert first_event(trigger(LOADED, for_s=0.2)) == "the time is up"
    assert capsys.readouterr().out.count("cannot be reached") == 1


def test_a_refused_token_ends_the_wait(at):
    with answering(lambda path: (401, "")) as server:
        at(server.port, password="wrong")
        assert "refuses the token" in first_event(trigger(LOADED))


def test_a_connection_that_is_gone_is_an_error_of_airflow(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_SERVER", raising=False)

    with pytest.raises(AirflowNotFoundException):
        first_event(trigger(LOADED))


def test_what_airflow_stores_makes_the_same_trigger_and_holds_no_token(at):
    at(1, password="a-secret")
    before = trigger(LOADED)
    path, arguments = before.serialize()

    assert path == "airflow_mlops.triggers.model_server.ModelServerTrigger"
    assert "secret" not in json.dumps(arguments)
    assert ModelServerTrigger(**json.loads(json.dumps(arguments))).serialize() == before.serialize()
