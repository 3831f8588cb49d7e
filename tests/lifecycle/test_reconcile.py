"""MLflow shows what the ledger says; what people change there is noticed and settled."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal

import pytest

from airflow_mlops.cli import main
from airflow_mlops.errors import LedgerCorrupt
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle import registry
from airflow_mlops.lifecycle.reconcile import reconcile

from .conftest import ALIAS, MOMENT, NAME, DiesAfter, alias, champion


@pytest.fixture(scope="module")
def bare_mlflow_db(fresh_mlflow_db, tmp_path_factory):
    """A registry with four versions without files: aliases and tags are all that is looked at here."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("bare") / "mlflow.db"
    shutil.copy(fresh_mlflow_db, path)
    client = MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}")
    client.create_registered_model(NAME)
    for number in "1234":
        client.create_model_version(NAME, f"/models/{number}", tags={registry.DIGEST: number})
    return path


@pytest.fixture
def client(tmp_path, bare_mlflow_db):
    from mlflow import MlflowClient

    path = shutil.copy(bare_mlflow_db, tmp_path / "mlflow.db")
    return MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}")


@pytest.fixture
def ledger(ledger):
    """A ledger that knows the four versions."""
    for number in "1234":
        ledger.append(NAME, "register", number, {"version": number, "id": f"m{number}"}, at=MOMENT)
    return ledger


@pytest.fixture
def look(client, small_spec):
    """Reconcile, with another rule for changes by hand where one is given."""

    def run(ledger, by_hand="restore", **options):
        section = small_spec.register_.model_copy(update={"by_hand": by_hand, **options.pop("register", {})})
        spec = small_spec.model_copy(update={"register_": section})
        return reconcile(ledger, client, spec, at=MOMENT, **options)

    return run


def promote(ledger, version, epoch, **payload):
    return ledger.promote(NAME, version, expected_epoch=epoch, payload={"model": {}, **payload}, at=MOMENT)


def aliases(client):
    return {name: str(version) for name, version in client.get_registered_model(NAME).aliases.items()}


def role(client, version):
    return client.get_model_version(NAME, version).tags.get("mlops.role")


def noticed(ledger):
    return [event.payload for event in ledger.events(NAME, kind="hand_change")]


def give_role(ledger, version, name):
    payload = {"version": version, "role": name, "reason": "a test", "by": "me"}
    ledger.append(NAME, "role", f"{version}:{name}", payload, at=MOMENT)


def test_each_role_has_its_alias_and_each_version_says_its_role(ledger, client, look):
    promote(ledger, "1", 0)
    last = promote(ledger, "2", 1)
    give_role(ledger, "3", "shadow")

    look(ledger)

    assert aliases(client) == {"champion": "2", "previous": "1", "shadow": "3", "challenger": "4"}
    assert [role(client, number) for number in "1234"] == ["retired", "champion", "shadow", "candidate"]
    tags = client.get_registered_model(NAME).tags
    assert (tags["mlops.epoch"], tags["mlops.promotion"]) == ("2", last.hash)


def test_a_second_look_writes_nothing(ledger, client, look):
    promote(ledger, "1", 0)

    assert look(ledger).changes
    assert look(ledger).changes == ()
    assert noticed(ledger) == []


def test_a_frozen_version_says_who_froze_it_and_is_nothing_to_go_back_to(ledger, client, look):
    promote(ledger, "1", 0)
    promote(ledger, "2", 1)
    payload = {"scope": "version", "version": "1", "frozen": True, "reason": "it was wrong", "by": "me"}
    ledger.append(NAME, "freeze", "1", payload, at=MOMENT)
    look(ledger)

    tags = client.get_model_version(NAME, "1").tags
    assert tags["mlops.role"] == "frozen"
    assert json.loads(tags["mlops.frozen"])["reason"] == "it was wrong"
    assert "previous" not in aliases(client)

    ledger.append(NAME, "freeze", "2", {**payload, "frozen": False}, at=MOMENT)
    look(ledger)
    assert "mlops.frozen" not in client.get_model_version(NAME, "1").tags
    assert aliases(client)["previous"] == "1"


def test_an_alias_that_left_the_spec_is_removed_and_one_of_others_is_left(ledger, client, look, small_spec):
    promote(ledger, "1", 0)
    client.set_registered_model_alias(NAME, "theirs", "3")
    look(ledger)

    renamed = small_spec.register_.aliases.model_copy(update={"champion": "live", "candidate": None})
    look(ledger, register={"aliases": renamed})

    assert aliases(client) == {"live": "1", "theirs": "3"}


@pytest.mark.parametrize("moved_to", ["3", None], ids=["moved", "removed"])
def test_an_alias_changed_by_hand_is_recorded_once_and_set_back(moved_to, ledger, client, look, caplog):
    promote(ledger, "1", 0)
    look(ledger)
    if moved_to:
        client.set_registered_model_alias(NAME, ALIAS, moved_to)
    else:
        client.delete_registered_model_alias(NAME, ALIAS)

    look(ledger)

    assert alias(client) == "1"
    assert noticed(ledger) == [{"alias": ALIAS, "shown": moved_to, "ledger": "1", "settled": "restore", "epoch": 1}]
    assert f"says version {moved_to}; the ledger says 1, at epoch 1. It was changed by hand" in caplog.text
    assert not look(ledger).by_hand


def test_where_a_person_is_asked_the_alias_stays_until_the_next_promotion(ledger, client, look):
    promote(ledger, "1", 0)
    look(ledger)
    client.set_registered_model_alias(NAME, ALIAS, "3")

    look(ledger, "ask")
    look(ledger, "ask")

    assert alias(client) == "3"
    assert [payload["settled"] for payload in noticed(ledger)] == ["ask"]
    promote(ledger, "2", 1)
    look(ledger, "ask", has_promoted=True)
    assert alias(client) == "2"


