"""Waiting after a promotion: what ends it, and that a restart loses nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.serialization.serialized_objects import BaseSerialization

from airflow_mlops.ledger import Ledger
from airflow_mlops.triggers.bake import BakeTrigger

MODEL = {"id": "m", "uri": "", "digest": "d"}


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.promote("flights", "1", expected_epoch=0, payload={"model": MODEL}, at=datetime(2013, 1, 3, tzinfo=UTC))
    return ledger


@pytest.fixture
def trigger(flights_spec, ledger, tmp_path, monkeypatch):
    place = {"conn_type": "mlops_ledger", "host": f"{tmp_path}/ledger.db"}
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", json.dumps(place))
    plain = flights_spec.model_dump(mode="json", by_alias=True)
    plain["deploy"]["bake"] = {}

    def make(seconds, epoch=1):
        deadline = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        return BakeTrigger(plain, epoch, deadline, "mlops_ledger", poll_s=0.05)

    return make


def ends(trigger):
    async def first():
        return (await anext(trigger.run())).payload["why"]

    return asyncio.run(asyncio.wait_for(first(), timeout=60))


def test_it_waits_until_its_time_is_up(trigger):
    assert ends(trigger(0.2)) == "the time is up"


def test_it_ends_early_where_another_version_serves(trigger, ledger):
    ledger.promote("flights", "2", expected_epoch=1, payload={"model": MODEL}, at=datetime(2013, 1, 4, tzinfo=UTC))
    assert ends(trigger(3600)) == "another version serves"


def test_a_trigger_that_is_started_anew_waits_for_the_same_moment(trigger):
    path, arguments = trigger(0.2).serialize()
    kept = BaseSerialization.deserialize(BaseSerialization.serialize(arguments))
    assert path == "airflow_mlops.triggers.bake.BakeTrigger"
    assert BakeTrigger(**kept).serialize() == (path, arguments)
    assert ends(BakeTrigger(**kept)) == "the time is up"
