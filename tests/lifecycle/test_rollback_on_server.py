"""Rollback and drill on a real model server: what answers afterwards, and what happens while it is away."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace

import pytest

from airflow_mlops.errors import NotReady, ServerUnavailable
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.drill import Drill
from airflow_mlops.lifecycle.rollback import Rollback
from airflow_mlops.lifecycle.server_client import ServerAddress, ServerClient
from airflow_mlops.lifecycle.server_target import ModelServer
from tests.running_server import TOKEN, RunningServer

from .conftest import MOMENT, NAME, champion, forked
from .test_drill import NoMlflow, promoted, two

__all__ = ["promoted", "two"]
FORK = multiprocessing.get_context("fork")
PATIENCE_S = 60.0


@pytest.fixture
def server(two, store, tmp_path):
    """A server on which version 2 answers."""
    running = RunningServer(store, f"sqlite:///{tmp_path / 'ledger.db'}")
    yield running
    running.kill()


@pytest.fixture
def work(store, ledger, small_spec, server):
    """What a drill and a rollback on that server work with."""
    target = ModelServer(ServerClient(ServerAddress(server.url, TOKEN, name="the server")))
    return {
        "spec": small_spec, "store": store, "ledger": ledger, "client": NoMlflow(), "moment": MOMENT, "trial": forked,
        "target": target,
    }  # fmt: skip


def served(work):
    entry = work["target"].client.status().models[NAME]
    return entry.version, entry.epoch


def test_after_a_drill_and_a_rollback_the_server_answers_with_what_the_ledger_says(work, ledger):
    told = Drill(**work, run="a").rehearse_within(PATIENCE_S)
    assert (told.verdict, served(work)) == ("held", ("2", 4))

    back = Rollback(**work, run="b", reason="it is wrong", by="ada").roll_back_within(PATIENCE_S)

    assert (back.version, served(work)) == ("1", ("1", 5))


def test_a_server_that_is_away_before_the_swap_leaves_the_champion_and_is_waited_for(work, server, ledger):
    rollback = Rollback(**work, run="b", reason="it is wrong", by="ada")
    server.kill()

    with pytest.raises((ServerUnavailable, NotReady)):
        rollback.roll_back()
    assert champion(ledger) == "2"

    server.start()
    assert rollback.roll_back_within(PATIENCE_S).version == "1"
    assert served(work) == ("1", 3)


def _die_at_the_swap(rollback, ledger_url):
    class Dies(ModelServer):
        def swap(self, candidate):
            os.kill(os.getpid(), signal.SIGKILL)

    replace(rollback, ledger=Ledger(ledger_url), target=Dies(rollback.target.client)).roll_back_within(PATIENCE_S)


def test_killed_and_the_server_away_after_the_swap_the_next_run_ends_with_one_record(work, server, ledger, tmp_path):
    rollback = Rollback(**work, run="b", reason="it is wrong", by="ada")
    process = FORK.Process(target=_die_at_the_swap, args=(rollback, f"sqlite:///{tmp_path / 'ledger.db'}"))
    process.start()
    process.join(PATIENCE_S)
    server.kill()

    with pytest.raises(NotReady, match="version 1 of flights is promoted at epoch 3, which stands"):
        rollback.roll_back()
    server.start()

    assert rollback.roll_back_within(PATIENCE_S).epoch == 3
    assert (served(work), len(ledger.events(NAME, kind="promotion"))) == (("1", 3), 3)
    assert process.exitcode == -signal.SIGKILL
