"""What may be done to a model, and the names and numbers by which the page confirms it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.freeze import freeze
from airflow_mlops.ui.model import actions
from tests.conftest import utc
from tests.ui.parts import MODEL, asker

MARCH = utc("2013-03-01T05:00:00")
WHY = {"by": "ada", "reason": "a test"}


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def ask(ledger, store):
    return asker(actions, ledger=ledger, store=store, kinds=("actions", "retrain"))


@pytest.fixture
def promote(ledger, store):
    """Return what lets versions serve, a day after each other; their bytes are in the store."""

    def promoted(*versions, lost=(), moved=()):
        for version in versions:
            uri = f"file:///another/store/{version}" if version in moved else store.uri(MODEL, "models", version)
            if version not in (*lost, *moved):
                store.complete(uri, {"id": version})
            epoch = ledger.state(MODEL).epoch
            payload = {"model": {"version": version, "uri": uri}}
            at = MARCH + timedelta(days=epoch)
            ledger.append(MODEL, "register", version, {"version": version}, at=at)
            ledger.promote(MODEL, version, expected_epoch=epoch, payload=payload, at=at)

    return promoted


def look(ledger, day, ours, theirs, **told):
    """Record a look whose two policies decided something; ``told`` says which policy decided."""
    at = MARCH + timedelta(days=day)
    for kind, action, name in (("shadow_decision", theirs, "shadow"), ("decision", ours, "live")):
        ledger.append(MODEL, kind, str(day), {"action": action, "policy": told.get(name)}, at=at)


def test_before_anything_serves_nothing_is_there_to_go_back_to(ask):
    found = ask("actions")

    assert (found["dag"], found["serving"]) == (f"{MODEL}_actions", None)
    assert (found["back"], found["no_back"], found["earlier"]) == (None, "nothing serves yet", [])


def test_a_first_version_has_none_before_it(ask, promote):
    promote("1")

    assert ask("actions")["no_back"] == "no version but version 1 ever served"


def test_what_a_rollback_would_choose_and_all_that_may_be_named_are_told_with_when_they_served(ask, promote, ledger):
    promote("1", "2", "3", "4", lost=["2"])
    freeze(ledger, MODEL, "version", frozen=True, version="3", at=MARCH + timedelta(days=9), **WHY)

    found = ask("actions")

    assert found["serving"] == "4"
    assert found["back"] == {"version": "1", "since": "2013-03-01T05:00:00Z", "until": "2013-03-02T05:00:00Z"}
    assert [each["version"] for each in found["earlier"]] == ["1"]
    assert [(each["version"], each["by"], each["reason"]) for each in found["frozen"]] == [("3", "ada", "a test")]
    assert found["free"] == ["4", "2", "1"]


@pytest.mark.parametrize("damage", ["moved", "cut", "no object", "link"])
def test_a_version_whose_bytes_cannot_be_read_is_passed_over(ask, promote, store, tmp_path, damage):
    promote("1", "2", "3", moved=["2"] if damage == "moved" else ())
    manifest = f"{store.uri(MODEL, 'models', '2')}/manifest.json"
    if damage in ("cut", "no object"):
        store.write_bytes(manifest, {"cut": b'{"id": ', "no object": b"[]"}[damage])
    if damage == "link":
        place = Path(store.path(manifest))
        place.rename(tmp_path / "beside.json")
        place.symlink_to(tmp_path / "beside.json")

    found = ask("actions")

    assert found["back"]["version"] == "1"
    assert [each["version"] for each in found["earlier"]] == ["1"]


def test_of_many_versions_that_are_lost_a_few_are_named(ask, promote):
    versions = [str(number) for number in range(1, 10)]
    promote(*versions, lost=versions)

    told = ask("actions")["no_back"]

    assert told.startswith("version 8 is not whole in the artifact store; version 7")
    assert told.endswith("version 4 is not whole in the artifact store; and so on, 8 versions in all")


def test_what_is_held_is_told_with_who_and_why(ask, promote, ledger):
    promote("1")
    for scope in ("loop", "promotions"):
        freeze(ledger, MODEL, scope, frozen=True, at=MARCH, **WHY)

    found = ask("actions")

    assert {found[held]["by"] for held in ("paused", "promotions_frozen")} == {"ada"}


def test_the_two_policies_are_compared_over_the_last_looks(ask, ledger):
    kinds = {"live": {"kind": "excess_loss"}, "shadow": {"kind": "committee"}}
    look(ledger, 1, "nothing", "nothing", **kinds)
    look(ledger, 2, "nothing", "retrain", **kinds)
    look(ledger, 3, "retrain", "retrain", **kinds)

    found = ask("actions")["policies"]

    assert (found["live"], found["shadow"], found["override"]) == ("excess_loss", "committee", None)
    counted = ("looks", "differed", "live_retrains", "shadow_retrains")
    assert [found[name] for name in counted] == [3, 1, 1, 2]


def test_an_override_since_the_last_look_counts_from_the_next_one(ask, ledger):
    look(ledger, 1, "nothing", "retrain", live={"kind": "excess_loss"}, shadow={"kind": "committee"})
    ledger.append(MODEL, "override", "shadow#1", {"policy": "shadow", **WHY}, at=MARCH + timedelta(days=2))

    found = ask("actions")["policies"]

    assert (found["live"], found["shadow"], found["from_next_look"]) == ("committee", "excess_loss", True)
    assert found["override"]["by"] == "ada"


def test_an_override_that_a_change_of_the_spec_ended_is_not_told_any_more(ask, ledger):
    ledger.append(MODEL, "override", "shadow#1", {"policy": "shadow", **WHY}, at=MARCH)
    look(ledger, 1, "nothing", "retrain", live={"kind": "excess_loss", "override": None}, shadow={"kind": "single"})

    assert ask("actions")["policies"]["override"] is None


def test_without_a_policy_in_shadow_there_is_nothing_to_choose(ask, ledger):
    ledger.append(MODEL, "decision", "1", {"action": "nothing"}, at=MARCH)

    assert ask("actions")["policies"] is None


def test_an_override_before_the_shadow_has_looked_is_told_too(ask, ledger):
    ledger.append(MODEL, "decision", "1", {"action": "nothing"}, at=MARCH)
    facts = {"policy": "shadow", "kinds": {"own": "schedule", "shadow": "single"}, **WHY}
    ledger.append(MODEL, "override", "shadow#1", facts, at=MARCH)

    found = ask("actions")["policies"]

    assert (found["live"], found["shadow"], found["looks"]) == ("single", "schedule", 0)
    assert found["override"]["reason"] == "a test"


def test_the_last_override_is_told_with_the_section_of_the_spec_it_holds_for(ask, ledger):
    ledger.append(MODEL, "override", "shadow#1", {"policy": "shadow", "retrain": "d1", **WHY}, at=MARCH)
    assert ask("actions")["asked"] == {**WHY, "since": "2013-03-01T05:00:00Z", "retrain": "d1"}

    ledger.append(MODEL, "override", "own#2", {"policy": "own", "retrain": "d1", **WHY}, at=MARCH)
    assert ask("actions")["asked"] is None


def test_the_newest_moment_of_the_model_is_told(ask, ledger):
    assert ask("actions")["at"] is None
    for kind, day in (("decision", 9), ("request", 2)):
        ledger.append(MODEL, kind, "1", {"action": "nothing"}, at=MARCH + timedelta(days=day))

    assert ask("actions")["at"] == "2013-03-10T05:00:00Z"
