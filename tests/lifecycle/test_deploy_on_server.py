"""A version becomes champion on a real model server; whatever goes wrong, the old version goes on answering."""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import replace

import pytest

from airflow_mlops.errors import (
    ModelUnusable,
    NotReady,
    PromotionConflict,
    ServerRefused,
    ServerUnavailable,
)
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.promote import promote
from airflow_mlops.lifecycle.server_client import ServerAddress, ServerClient
from airflow_mlops.lifecycle.server_target import ModelServer
from airflow_mlops.stages.deploy import ServabilityReport
from tests.model_server import answering, entry, status
from tests.running_server import TOKEN, RunningServer

from .conftest import MOMENT, NAME, DiesAfter, alias, champion, outcomes

FORK = multiprocessing.get_context("fork")
PATIENCE_S = 60.0
TRIED = ServabilityReport(
    passed=True, reasons=[], rows=20, max_difference=0.0, latency_ms=1.0, memory_mb=2.0,
)  # fmt: skip


def client_of(server, token=TOKEN):
    return ServerClient(ServerAddress(server.url, token, name="the server"))


@pytest.fixture
def serve(store, tmp_path):
    """Start servers that end with the test."""
    running = []

    def start(*, ledger=None, models=(NAME,)):
        running.append(RunningServer(store, ledger or f"sqlite:///{tmp_path / 'ledger.db'}", models))
        return running[-1]

    yield start
    for server in running:
        server.kill()


@pytest.fixture
def server(serve):
    """A server of the flights' model."""
    return serve()


@pytest.fixture
def on_server(deployment, server):
    """A deploy on that server."""

    def make(model, *, epoch=0, **limits):
        return replace(deployment(model, epoch=epoch, **limits), target=ModelServer(client_of(server)))

    return make


@pytest.fixture
def serving_first(on_server, registered):
    """Have version 1 serve."""
    on_server(registered(0)).deploy_within(PATIENCE_S)


@pytest.fixture
def row(make_model, store):
    """One golden row, as a client sends it."""
    return store.read_table(f"{make_model(0).uri}/golden.parquet").to_pylist()[0]


def who_answers(server, row):
    answer = server.answer(row)
    assert answer.status_code == 200, answer.text
    return answer.json()["version"], answer.json()["epoch"]


def test_the_first_version_serves_when_deploy_returns(on_server, registered, server, ledger, client, row):
    assert server.answer(row).status_code == 503

    deployed = on_server(registered()).deploy_within(PATIENCE_S)

    assert (deployed.version, deployed.epoch, deployed.promoted) == ("1", 1, True)
    assert who_answers(server, row) == ("1", 1)
    assert champion(ledger) == "1" == alias(client)
    assert outcomes(ledger) == ["prepared", "servable", "done"]


def test_the_evidence_is_what_the_server_answered(on_server, registered, server, ledger):
    deployed = on_server(registered()).deploy_within(PATIENCE_S)

    report = ledger.find(NAME, "deploy", "1@0:servable").payload["report"]
    said = client_of(server).status().models[NAME].loaded[0]
    assert (report["rows"], report["max_difference"]) == (20, 0.0)
    assert deployed.memory_mb == report["memory_mb"] == said.memory_mb
    assert deployed.latency_ms == report["latency_ms"] > 0


def test_a_second_version_takes_over_and_a_repetition_changes_nothing(
    serving_first, on_server, registered, server, row, ledger
):
    model = registered(1)
    deployed = on_server(model, epoch=1).deploy_within(PATIENCE_S)

    assert (deployed.version, deployed.epoch, deployed.previous_version) == ("2", 2, "1")
    assert who_answers(server, row) == ("2", 2)
    assert on_server(model, epoch=1).deploy() == deployed
    assert len(ledger.events(NAME, kind="promotion")) == 2


