from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_mlops.errors import ArtifactCorrupt, DeploymentMisuse, ModelUnusable, PromotionConflict, Transient
from airflow_mlops.lifecycle.targets import LocalProcess

from .conftest import COLUMNS, NAME, DiesAfter, alias, champion, forked, outcomes


def model_files(client, version):
    return Path(urlsplit(client.get_model_version_download_uri(NAME, version)).path)


def test_a_version_that_proves_itself_serves(deployment, registered, ledger, client):
    deployed = deployment(registered()).deploy()

    assert (deployed.version, deployed.epoch, deployed.promoted, deployed.previous_version) == ("1", 1, True, None)
    assert deployed.latency_ms > 0
    assert champion(ledger) == "1" == alias(client)
    assert outcomes(ledger) == ["prepared", "servable", "done"]
    evidence = ledger.find(NAME, "deploy", "1@0:servable").payload["report"]
    assert evidence["max_difference"] == 0.0
    assert evidence["rows"] == 20


def test_the_promotion_carries_what_the_next_stages_look_up(deployment, registered, ledger):
    deployment(registered()).deploy()

    payload = ledger.state(NAME).champion.payload
    assert payload["model"]["features"]["snapshots"][0]["id"] == "s1"
    assert payload["evaluation"]["metrics"] == {"log_loss": 0.41}


def test_what_a_server_must_know_is_in_both_events(deployment, registered, ledger):
    model = registered()
    deployment(model).deploy()

    prepared = ledger.find(NAME, "deploy", "1@0:prepared").payload
    rows = {
        "columns": COLUMNS,
        "time": "scheduled",
        "key": ["flight", "origin", "scheduled"],
        "sensitive": [],
        "task": "binary",
    }
    assert prepared["model"] == model.to_dict()
    assert prepared["rows"] == rows == ledger.state(NAME).champion.payload["rows"]
    assert prepared["trial"]["passed"]


def test_a_version_refused_once_is_prepared_anew(deployment, registered, ledger):
    class Refusing(LocalProcess):
        def prepare(self, candidate):
            raise ModelUnusable("the server cannot load it")

    model = registered()
    with pytest.raises(ModelUnusable):
        replace(deployment(model), target=Refusing()).deploy()
    deployment(model).deploy()

    assert outcomes(ledger) == ["prepared", "refused", "prepared", "servable", "done"]


def test_the_next_version_names_the_one_before(deployment, registered):
    deployment(registered(0)).deploy()

    deployed = deployment(registered(1), epoch=1).deploy()

    assert (deployed.version, deployed.epoch, deployed.previous_version) == ("2", 2, "1")


def test_a_second_run_gives_the_same_result_and_promotes_nothing(deployment, registered, ledger):
    first = deployment(registered()).deploy()

    assert deployment(registered()).deploy() == first
    assert len(ledger.events(NAME, kind="promotion")) == 1


def test_what_serves_already_stays_when_another_evaluation_sends_it(deployment, registered, ledger):
    deployment(registered()).deploy()

    deployed = deployment(registered(), epoch=1).deploy()

    assert (deployed.version, deployed.epoch, deployed.promoted) == ("1", 1, False)
    assert len(ledger.events(NAME, kind="promotion")) == 1


def test_a_run_retried_after_others_promoted_changes_nothing(deployment, registered, ledger, client):
    first = deployment(registered(0)).deploy()
    deployment(registered(1), epoch=1).deploy()

    assert deployment(registered(0)).deploy() == first
    assert champion(ledger) == "2" == alias(client)


def test_a_champion_that_moved_since_the_evaluation_stays(deployment, registered, ledger, client):
    deployment(registered(0)).deploy()

    with pytest.raises(PromotionConflict, match="judged against epoch 0, but the ledger is at epoch 1"):
        deployment(registered(1), epoch=0).deploy()

    assert champion(ledger) == "1" == alias(client)
    assert outcomes(ledger)[-1] == "refused"


def test_a_champion_that_moves_during_the_trial_stays(deployment, registered, ledger, client):
    first, second = registered(0), registered(1)

    def overtaken(*arguments, **limits):
        deployment(first).deploy()
        return forked(*arguments, **limits)

    with pytest.raises(PromotionConflict):
        replace(deployment(second), trial=overtaken).deploy()

    assert champion(ledger) == "1" == alias(client)


def test_changed_bytes_are_never_loaded(deployment, registered, ledger, client, store):
    deployment(registered(0)).deploy()
    model = registered(1)
    file = model_files(client, "2") / store.manifest(model.uri)["file"]
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(ArtifactCorrupt, match="MLflow holds other bytes for version 2 than were trained"):
        deployment(model, epoch=1).deploy()

    assert champion(ledger) == "1" == alias(client)
    assert "other bytes" in ledger.find(NAME, "deploy", "2@1:refused").payload["reasons"][0]


def test_a_folder_that_would_load_something_else_is_never_loaded(deployment, registered, client):
    model = registered()
    described = model_files(client, "1") / "MLmodel"
    described.write_text(described.read_text().replace("loader_module: mlflow.sklearn", "loader_module: antigravity"))

    with pytest.raises(ArtifactCorrupt, match=r"would load model-.* by antigravity"):
        deployment(model).deploy()


def test_files_that_are_gone_are_said_to_be_gone(deployment, registered, client):
    import shutil

    model = registered()
    shutil.rmtree(model_files(client, "1"))

    with pytest.raises(ModelUnusable, match="version 1 of flights cannot be read from MLflow"):
        deployment(model).deploy()


