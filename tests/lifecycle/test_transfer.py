"""A version goes from one registry to another by its digests, and proves itself again where it comes to."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta

import pytest

from airflow_mlops.artifacts import ArtifactStore, digest_bytes
from airflow_mlops.cli import main
from airflow_mlops.errors import ArtifactCorrupt, DeploymentMisuse, PromotionConflict, PromotionFrozen
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.by_hand import ByHand
from airflow_mlops.lifecycle.transfer import Source, Transfer
from airflow_mlops.refs import ModelRef

from .conftest import MOMENT, NAME, alias, champion, forked

LATER = MOMENT + timedelta(days=1)


@pytest.fixture
def development(client, store, ledger, small_spec, make_model, evaluation, origin):
    """A version that was trained, judged and registered with all that its folders name."""
    from airflow_mlops.lifecycle.register import register

    def give(seed=0, *, verdict="pass"):
        model = _with_folders(store, make_model(seed))
        report = {**evaluation(0, verdict).to_dict(), "id": f"e{seed}", "uri": store.uri(NAME, "reports", f"e{seed}")}
        report |= {"model_id": model.id, "html_uri": f"{report['uri']}/report.html"}
        store.write_bytes(report["html_uri"], b"<p>it passed</p>")
        store.complete(report["uri"], {"ref": report})
        registered = register(client, store, small_spec, model, origin=origin)
        for kind, key, payload in (
            ("train", model.id, model.to_dict()),
            ("evaluate", report["id"], {"model": model.to_dict(), **report}),
            ("register", model.digest, registered.to_dict()),
            ("approval", f"{registered.version}:{report['id']}", _approval(registered, report)),
        ):
            ledger.append(NAME, kind, key, payload, at=MOMENT)
        return registered

    return give


def _approval(model, report):
    return {"version": model.version, "evaluation": report["id"], "answer": "approved", "by": ["ada"], "reason": "good"}


def _with_folders(store, model):
    """Give the model the folders of features and snapshots that a training leaves."""
    rows, features = store.uri(NAME, "snapshots", "s1"), store.uri(NAME, "features", "f1")
    store.complete(rows, {"digest": store.write_bytes(f"{rows}/data.parquet", b"rows")})
    parts = {part: store.write_bytes(f"{features}/{part}.parquet", part.encode()) for part in ("features", "holdout")}
    fitted = {"file": "transformer.skops", "digest": store.write_bytes(f"{features}/transformer.skops", b"fitted")}
    store.complete(features, {**parts, "transformer": fitted, "ref": {"uri": features}})
    snapshot = {"id": "s1", "uri": rows, "digest": digest_bytes(b"rows"), "rows": 2500, "columns": 4}
    snapshot |= {"start": MOMENT.isoformat(), "end": MOMENT.isoformat()}
    named = {**model.features, "uri": features, "id": "f1", "snapshots": [snapshot]}
    return ModelRef.from_dict({**model.to_dict(), "features": named})


@pytest.fixture
def production(tmp_path, fresh_mlflow_db, small_spec):
    """Another store, ledger and MLflow, empty."""
    from mlflow import MlflowClient

    folder = tmp_path / "production"
    folder.mkdir()
    uri = f"sqlite:///{shutil.copy(fresh_mlflow_db, folder / 'mlflow.db')}"
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    store = ArtifactStore.local(folder / "artifacts")
    return ByHand(small_spec, store, ledger, MlflowClient(uri, uri), LATER, "cli", trial=forked)


@pytest.fixture
def transfer(ledger, store, client, production, tmp_path):
    """Bring a version over."""

    def run(version="1", **options):
        work = Transfer(Source(ledger, store, client), production, (tmp_path / "production" / "mlflow").as_uri())
        return work.promote(version, by="ada", reason="it did well", patience_s=1, **options)

    return run


def test_a_version_is_copied_by_digest_registered_and_promoted(development, transfer, production, ledger, store):
    model = development()

    deployed = transfer()

    assert (deployed.version, deployed.epoch, deployed.promoted) == ("1", 1, True)
    assert alias(production.client) == "1"
    [promotion] = production.ledger.events(NAME, kind="promotion")
    assert (promotion.payload["cause"], promotion.payload["by"]) == ("transfer", "ada")
    source = promotion.payload["source"]
    assert source["event"]["hash"] == ledger.find(NAME, "register", model.digest).hash
    assert [each["by"] for each in source["approvals"]] == [["ada"]]
    ours = ModelRef.from_dict(promotion.payload["model"])
    assert ours.digest == model.digest
    assert store.root not in json.dumps(ours.to_dict())
    for part in (ours.features["uri"], ours.features["snapshots"][0]["uri"], promotion.payload["evaluation"]["uri"]):
        assert production.store.manifest(part) is not None
    [approval] = production.ledger.events(NAME, kind="approval")
    assert (approval.payload["by"], approval.payload["source"]) == (["ada"], repr(ledger))
    assert {event.kind for event in production.ledger.events(NAME)} >= {"train", "evaluate", "register", "transfer"}


def test_a_second_run_finds_everything_done(development, transfer, production):
    development()
    transfer()
    before = [event.key for event in production.ledger.events(NAME)]

    again = transfer()

    assert (again.version, again.epoch, again.promoted) == ("1", 1, False)
    assert [event.key for event in production.ledger.events(NAME)] == before
    assert len(production.client.search_model_versions(f"name = '{NAME}'")) == 1


def test_a_copy_that_was_cut_goes_on(development, transfer, production, monkeypatch):
    development()
    complete = ArtifactStore.complete
    monkeypatch.setattr(ArtifactStore, "complete", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="the disk is full"):
        transfer()
    assert production.ledger.events(NAME) == []
    monkeypatch.setattr(ArtifactStore, "complete", complete)

    assert transfer().promoted


def test_changed_bytes_are_refused_and_nothing_is_promoted(development, transfer, production, store):
    model = development()
    store.write_bytes(f"{model.features['uri']}/holdout.parquet", b"other rows")

    with pytest.raises(ArtifactCorrupt, match=r"holdout.parquet has digest .* was written"):
        transfer()

    assert champion(production.ledger) is None


def test_other_bytes_at_the_destination_are_not_overwritten(development, transfer, production):
    development()
    transfer()
    model = ModelRef.from_dict(production.ledger.state(NAME).champion.payload["model"])
    production.store.write_bytes(f"{model.uri}/golden.parquet", b"changed")

    with pytest.raises(ArtifactCorrupt, match="is there already and holds other bytes"):
        transfer()


def test_a_failed_or_frozen_version_and_a_champion_that_moved_are_refused(development, transfer, production, ledger):
    development(0, verdict="fail")
    development(1)
    with pytest.raises(DeploymentMisuse, match="version 1 of flights did not pass its evaluation e0"):
        transfer("1")
    with pytest.raises(PromotionConflict, match="epoch 3, but the ledger is at epoch 0"):
        transfer("2", expected_epoch=3)
    frozen = {"scope": "version", "version": "2", "frozen": True, "reason": "it was wrong", "by": "me"}
    ledger.append(NAME, "freeze", "2", frozen, at=MOMENT)
    with pytest.raises(PromotionFrozen, match="it was wrong"):
        transfer("2")

    assert production.ledger.events(NAME) == []


def test_one_ledger_cannot_be_both_ends(development, ledger, store, client, small_spec):
    development()
    work = ByHand(small_spec, store, ledger, client, LATER, "cli", trial=forked)

    with pytest.raises(DeploymentMisuse, match="is source and destination at once"):
        Transfer(Source(ledger, store), work).promote("1", by="me", reason="a test", patience_s=1)


def test_the_command_names_both_ends_by_connections(
    development, transfer, store, client, tmp_path, small_spec, monkeypatch, capsys
):
    development()
    transfer()  # tried in a fork already: a fresh interpreter takes seconds
    folder = tmp_path / "production"
    spec = tmp_path / "flights.yaml"
    plain = small_spec.model_dump(mode="json", by_alias=True)
    plain["evaluate"]["slices"] = []
    spec.write_text(json.dumps(plain))
    for name, kind, place in (
        ("MLOPS_LEDGER", "mlops_ledger", folder / "ledger.db"),
        ("DEV_LEDGER", "mlops_ledger", tmp_path / "ledger.db"),
        ("MLFLOW_DEFAULT", "mlflow", folder / "mlflow.db"),
        ("DEV_MLFLOW", "mlflow", client.tracking_uri.removeprefix("sqlite:///")),
    ):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": kind, "host": str(place)}))
    arguments = ["promote", NAME, "1", "--spec", str(spec), "--reason", "it did well"]
    arguments += ["--artifacts-uri", str(folder / "artifacts"), "--from-ledger-conn-id", "dev_ledger"]

    assert main(arguments) == 2
    assert "a source is ledger and artifacts" in capsys.readouterr().err

    source = ["--from-artifacts-uri", store.root, "--from-mlflow-conn-id", "dev_mlflow"]
    assert main([*arguments, *source]) == 0
    assert "version 1 of flights serves already, at epoch 1" in capsys.readouterr().out
