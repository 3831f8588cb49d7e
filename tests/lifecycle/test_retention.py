"""What nobody needs goes, what may still be needed stays, and each is said with its reason."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from airflow_mlops.cli import main
from airflow_mlops.errors import LedgerMisuse
from airflow_mlops.events import fold
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.retention import Inventory, plan
from airflow_mlops.lifecycle.sweep import Sweep
from airflow_mlops.serving.prediction_log.places import compacted_uri

START = datetime(2013, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=100)
NAME = "flights"


def day(number):
    return START + timedelta(days=number)


@pytest.fixture
def spec(flights_spec):
    """Three versions and thirty days are kept."""
    plain = flights_spec.model_dump(mode="json", by_alias=True)
    plain["retention"] = {"versions": 3, "reports": "30d", "predictions": "30d", "snapshots": "30d"}
    changed = type(flights_spec).model_validate(plain)
    changed._base_dir = flights_spec.base_dir
    return changed


@pytest.fixture
def life(store, tmp_path):
    """A model's past: eight versions, one a week, each with folders of its own; the second and the sixth served."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for number in range(1, 9):
        train_one(ledger, store, number)
        if number in (2, 6):
            epoch = ledger.state(NAME).epoch
            payload = {"model": {"id": f"m{number}"}}
            ledger.promote(NAME, str(number), expected_epoch=epoch, payload=payload, at=day(7 * number))
    return ledger


def train_one(ledger, store, number, **more):
    at = day(7 * number)
    places = {
        "ingest": ("snapshots", f"s{number}"),
        "features": ("features", f"f{number}"),
        "train": ("models", f"m{number}"),
        "evaluate": ("reports", f"e{number}"),
    }
    uris = {kind: store.uri(NAME, *parts) for kind, parts in places.items()}
    for uri in uris.values():
        store.write_bytes(f"{uri}/data.parquet", b"rows")
        store.complete(uri, {})
    snapshot = {"id": f"s{number}", "uri": uris["ingest"]}
    features = {"id": f"f{number}", "uri": uris["features"], "snapshots": [snapshot]}
    model = {"id": f"m{number}", "uri": uris["train"], "features": features, **more}
    judged = {"id": f"e{number}", "uri": uris["evaluate"], "model_id": f"m{number}", "verdict": "pass", "epoch": 9}
    for kind, payload in (
        ("ingest", snapshot),
        ("features", features),
        ("train", model),
        ("evaluate", judged),
        ("register", {**model, "version": str(number)}),
    ):
        ledger.append(NAME, kind, f"{kind}{number}", payload, at=at)


def written_long_ago(store):
    """Have every file look as if no run were at work with it."""
    for path in store.fs.find(store.root):
        os.utime(path, (0, 0))


def planned(ledger, spec, *, now=NOW, predictions=None):
    events = ledger.events(NAME)
    nothing = Inventory(f"file:///{NAME}", NOW, {})
    return plan(fold(events, model=NAME), events, spec, now=now, predictions=predictions or {}, inventory=nothing)


def going(found, kind):
    return sorted(item.name for item in found.goes if item.kind == kind)


def why(found, kind, name):
    return next(item.reason for item in found.kept if (item.kind, item.name) == (kind, name))


def test_versions_that_never_served_go_beyond_the_newest(life, spec):
    found = planned(life, spec)

    assert going(found, "model") == ["m1", "m3", "m4", "m5"]
    assert going(found, "mlflow version") == ["1", "3", "4", "5"]
    assert why(found, "model", "m6") == "serves version 6"
    assert why(found, "model", "m2") == "served, and may be gone back to as version 2"
    assert why(found, "model", "m7") == "among the newest 3 versions"


def test_what_a_kept_version_was_made_of_and_judged_by_stays_at_any_age(life, spec):
    found = planned(life, spec)

    assert going(found, "snapshot") == ["s1", "s3", "s4", "s5"]
    assert going(found, "features") == ["f1", "f3", "f4", "f5"]
    assert going(found, "report") == ["e1", "e3", "e4", "e5"]
    assert why(found, "snapshot", "s2") == "model m2 was trained on it"
    assert why(found, "report", "e2") == "it judged model m2"


def test_what_is_young_stays_whatever_its_version(life, spec):
    found = planned(life, spec, now=day(40))

    assert going(found, "snapshot") == ["s1"]
    assert why(found, "snapshot", "s3") == "not old enough"