def test_rows_with_missing_values_and_hidden_columns_are_replayed(on_server, registered, server):
    deployed = on_server(registered(2, sensitive=("temp",))).deploy_within(PATIENCE_S)

    assert deployed.promoted


def test_while_the_server_loads_the_caller_is_asked_to_come_again(serving_first, on_server, registered, server, row):
    deployment = on_server(registered(1), epoch=1)

    with pytest.raises(NotReady, match=r"the server (does not list|is loading) version 2 of flights") as caught:
        deployment.deploy()

    awaited = caught.value.awaited
    assert (awaited.model, awaited.version, awaited.epoch, awaited.until) == (NAME, "2", 2, "loaded")
    assert who_answers(server, row) == ("1", 1)
    assert deployment.deploy_within(PATIENCE_S).promoted
    assert awaited.has_ended(client_of(server).status())


def spoil(store, model):
    """Change the stored bytes; MLflow's copy, and with it the trial, stays as it is."""
    uri = next(f"{model.uri}/{name}" for name in [store.manifest(model.uri)["file"]])
    path = uri.removeprefix("file://")
    with open(path, "r+b") as file:
        file.write(b"????")


def test_a_corrupt_version_is_never_served(serving_first, on_server, registered, server, store, ledger, row):
    model = registered(1)
    spoil(store, model)

    with pytest.raises(
        ModelUnusable, match=r"the server cannot load version 2 of flights: .*digest.* It goes on serving version 1"
    ):
        on_server(model, epoch=1).deploy_within(PATIENCE_S)

    assert who_answers(server, row) == ("1", 1)
    assert champion(ledger) == "1"
    refused = ledger.find(NAME, "deploy", "2@1:refused").payload
    assert "cannot load version 2" in refused["reasons"][0]


def test_a_version_that_is_mended_after_a_failed_load_is_tried_again(
    serving_first, on_server, registered, server, store, row
):
    model = registered(1)
    file = f"{model.uri}/{store.manifest(model.uri)['file']}"
    good = store.read_bytes(file)
    spoil(store, model)
    with pytest.raises(ModelUnusable):
        on_server(model, epoch=1).deploy_within(PATIENCE_S)
    until(lambda: [entry.version for entry in client_of(server).status().models[NAME].loaded] == ["1"])

    store.write_bytes(file, good)
    on_server(model, epoch=1).deploy_within(PATIENCE_S)

    assert who_answers(server, row) == ("2", 2)


def test_a_server_that_waits_for_its_store_is_waited_for(deployment, registered, ledger):
    model = registered()
    said = status({**entry("1", state="loading", reason="the store did not answer."), "digest": model.digest})
    with answering(lambda path: (200, said)) as stand_in:
        target = ModelServer(ServerClient(stand_in_address(stand_in)))
        with pytest.raises(NotReady, match=r"is loading version 1 of flights, not without trouble: the store did not"):
            replace(deployment(model), target=target).deploy()

    assert outcomes(ledger) == ["prepared"]


@pytest.mark.parametrize(
    ("ledger_says", "entries", "sentence"),
    [
        ("not read yet", [], "does not list version 1 of flights, and cannot read its ledger: not read yet"),
        ("ok", [{"state": "waiting"}], "loads others before version 1 of flights"),
        ("ok", [{"state": "loading", "reason": "the store did not answer."}], "the store did not answer"),
    ],
)
def test_a_server_that_never_came_to_it_says_nothing_of_the_version(
    deployment, registered, ledger, ledger_says, entries, sentence
):
    model = registered()
    said = status(*({**entry("1", **each), "digest": model.digest} for each in entries))
    said["server"]["ledger"] = ledger_says
    with answering(lambda path: (200, said)) as stand_in:
        waiting = replace(deployment(model), target=ModelServer(ServerClient(stand_in_address(stand_in))))
        with pytest.raises(NotReady, match=sentence) as caught:
            waiting.deploy()
        error = waiting.give_up(caught.value, after_s=300)

    assert isinstance(error, ServerUnavailable)
    assert outcomes(ledger) == ["prepared"]


