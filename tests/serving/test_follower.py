"""The server serves what the ledger says as soon as it can, and what it served before where it cannot."""

from __future__ import annotations

import shutil
import threading

import pytest

from airflow_mlops.errors import Transient
from airflow_mlops.serving import follower
from airflow_mlops.serving.follower import Follower
from airflow_mlops.serving.metrics import Metrics
from airflow_mlops.stages import model_file
from tests.serving.conftest import in_process, until
from tests.serving.small_models import ROW, Place

ASKED = {"dataframe_records": [ROW]}


@pytest.fixture
def following(champion):
    """A follower that looks when the test says so."""
    followed = Follower(champion.ledger, champion.store, ["flights"], poll_s=1, metrics=Metrics())
    followed.poll()
    return followed


def serves(followed, model="flights"):
    served = followed.served[model]
    return served.champion and (served.champion.version, served.champion.epoch)


def slots(followed, model="flights"):
    return [(slot.wanted.role, slot.wanted.version, slot.state) for slot in followed.served[model].slots]


def spoil(place, ref):
    uri = model_file.model_uri(ref)
    payload = place.store.read_bytes(uri)
    place.store.write_bytes(uri, payload[:-200] + bytes(200))


def test_a_promotion_is_followed_and_the_version_before_stays_in_memory(champion, following):
    champion.promote(champion.add(seed=1))
    following.poll()
    assert (serves(following), slots(following)) == (
        ("2", 2),
        [("champion", "2", "loaded"), ("previous", "1", "loaded")],
    )

    champion.promote(champion.add(seed=2))
    following.poll()
    assert slots(following) == [("champion", "3", "loaded"), ("previous", "2", "loaded")]
    assert sorted(following.served["flights"].versions) == ["2", "3"]


def test_a_prepared_version_is_loaded_aside_and_swapped_without_loading_it_again(champion, following, monkeypatch):
    ref = champion.add(seed=1)
    champion.deploying("prepared", ref, "2", expected_epoch=1)
    following.poll()
    aside = following.served["flights"].versions["2"]
    assert (serves(following), aside.epoch) == (("1", 1), None)

    monkeypatch.setattr(follower, "load", None)
    champion.promote(ref)
    following.poll()
    assert serves(following) == ("2", 2)
    assert following.served["flights"].champion.predict == aside.predict


def test_a_prepared_version_that_was_refused_leaves_memory(champion, following):
    ref = champion.add(seed=1)
    champion.deploying("prepared", ref, "2", expected_epoch=1)
    following.poll()
    champion.deploying("refused", ref, "2", expected_epoch=1)
    following.poll()

    assert slots(following) == [("champion", "1", "loaded")]


def test_a_version_prepared_against_an_epoch_of_the_past_is_not_loaded(champion, following):
    champion.deploying("prepared", champion.add(seed=1), "2", expected_epoch=0)
    following.poll()

    assert slots(following) == [("champion", "1", "loaded")]


def test_a_corrupt_version_is_never_served_and_the_old_one_goes_on(champion):
    with in_process(champion) as client:
        ref = champion.add(seed=1)
        spoil(champion, ref)
        champion.promote(ref)
        until(lambda: client.get("/status").json()["models"]["flights"]["loaded"][0]["state"] == "failed")
        status = client.get("/status").json()["models"]["flights"]
        answer = client.post("/invocations", json=ASKED)

        assert (answer.json()["version"], answer.headers["x-model-epoch"]) == ("1", "1")
        assert (status["state"], status["version"], status["epoch"]) == ("serving", "1", 1)
        assert status["reason"].startswith(
            "champion 2 of epoch 2 was not loaded, version 1 of epoch 1 goes on: file://"
        )
        assert "the file was changed or cut" in status["loaded"][0]["reason"]
        assert client.get("/ready").status_code == 200
        assert 'load_failures_total{model="flights"} 1.0' in client.get("/metrics").text

        champion.promote(champion.add(seed=2))
        until(lambda: client.get("/status").json()["models"]["flights"]["epoch"] == 3)
        assert client.get("/status").json()["models"]["flights"]["reason"] is None