@pytest.mark.parametrize(("shown", "settled"), [("3", "adopt"), ("4", "restore")], ids=["fit", "frozen"])
def test_only_a_version_that_may_serve_is_handed_on_for_adoption(shown, settled, ledger, client, look):
    promote(ledger, "1", 0)
    payload = {"scope": "version", "version": "4", "frozen": True, "reason": "it was wrong", "by": "me"}
    ledger.append(NAME, "freeze", "4", payload, at=MOMENT)
    look(ledger)
    client.set_registered_model_alias(NAME, ALIAS, shown)

    found = look(ledger, "adopt")

    assert [change.settled for change in found.by_hand] == [settled]
    assert alias(client) == ("3" if settled == "adopt" else "1")


def test_a_deleted_version_is_said_and_nothing_fails(ledger, client, look, caplog):
    promote(ledger, "1", 0)
    look(ledger)
    client.delete_model_version(NAME, "1")

    look(ledger)
    look(ledger)

    assert [(payload["deleted"], payload["settled"]) for payload in noticed(ledger)] == [("version 1", "ask")]
    assert "version 1 is deleted; register it again" in caplog.text


def test_a_deleted_model_is_said_and_nothing_fails(ledger, client, look):
    promote(ledger, "1", 0)
    look(ledger)
    client.delete_registered_model(NAME)

    look(ledger)

    assert [payload["deleted"] for payload in noticed(ledger)] == ["registered model"]
    assert champion(ledger) == "1"


def test_an_older_copy_of_the_ledger_is_refused_and_nothing_is_touched(ledger, client, look, tmp_path):
    promote(ledger, "1", 0)
    older = Ledger(f"sqlite:///{ledger.backup(tmp_path / 'older.db')}")
    promote(ledger, "2", 1)
    look(ledger)

    with pytest.raises(LedgerCorrupt, match="was shown epoch 2, and this ledger says epoch 1 of flights"):
        look(older)
    promote(older, "3", 1)
    with pytest.raises(LedgerCorrupt, match="was shown another promotion at epoch 2"):
        look(older)

    assert alias(client) == "2"


def _look_and_die(url, uri, calls, spec):
    from mlflow import MlflowClient

    left = [calls]
    reconcile(DiesAfter(Ledger(url), left), DiesAfter(MlflowClient(uri, uri), left), spec, at=MOMENT)


def test_a_projection_that_was_killed_half_way_is_no_change_by_hand(ledger, client, look, small_spec, tmp_path):
    promote(ledger, "1", 0)
    look(ledger)
    promote(ledger, "2", 1)
    promote(ledger, "3", 2)
    fork = multiprocessing.get_context("fork")
    killed = 0
    for calls in range(60):
        arguments = (f"sqlite:///{tmp_path / 'ledger.db'}", client.tracking_uri, calls, small_spec)
        process = fork.Process(target=_look_and_die, args=arguments)
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        if killed == 9:  # and the champion moves on in between
            promote(ledger, "4", 3)

    assert killed > 9
    assert noticed(ledger) == []
    assert aliases(client) == {"champion": "4", "previous": "3"}


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("mlops.epoch", "seven"),
        ("mlops.epoch", ""),
        ("mlops.shown", "{"),
        ("mlops.shown", "[1]"),
        ("mlops.shown", '{"champion": "2"}'),
    ],
)
def test_a_tag_that_somebody_wrote_is_said_and_written_anew(ledger, client, look, caplog, tag, text):
    promote(ledger, "1", 0)
    look(ledger)
    before = client.get_registered_model(NAME).tags
    client.set_registered_model_tag(NAME, tag, text)

    look(ledger)

    assert client.get_registered_model(NAME).tags == before
    assert "was changed by hand and is written anew" in caplog.text


def test_a_candidate_that_retention_deleted_is_nobodys_change_and_the_one_before_is_shown(ledger, client, look):
    promote(ledger, "1", 0)
    look(ledger)
    assert aliases(client)["challenger"] == "4"
    client.delete_model_version(NAME, "4")
    gone = {"kind": "mlflow version", "name": "4", "reason": "never served"}
    ledger.append(NAME, "retention", "1", {"deleted": [gone]}, at=MOMENT)

    assert look(ledger).by_hand == ()
    assert aliases(client)["challenger"] == "3"
    assert noticed(ledger) == []


def test_a_model_that_was_never_registered_asks_nothing_of_mlflow(small_spec, tmp_path):
    empty = Ledger(f"sqlite:///{tmp_path / 'empty.db'}")

    assert reconcile(empty, DiesAfter(None, [0]), replace_name(small_spec), at=MOMENT).changes == ()


def replace_name(spec):
    return spec.model_copy(update={"name": "never"})


def test_a_role_is_given_by_the_command_and_shown_at_the_next_look(ledger, client, look, tmp_path, monkeypatch, capsys):
    promote(ledger, "1", 0)
    place = {"conn_type": "mlops_ledger", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_LEDGER", json.dumps(place))

    assert main(["role", NAME, "3", "shadow", "--reason", "a look at it"]) == 0
    look(ledger)

    assert aliases(client)["shadow"] == "3"
    given = ledger.events(NAME, kind="role")[-1]
    assert (given.payload["reason"], given.at >= MOMENT) == ("a look at it", True)
    assert main(["role", NAME, "3", "shadow", "--reason", "again"]) == 0
    assert "was already shadow" in capsys.readouterr().out
    assert main(["role", NAME, "1", "retired", "--reason", "away"]) == 2
    assert "version 1 of flights is champion and keeps that role; promote another one first" in capsys.readouterr().err