@pytest.mark.parametrize("code", [408, 425, 429])
def test_a_busy_server_refuses_no_version(deployment, registered, ledger, code):
    model = registered()
    said = status({**entry("1"), "digest": model.digest})
    busy = {"error": {"type": "busy", "message": "too many rows are waiting."}}
    with answering(lambda path: (200, said) if path == "/status" else (code, busy)) as stand_in:
        waiting = replace(deployment(model), target=ModelServer(ServerClient(stand_in_address(stand_in))))
        with pytest.raises(ServerUnavailable, match=rf"cannot answer just now \(status {code}: too many rows"):
            waiting.deploy()

    assert outcomes(ledger) == ["prepared"]


def stand_in_address(stand_in):
    return ServerAddress(f"http://127.0.0.1:{stand_in.port}", name="the server")


def until(is_so):
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it did not become so")


def test_answers_that_differ_over_http_refuse_the_version(
    serving_first, on_server, registered, store, ledger, server, row
):
    model = registered(1)
    manifest = store.manifest(model.uri)
    store.complete(model.uri, {**manifest, "golden_predictions": [[0.5, 0.5], *manifest["golden_predictions"][1:]]})
    deployment = replace(on_server(model, epoch=1), trial=lambda *_, **__: TRIED)

    with pytest.raises(ModelUnusable, match="1 of 20 golden rows differ from the predictions of training time"):
        deployment.deploy_within(PATIENCE_S)

    assert who_answers(server, row) == ("1", 1)
    assert outcomes(ledger)[-2:] == ["prepared", "refused"]


def test_a_limit_counts_over_http_too(on_server, registered, server):
    deployment = replace(on_server(registered(), max_latency_ms=1e-6), trial=lambda *_, **__: TRIED)

    with pytest.raises(ModelUnusable, match=r"ms in the median, deploy.max_latency_ms allows 1e-06"):
        deployment.deploy_within(PATIENCE_S)


def test_a_version_that_fails_its_trial_is_never_shown_to_the_server(
    serving_first, on_server, registered, ledger, server
):
    before = outcomes(ledger)

    with pytest.raises(ModelUnusable, match="may not serve"):
        on_server(registered(1), epoch=1, max_memory_mb=1e-6).deploy()

    assert outcomes(ledger) == [*before, "refused"]


def test_a_server_that_is_away_promotes_nothing_and_a_retry_does(on_server, registered, server, ledger, row):
    deployment = on_server(registered())
    server.kill()

    with pytest.raises(ServerUnavailable, match=r"the server cannot be reached"):
        deployment.deploy_within(PATIENCE_S)
    assert champion(ledger) is None
    assert outcomes(ledger) == ["prepared"]

    server.start()
    assert deployment.deploy_within(PATIENCE_S).promoted
    assert who_answers(server, row) == ("1", 1)


def test_a_server_that_goes_away_after_the_promotion_is_waited_for(
    serving_first, on_server, registered, server, ledger, client, row
):
    class Leaving(ModelServer):
        def swap(self, candidate):
            server.kill()
            super().swap(candidate)

    deployment = on_server(registered(1), epoch=1)
    with pytest.raises(
        NotReady, match=r"version 2 of flights is promoted at epoch 2, which stands; the server cannot"
    ) as caught:
        until_promoted(replace(deployment, target=Leaving(client_of(server))))
    assert champion(ledger) == "2" == alias(client)
    error = deployment.give_up(caught.value, after_s=300)
    assert isinstance(error, ServerUnavailable)
    assert "refused" not in outcomes(ledger)

    server.start()
    deployed = deployment.deploy_within(PATIENCE_S)

    assert (deployed.version, deployed.epoch, deployed.promoted) == ("2", 2, True)
    assert who_answers(server, row) == ("2", 2)
    assert outcomes(ledger)[-1] == "done"