def test_a_model_that_predicts_something_else_is_refused(deployment, registered, ledger, client, store):
    deployment(registered(0)).deploy()
    model = registered(1)
    manifest = store.manifest(model.uri)
    other = [[0.5, 0.5], *manifest["golden_predictions"][1:]]
    store.complete(model.uri, {**manifest, "golden_predictions": other})

    with pytest.raises(ModelUnusable, match=r"1 of 20 golden rows differ .* by up to 0\.\d+; deploy.tolerance allows"):
        deployment(model, epoch=1).deploy()

    assert champion(ledger) == "1" == alias(client)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_latency_ms": 1e-6}, "ms in the median, deploy.max_latency_ms allows 1e-06"),
        ({"max_memory_mb": 1e-6}, "MB, deploy.max_memory_mb allows 1e-06"),
    ],
    ids=["too slow", "too big"],
)
def test_a_limit_refuses_and_raising_it_lets_through(limit, message, deployment, registered, ledger):
    with pytest.raises(ModelUnusable, match=message):
        deployment(registered(), **limit).deploy()
    assert champion(ledger) is None

    assert deployment(registered()).deploy().promoted


def test_a_model_that_crashes_takes_nothing_with_it(deployment, registered, ledger, monkeypatch):
    model = registered()
    # The fork inherits it: as if the loader had a fault in C code.
    monkeypatch.setattr("mlflow.pyfunc.load_model", lambda path, **_: os.kill(os.getpid(), signal.SIGSEGV))

    with pytest.raises(ModelUnusable, match="ended by SIGSEGV; the model cannot serve"):
        deployment(model).deploy()

    assert champion(ledger) is None


def test_a_model_that_hangs_is_ended(deployment, registered, monkeypatch):
    import time
    from datetime import timedelta

    model = registered()
    monkeypatch.setattr("mlflow.pyfunc.load_model", lambda path, **_: time.sleep(60))

    with pytest.raises(ModelUnusable, match="did not load and answer within 1 s"):
        deployment(model, timeout=timedelta(seconds=1)).deploy()


def test_a_model_that_ends_its_process_is_refused(deployment, registered, ledger, monkeypatch):
    monkeypatch.setattr("mlflow.pyfunc.load_model", lambda path, **_: os._exit(0))

    with pytest.raises(ModelUnusable, match="ended without an answer"):
        deployment(registered()).deploy()

    assert outcomes(ledger)[-1] == "refused"


def test_a_refused_version_or_the_evaluation_of_another_model_is_not_deployed(deployment, registered, ledger):
    deploy = deployment(registered())
    refused = replace(deploy.evaluation, verdict="fail", reasons=["it is worse"])
    foreign = replace(deploy.evaluation, model_id="another")

    with pytest.raises(DeploymentMisuse, match="refused by its evaluation: it is worse"):
        replace(deploy, evaluation=refused).deploy()
    with pytest.raises(DeploymentMisuse, match="judged model another"):
        replace(deploy, evaluation=foreign).deploy()

    assert champion(ledger) is None


def test_a_number_that_mlflow_gave_twice_does_not_pass_for_the_champion(deployment, registered, ledger):
    deployment(registered()).deploy()
    second = replace(registered(1), version="1")

    with pytest.raises(DeploymentMisuse, match="had a version 1 promoted already, and that is another model"):
        deployment(second, epoch=1).deploy()

    assert ledger.state(NAME).epoch == 1


def test_an_error_while_loading_is_named(deployment, registered, monkeypatch):
    model = registered()

    def load(path, **_):
        raise ModuleNotFoundError("No module named 'company'")

    monkeypatch.setattr("mlflow.pyfunc.load_model", load)

    with pytest.raises(ModelUnusable, match="cannot be loaded or does not predict: ModuleNotFoundError: No module na"):
        deployment(model).deploy()


def test_a_transient_error_is_no_refusal(deployment, registered, ledger):
    class Away(LocalProcess):
        def prepare(self, candidate):
            raise Transient("the server is away")

    with pytest.raises(Transient):
        replace(deployment(registered()), target=Away()).deploy()

    assert outcomes(ledger) == ["prepared"]
    assert deployment(registered()).deploy().promoted


def _deploy_and_die(deployment, calls, uri, ledger_url):
    from dataclasses import replace

    from mlflow import MlflowClient

    from airflow_mlops.ledger import Ledger

    left = [calls]
    replace(
        deployment,
        ledger=DiesAfter(Ledger(ledger_url), left),
        client=DiesAfter(MlflowClient(uri, uri), left),
        target=DiesAfter(deployment.target, left),
    ).deploy()


def test_killed_between_any_two_effects_the_retry_ends_with_one_promotion(
    deployment, registered, ledger, client, tmp_path
):
    work = deployment(registered())
    fork = multiprocessing.get_context("fork")
    killed = 0
    for calls in range(60):
        arguments = (work, calls, client.tracking_uri, f"sqlite:///{tmp_path / 'ledger.db'}")
        process = fork.Process(target=_deploy_and_die, args=arguments)
        process.start()
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1

    assert killed > 8
    assert work.deploy().promoted
    assert len(ledger.events(NAME, kind="promotion")) == 1
    assert champion(ledger) == "1" == alias(client)
    assert ledger.find(NAME, "deploy", "1@0:done") is not None