def test_members_of_what_served_stay_though_they_never_served_alone(life, spec, store):
    train_one(life, store, 9, members={"m1": 0.5, "m4": 0.5})
    life.promote(NAME, "9", expected_epoch=2, payload={"model": {"id": "m9"}}, at=day(63))

    found = planned(life, spec)

    assert going(found, "model") == ["m3", "m5"]
    assert why(found, "model", "m1") == "a member of model m9, serves version 9"
    assert going(found, "snapshot") == ["s3", "s5"]


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("decision", {"action": "re-weigh", "weights": {"m3": 1.0}}, "the last decision weighs it"),
        ("evaluate", {"model_id": "m3", "verdict": "pass", "epoch": 2}, "it passed against what serves now"),
        ("approval", {"version": "3", "answer": "first"}, "a person is asked about it"),
        ("role", {"version": "3", "role": "shadow"}, "is the shadow of version 3"),
    ],
)
def test_what_an_open_question_needs_stays(kind, payload, reason, life, spec):
    life.append(NAME, kind, "open", payload, at=day(60))

    found = planned(life, spec)

    assert going(found, "model") == ["m1", "m4", "m5"]
    assert why(found, "model", "m3") == reason


def test_predictions_and_scorecards_go_by_their_rows_and_looks(life, spec, store):
    files = {compacted_uri(store, NAME, first=day(n), last=day(n + 1), segment=f"x{n}"): day(n + 1) for n in (1, 90)}
    for number in range(20):
        card = {"scorecard": {"uri": store.uri(NAME, "scorecards", f"c{number:02}")}}
        life.append(NAME, "signals", f"look{number}", {"quality": card, "inputs": {}}, at=day(number))

    found = planned(life, spec, predictions=files)

    assert len(going(found, "predictions")) == 1
    assert going(found, "scorecard") == ["c00", "c01", "c02", "c03"]
    assert why(found, "scorecard", "c04") == "one of the newest looks reads it"


def in_parts(ledger, store, number, parts):
    """Store and record a snapshot of parts, on which version ``number`` is trained."""
    uris = [store.uri(NAME, "snapshots", "parts", f"{part}.parquet") for part in parts]
    for uri in uris:
        store.write_bytes(uri, b"rows")
        store.write_json(f"{uri}.profile.json", {})
    train_one(ledger, store, number)
    shared = {"parts": [{"uri": uri} for uri in uris]}
    snapshot = {"id": f"p{number}", "uri": store.uri(NAME, "snapshots", f"p{number}"), **shared}
    store.complete(snapshot["uri"], shared)
    ledger.append(NAME, "ingest", f"p{number}", snapshot, at=day(7 * number))
    return snapshot


def swept(ledger, store, spec, **settings):
    return Sweep(spec, store, ledger, None, NOW, clock=datetime.now(UTC) + timedelta(days=2), **settings)


def test_a_part_goes_with_the_last_snapshot_that_refers_to_it(life, spec, store):
    in_parts(life, store, 9, ["a", "b"])
    in_parts(life, store, 13, ["b", "c"])

    found = swept(life, store, spec).plan()

    assert going(found, "part") == ["snapshots/parts/a.parquet"]
    assert why(found, "part", "snapshots/parts/b.parquet") == "snapshot p13 refers to it"


def test_a_part_of_a_snapshot_that_is_not_on_record_yet_stays(life, spec, store):
    uri = store.uri(NAME, "snapshots", "parts", "a.parquet")
    store.write_bytes(uri, b"rows")
    store.complete(store.uri(NAME, "snapshots", "new"), {"parts": [{"uri": uri}]})

    assert why(swept(life, store, spec).plan(), "part", "snapshots/parts/a.parquet") == "snapshot new refers to it"


def test_what_a_run_may_be_at_work_with_stays(life, spec, store):
    store.write_bytes(store.uri(NAME, "snapshots", "parts", "a.parquet"), b"rows")
    store.write_bytes(store.uri(NAME, "snapshots", "half", "data.parquet"), b"ro")

    found = Sweep(spec, store, life, None, NOW).plan()

    assert going(found, "part") == going(found, "orphan") == going(found, "snapshot") == []
    assert why(found, "snapshot", "s3") == "written less than a day ago"


def test_what_killed_runs_left_is_found_and_deleted(life, spec, store, client):
    left = ["snapshots/half/data.parquet", "snapshots/writing/x.parquet", "models/m6/model.json.ab.tmp"]
    for path in (*left, "snapshots/parts/a.parquet.profile.json"):
        store.write_bytes(store.uri(NAME, path), b"ro")
    sweep = Sweep(spec, store, life, client, NOW, clock=datetime.now(UTC) + timedelta(days=2))

    assert going(sweep.plan(), "orphan") == [
        "models/m6/model.json.ab.tmp",
        "snapshots/half",
        "snapshots/parts/a.parquet.profile.json",
        "snapshots/writing/x.parquet",
    ]
    sweep.apply(by="me")
    assert not any(store.exists(store.uri(NAME, path)) for path in left)
    assert store.exists(store.uri(NAME, "models", "m6", "manifest.json"))