def test_a_model_that_refuses_its_golden_rows_is_not_served(champion, following):
    from sklearn.linear_model import LogisticRegression

    from tests.serving.small_models import store_model, training_rows

    frame = training_rows().to_pandas()[["distance"]]
    fitted = LogisticRegression().fit(frame, frame["distance"] > 1000)
    ref = store_model(champion.store, fitted, rows=training_rows().select(["distance"]))
    champion.store.write_table(f"{ref.uri}/golden.parquet", training_rows().select(["carrier"]))
    champion.promote(ref)
    following.poll()

    assert serves(following) == ("1", 1)
    assert "version 2 of flights refuses its golden rows (ValueError: " in following.served["flights"].reason


def test_a_store_that_is_away_is_asked_again_ever_more_slowly(champion, following, monkeypatch):
    tries = []

    def away(*_, **__):
        tries.append(1)
        raise Transient("the store did not answer.")

    clock = [0.0]
    monkeypatch.setattr(follower.time, "monotonic", lambda: clock[0])
    with monkeypatch.context() as patch:
        patch.setattr(follower, "load", away)
        champion.promote(champion.add(seed=1))
        for now in (0.0, 0.5, 1.0, 2.0, 3.0):
            clock[0] = now
            following.poll()
    # After one second, then after two more.
    assert len(tries) == 3
    assert following.served["flights"].slots[0].to_dict()["state"] == "loading"

    clock[0] = 60.0
    following.poll()
    assert serves(following) == ("2", 2)


def test_a_prepared_version_that_failed_is_not_tried_again(champion, following, monkeypatch):
    ref = champion.add(seed=1)
    spoil(champion, ref)
    champion.deploying("prepared", ref, "2", expected_epoch=1)
    following.poll()
    pass_time(monkeypatch)
    following.poll()

    assert [(slot.state, slot.tries) for slot in following.served["flights"].slots] == [("loaded", 0), ("failed", 1)]


def test_a_champion_that_was_mended_serves_after_a_while(champion, following, monkeypatch):
    ref = champion.add(seed=1)
    good = champion.store.read_bytes(model_file.model_uri(ref))
    spoil(champion, ref)
    champion.promote(ref)
    for _ in range(3):
        following.poll()
    failed = following.served["flights"].slots[0]
    assert (failed.tries, failed.to_dict()["state"]) == (1, "failed")

    champion.store.write_bytes(model_file.model_uri(ref), good)
    pass_time(monkeypatch)
    following.poll()
    assert (serves(following), following.served["flights"].reason) == (("2", 2), None)


def pass_time(monkeypatch, seconds=61):
    now = follower.time.monotonic
    monkeypatch.setattr(follower.time, "monotonic", lambda: now() + seconds)


def test_after_a_restart_the_version_before_stands_in_for_a_champion_that_cannot_be_loaded(champion, monkeypatch):
    ref = champion.add(seed=1)
    good = champion.store.read_bytes(model_file.model_uri(ref))
    spoil(champion, ref)
    champion.promote(ref)
    with in_process(champion) as client:
        status = client.get("/status").json()["models"]["flights"]
        answer = client.post("/invocations", json=ASKED).json()

        assert (answer["version"], answer["epoch"]) == ("1", 1)
        assert (status["state"], status["version"], status["epoch"]) == ("serving", "1", 1)
        assert status["reason"].startswith("champion 2 of epoch 2 was not loaded, version 1 of epoch 1 goes on: file:")
        assert [entry["state"] for entry in status["loaded"]] == ["failed", "loaded"]

        champion.store.write_bytes(model_file.model_uri(ref), good)
        pass_time(monkeypatch)
        until(lambda: client.get("/status").json()["models"]["flights"]["epoch"] == 2)


