"""Files that land ring once they are complete, once for all of them, and again only when there are others."""

from __future__ import annotations

import asyncio
import logging
import os

import pytest
from airflow.serialization.serialized_objects import BaseSerialization

from airflow_mlops.triggers.landing import MOST_LOOKS, Landing, LandingTrigger

LOOK_S = 0.02


class Kept:
    """Stands for Airflow's store beside the asset, which outlives the triggerer."""

    def __init__(self):
        self.values = {}

    async def aget(self, key):
        return self.values.get(key)

    async def aset(self, key, value):
        self.values[key] = value


def trigger_at(uri, kept=None):
    trigger = LandingTrigger(str(uri), "flights/landed", every_s=LOOK_S)
    trigger.asset_state_store = kept
    return trigger


def rings(trigger, *steps, looks=8):
    """Run a trigger over some steps, each followed by so many looks, and return what it rang for."""

    async def play():
        heard = []

        async def listen():
            async for event in trigger.run():
                heard.append(event.payload)

        running = asyncio.create_task(listen())
        for step in steps:
            seen = trigger.looked
            if step:
                step()
            while trigger.looked < seen + looks and not running.done():
                await asyncio.sleep(LOOK_S / 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return heard

    return asyncio.run(asyncio.wait_for(play(), timeout=60))


@pytest.fixture(autouse=True)
def _count_looks(monkeypatch):
    """Count looks, so that a test waits for looks and not for a time."""
    look = LandingTrigger._look

    async def counted(self):
        found = await look(self)
        self.looked += 1
        return found

    monkeypatch.setattr(LandingTrigger, "looked", 0, raising=False)
    monkeypatch.setattr(LandingTrigger, "_look", counted)


@pytest.fixture
def landing(tmp_path):
    (tmp_path / "landing").mkdir()
    return tmp_path / "landing"


def land(folder, *names):
    def write():
        for name in names:
            (folder / name).write_text(name)

    return write


def test_files_that_land_together_ring_once_and_stay(landing):
    heard = rings(trigger_at(landing), None, land(landing, "a.csv", "b.csv", "c.csv"), None)

    assert [event["files"] for event in heard] == [3]
    assert [os.path.basename(path) for path in heard[0]["such_as"]] == ["a.csv", "b.csv", "c.csv"]
    assert len(list(landing.iterdir())) == 3


def test_each_further_file_rings_for_itself(landing):
    heard = rings(trigger_at(landing), land(landing, "a.csv"), land(landing, "b.csv"))

    assert [[os.path.basename(path) for path in event["such_as"]] for event in heard] == [["a.csv"], ["b.csv"]]
    assert heard[0]["digest"] != heard[1]["digest"]


def test_a_glob_leaves_other_files_and_writers_marks_alone(landing):
    heard = rings(trigger_at(landing / "*.csv"), land(landing, "a.csv", "_half.csv", ".b.csv", "readme.txt"))

    assert [event["files"] for event in heard] == [1]


def test_a_trigger_that_is_started_anew_rings_only_for_what_landed_since(landing):
    kept = Kept()
    first = rings(trigger_at(landing, kept), land(landing, "a.csv"))
    again = rings(trigger_at(landing, kept), None)
    later = rings(trigger_at(landing, kept), None, land(landing, "b.csv"))

    assert ([event["files"] for event in first], again) == ([1], [])
    assert [event["files"] for event in later] == [1]


def test_a_file_that_is_taken_away_rings_for_nothing(landing):
    heard = rings(trigger_at(landing), land(landing, "a.csv", "b.csv"), (landing / "a.csv").unlink)
    assert len(heard) == 1


def test_a_place_that_does_not_exist_yet_is_an_empty_one(landing):
    place = landing / "2013"

    def make():
        place.mkdir()
        land(place, "a.csv")()

    assert [event["files"] for event in rings(trigger_at(place), None, make)] == [1]


def test_a_store_that_is_away_is_said_and_asked_again(landing, caplog, monkeypatch):
    from airflow_mlops.errors import SourceUnavailable

    list_files, away = LandingTrigger._listing, [True]

    def listing(self):
        if away[0]:
            raise SourceUnavailable("s3://bucket/flights did not answer with connection 'aws'.")
        return list_files(self)

    monkeypatch.setattr(LandingTrigger, "_listing", listing)
    land(landing, "a.csv")()
    with caplog.at_level(logging.WARNING):
        heard = rings(trigger_at(landing), None, lambda: away.__setitem__(0, False))

    assert [event["files"] for event in heard] == [1]


def test_files_in_an_object_store_ring_too():
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    store = MemoryFileSystem()
    attach("memory", fs=store)
    store.pipe_file("/landing-test/a.csv", b"x")
    try:
        heard = rings(trigger_at("memory://landing-test/"), None, lambda: store.pipe_file("/landing-test/b.csv", b"y"))
    finally:
        store.rm("/landing-test", recursive=True)

    assert [event["files"] for event in heard] == [1, 1]


def test_what_airflow_keeps_of_it_makes_the_same_trigger():
    path, arguments = LandingTrigger("s3://bucket/flights/", "flights/landed", "aws", 30.0).serialize()
    kept = BaseSerialization.deserialize(BaseSerialization.serialize(arguments))

    assert path == "airflow_mlops.triggers.landing.LandingTrigger"
    assert LandingTrigger(**kept).serialize() == (path, arguments)


# One look after the other


def test_a_file_that_still_grows_is_not_rung_for():
    landing = Landing()

    assert landing.new_among([("a", 1, "t1")]) == []
    assert landing.new_among([("a", 2, "t2")]) == []
    assert landing.new_among([("a", 2, "t2")]) == ["a"]


def test_a_file_that_was_written_again_is_news():
    landing = Landing()
    for _ in range(2):
        landing.new_among([("a", 1, "t1")])

    assert landing.new_among([("a", 1, "t2")]) == []
    assert landing.new_among([("a", 1, "t2")]) == ["a"]


def test_files_that_never_stop_landing_are_rung_for_after_some_looks():
    landing = Landing()
    rung = [landing.new_among([(f"{number:02}", 1, "t") for number in range(look)]) for look in range(MOST_LOOKS + 3)]

    assert [len(names) for names in rung if names] == [MOST_LOOKS]