def test_a_lakes_versions_that_must_be_kept_are_named_with_the_reason(life, spec, store):
    lake = {"kind": "delta", "uri": "/data/flights", "version": 5}
    rows = {"id": "k", "uri": store.uri(NAME, "snapshots", "k"), "lake": lake}
    model = {"id": "m9", "uri": store.uri(NAME, "models", "m9"), "features": {"snapshots": [rows]}}
    life.append(NAME, "ingest", "k", rows, at=day(1))
    life.append(NAME, "train", "k", model, at=day(1))
    life.append(NAME, "register", "k", {**model, "version": "9"}, at=day(1))

    found = planned(life, spec)

    assert why(found, "lake version", "delta /data/flights version 5") == "model m9 was trained on it"


def test_a_version_from_another_deployment_keeps_what_it_was_trained_on(life, spec, store):
    uri = store.uri(NAME, "snapshots", "parts", "a.parquet")
    store.write_bytes(uri, b"rows")
    rows = {"id": "k", "uri": store.uri(NAME, "snapshots", "k"), "parts": [{"uri": uri}]}
    model = {"id": "m9", "uri": store.uri(NAME, "models", "m9"), "features": {"snapshots": [rows]}}
    life.append(NAME, "register", "k", {**model, "version": "9"}, at=day(1))
    life.promote(NAME, "9", expected_epoch=2, payload={"model": model}, at=day(70))

    found = swept(life, store, spec).plan()

    assert why(found, "part", "snapshots/parts/a.parquet") == "snapshot k refers to it"


def test_without_the_section_nothing_goes(life, flights_spec, store):
    assert planned(life, flights_spec.model_copy(update={"retention": None})).goes == ()
    with pytest.raises(LedgerMisuse, match="has no section retention"):
        Sweep(flights_spec.model_copy(update={"retention": None}), store, life, None, NOW).plan()


@pytest.fixture
def client(tmp_path, fresh_mlflow_db):
    from mlflow import MlflowClient

    uri = f"sqlite:///{shutil.copy(fresh_mlflow_db, tmp_path / 'mlflow.db')}"
    client = MlflowClient(uri, uri)
    client.create_registered_model(NAME)
    for number in range(1, 9):
        client.create_model_version(NAME, f"/models/{number}")
    return client


def test_a_run_killed_half_way_goes_on_and_leaves_one_record(life, spec, store, client, monkeypatch):
    sweep = Sweep(spec, store, life, client, NOW, clock=datetime.now(UTC) + timedelta(days=2))
    delete, left = type(store).delete, [5]

    def cut(self, uri):
        left[0] -= 1
        if left[0] < 0:
            raise OSError("the disk is away")
        delete(self, uri)

    monkeypatch.setattr(type(store), "delete", cut)
    with pytest.raises(OSError, match="the disk is away"):
        sweep.apply(by="me")
    assert life.events(NAME, kind="retention") == []
    monkeypatch.setattr(type(store), "delete", delete)

    done = sweep.apply(by="me")

    assert sweep.apply(by="me").goes == ()
    [event] = life.events(NAME, kind="retention")
    assert (event.payload["by"], len(event.payload["deleted"])) == ("me", len(done.goes))
    assert [n for n in range(1, 9) if store.exists(store.uri(NAME, "models", f"m{n}"))] == [2, 6, 7, 8]
    versions = client.search_model_versions(f"name = '{NAME}'")
    assert sorted(str(each.version) for each in versions) == ["2", "6", "7", "8"]


def test_the_command_deletes_only_when_told_to(life, spec, store, client, tmp_path, monkeypatch, capsys):
    for name, kind, file in (("MLOPS_LEDGER", "mlops_ledger", "ledger.db"), ("MLFLOW_DEFAULT", "mlflow", "mlflow.db")):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": kind, "host": str(tmp_path / file)}))
    old = compacted_uri(store, NAME, first=day(1), last=day(2), segment="x1")
    store.write_bytes(old, b"rows")
    path = tmp_path / "flights.yaml"
    path.write_text(json.dumps(spec.model_dump(mode="json", by_alias=True)))
    written_long_ago(store)
    arguments = ["retain", NAME, "--spec", str(path), "--artifacts-uri", store.root, "--now", NOW.isoformat()]

    assert main(arguments) == 0
    assert "goes: model m1: never served, and not among the newest 3" in capsys.readouterr().out
    assert store.exists(store.uri(NAME, "models", "m1"))

    assert main([*arguments, "--apply", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["applied"]
    assert not store.exists(store.uri(NAME, "models", "m1"))
    assert not store.exists(old)