def test_while_the_champion_is_being_loaded_the_version_before_does_not_stand_in(champion, monkeypatch):
    def away(*arguments, version, **more):
        if version == "2":
            raise Transient("the store did not answer.")
        return load(*arguments, version=version, **more)

    load = follower.load
    monkeypatch.setattr(follower, "load", away)
    champion.promote(champion.add(seed=1))
    started = Follower(champion.ledger, champion.store, ["flights"], poll_s=1, metrics=Metrics())
    started.poll()

    assert slots(started) == [("champion", "2", "away"), ("previous", "1", "loaded")]
    assert serves(started) is None


def test_a_version_that_served_before_has_no_epoch_while_it_is_prepared_again(champion, following):
    first = champion.ledger.state("flights").champion
    champion.promote(champion.add(seed=1))
    following.poll()
    champion.deploying("prepared", champion.add(seed=0), first.version, expected_epoch=2)
    following.poll()

    served = following.served["flights"]
    assert slots(following) == [("champion", "2", "loaded"), ("prepared", "1", "loaded")]
    assert (served.slots[1].to_dict()["epoch"], served.versions["1"].epoch) == (None, None)


def test_also_a_version_that_still_answers_for_its_successor_has_no_epoch_by_number_when_prepared_again(
    champion, following
):
    ref = champion.add(seed=1)
    spoil(champion, ref)
    champion.promote(ref)
    champion.deploying("prepared", champion.add(seed=0), "1", expected_epoch=2)
    following.poll()

    assert serves(following) == ("1", 1)
    assert following.served["flights"].versions["1"].epoch is None


@pytest.fixture
def held_load(monkeypatch):
    """Hold up the load of each version 2 of *trains* until the event is set."""
    free = threading.Event()
    load = follower.load

    def held(store, model, *, version, **more):
        if (model, version) == ("trains", "2"):
            free.wait(60)
        return load(store, model, version=version, **more)

    monkeypatch.setattr(follower, "load", held)
    yield free
    free.set()


def test_while_one_model_loads_another_one_swaps_to_what_is_in_memory(champion, held_load):
    champion.promote(champion.add(seed=3, model="trains"), model="trains")
    aside = champion.add(seed=1)
    champion.deploying("prepared", aside, "2", expected_epoch=1)
    with in_process(champion, "trains", "flights") as client:
        models = lambda: client.get("/status").json()["models"]  # noqa: E731
        until(lambda: [entry["state"] for entry in models()["flights"]["loaded"]] == ["loaded", "loaded"])
        champion.deploying("prepared", champion.add(seed=4, model="trains"), "2", model="trains", expected_epoch=1)
        until(lambda: [entry["state"] for entry in models()["trains"]["loaded"]] == ["loaded", "loading"])

        champion.promote(aside)
        until(lambda: models()["flights"]["epoch"] == 2)
        champion.deploying("prepared", champion.add(seed=5), "3", expected_epoch=2)
        until(lambda: [entry["state"] for entry in models()["flights"]["loaded"]] == ["loaded", "waiting", "loaded"])
        assert models()["trains"]["loaded"][1]["state"] == "loading"

        held_load.set()
        until(lambda: [entry["state"] for entry in models()["flights"]["loaded"]] == ["loaded"] * 3)
        assert models()["trains"]["loaded"][1]["state"] == "loaded"


def test_what_the_ledger_let_go_of_while_it_was_loading_is_not_kept(champion, held_load):
    champion.promote(champion.add(seed=3, model="trains"), model="trains")
    ref = champion.add(seed=4, model="trains")
    champion.deploying("prepared", ref, "2", model="trains", expected_epoch=1)
    with in_process(champion, "trains") as client:
        loaded = lambda: [entry["version"] for entry in client.get("/status").json()["models"]["trains"]["loaded"]]  # noqa: E731
        until(lambda: loaded() == ["1", "2"])
        champion.deploying("refused", ref, "2", model="trains", expected_epoch=1)
        until(lambda: loaded() == ["1"])
        held_load.set()
        # What is asked for next is loaded after it.
        champion.deploying("prepared", champion.add(seed=5, model="trains"), "3", model="trains", expected_epoch=1)
        until(lambda: sorted(client.server.follower.served["trains"].versions) == ["1", "3"])