def until_promoted(deployment):
    """Deploy up to the promotion, and let what comes after it through."""
    while True:
        try:
            return deployment.deploy()
        except NotReady as wait:
            if wait.awaited.until == "serving":
                raise
        time.sleep(0.05)


def test_a_wrong_token_is_said_and_refused(deployment, registered, server, ledger):
    target = ModelServer(client_of(server, "another"))

    with pytest.raises(ServerRefused, match=r"the server refuses the token \(status 401\)") as caught:
        replace(deployment(registered()), target=target).deploy()

    assert "another" not in str(caught.value)
    assert champion(ledger) is None
    assert outcomes(ledger) == ["prepared", "refused"]


def test_a_server_of_other_models_is_refused(deployment, registered, serve):
    server = serve(models=("trains",))

    with pytest.raises(
        ServerRefused, match=r"the server does not serve flights; it serves trains\. Start it with this"
    ):
        replace(deployment(registered()), target=ModelServer(client_of(server))).deploy()


def test_a_server_that_follows_another_ledger_is_given_up_with_what_it_says(
    deployment, registered, serve, tmp_path, ledger
):
    elsewhere = Ledger(f"sqlite:///{tmp_path / 'other.db'}")
    elsewhere.append(NAME, "ingest", "s1", {}, at=MOMENT)
    server = serve(ledger=f"sqlite:///{tmp_path / 'other.db'}")
    until(lambda: client_of(server).status().ledger == "ok")
    waiting = replace(deployment(registered()), target=ModelServer(client_of(server)))

    with pytest.raises(NotReady) as caught:
        waiting.deploy_within(0.3)
    error = waiting.give_up(caught.value, after_s=300)

    assert isinstance(error, ServerRefused)
    assert str(error) == (
        "the server does not list version 1 of flights, and 300 s (deploy.timeout) are over. Check that it follows "
        "this ledger and these artifacts."
    )
    assert outcomes(ledger) == ["prepared", "refused"]
    assert champion(ledger) is None


def test_a_champion_that_moves_while_the_server_loads_stays(
    serving_first, on_server, registered, server, ledger, small_spec, evaluation, row
):
    second, third = registered(1), registered(3)
    waiting = on_server(second, epoch=1)
    with pytest.raises(NotReady):
        waiting.deploy()
    promote(ledger, small_spec, third, evaluation(1), at=MOMENT, run=None)

    with pytest.raises(PromotionConflict, match="judged against epoch 1, but the ledger is at epoch 2"):
        waiting.deploy_within(PATIENCE_S)

    until(lambda: who_answers(server, row) == ("3", 2))


def _deploy_and_die(deployment, calls, uri, ledger_url, address):
    from mlflow import MlflowClient

    left = [calls]
    replace(
        deployment,
        ledger=DiesAfter(Ledger(ledger_url), left),
        client=DiesAfter(MlflowClient(uri, uri), left),
        target=DiesAfter(ModelServer(ServerClient(address)), left),
    ).deploy_within(PATIENCE_S)


def test_killed_between_any_two_effects_the_server_answers_and_the_retry_ends_with_one_promotion(
    serving_first, on_server, registered, ledger, client, server, row, tmp_path
):
    work = on_server(registered(1), epoch=1)
    killed, seen = 0, []
    for calls in range(80):
        arguments = (work, calls, client.tracking_uri, f"sqlite:///{tmp_path / 'ledger.db'}", client_of(server).address)
        process = FORK.Process(target=_deploy_and_die, args=arguments)
        process.start()
        process.join(60)
        seen.append(who_answers(server, row))
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1

    assert killed > 8
    assert set(seen) == {("1", 1), ("2", 2)}
    assert seen == sorted(seen)
    assert work.deploy_within(PATIENCE_S).promoted
    assert len(ledger.events(NAME, kind="promotion")) == 2
    assert champion(ledger) == "2" == alias(client)
    assert ledger.find(NAME, "deploy", "2@1:done") is not None