def test_a_model_that_ends_the_thread_that_loads_it_is_a_failed_one(champion, following, monkeypatch):
    def leave(*_, **__):
        raise SystemExit("as a careless library does")

    monkeypatch.setattr(follower, "load", leave)
    champion.promote(champion.add(seed=1))
    following.poll()

    assert serves(following) == ("1", 1)
    assert "SystemExit: as a careless library does" in following.served["flights"].reason


def test_the_ledger_is_not_called_ok_before_it_was_read_nor_when_that_is_long_ago(champion, monkeypatch):
    followed = Follower(champion.ledger, champion.store, ["flights"], poll_s=1, metrics=Metrics())
    assert followed.ledger_says == "not read yet"
    followed.poll()
    assert followed.ledger_says == "ok"

    pass_time(monkeypatch, 11)
    assert followed.ledger_says == "the ledger was read 11 s ago, and does not answer since; the server goes on."


def test_a_promotion_without_a_model_is_contained(champion, following):
    champion.ledger.promote("flights", "2", expected_epoch=1, payload={}, at=champion.ledger.events("flights")[0].at)
    following.poll()

    assert serves(following) == ("1", 1)
    assert "expected a ModelRef" in following.served["flights"].reason


def test_the_ledger_may_appear_later(place):
    with in_process(place, wait=False) as client:
        says = until(lambda: client.get("/status").json()["server"]["ledger"].startswith("there is no ledger at"))
        place.promote(place.add())
        until(lambda: client.get("/ready").status_code == 200)

        assert says
        assert client.get("/status").json()["server"]["ledger"] == "ok"


def test_a_ledger_that_is_away_is_said_and_its_return_is_followed(champion):
    with in_process(champion) as client:
        away = champion.folder.parent / "away"
        away.mkdir()
        for path in champion.folder.glob("ledger.db*"):
            shutil.move(path, away / path.name)
        until(lambda: client.get("/status").json()["server"]["ledger"] != "ok")
        during = client.post("/invocations", json=ASKED)
        assert "mlops_server_ledger_up 0.0" in client.get("/metrics").text

        for path in away.iterdir():
            shutil.move(path, champion.folder / path.name)
        champion.promote(champion.add(seed=1))
        until(lambda: client.get("/status").json()["models"]["flights"]["epoch"] == 2)

        assert (during.status_code, during.json()["epoch"]) == (200, 1)
        assert client.get("/status").json()["server"]["ledger"] == "ok"


def test_an_older_copy_of_the_ledger_is_not_followed_backwards(champion, following, tmp_path):
    champion.ledger.backup(tmp_path / "older.db")
    champion.promote(champion.add(seed=1))
    following.poll()
    older = Place(champion.folder, champion.store, type(champion.ledger)(f"sqlite:///{tmp_path / 'older.db'}"))
    following._ledger = older.ledger
    following.poll()

    assert serves(following) == ("2", 2)
    assert (
        "epoch 1 of flights, and version 2 serves since epoch 2: was an older copy restored?" in following.ledger_says
    )


def test_a_changed_event_of_one_model_does_not_stop_the_other(champion):
    import sqlite3

    champion.promote(champion.add(seed=3, model="trains"), model="trains")
    followed = Follower(champion.ledger, champion.store, ["flights", "trains"], poll_s=1, metrics=Metrics())
    followed.poll()
    champion.promote(champion.add(seed=1))
    with sqlite3.connect(champion.folder / "ledger.db") as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE mlops_ledger_events SET payload = '{}' WHERE model = 'flights' AND seq = 2")
    champion.promote(champion.add(seed=4, model="trains"), model="trains")
    followed.poll()

    assert (serves(followed), serves(followed, "trains")) == (("1", 1), ("2", 2))
    assert "event 2 of flights (promotion 2@1) was changed after it was written" in followed.ledger_says
