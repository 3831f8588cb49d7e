"""The hook of the model server: its sentence for each way a connection can be wrong, and what it never tells."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest

from airflow_mlops.errors import ServerRefused, ServerUnavailable
from airflow_mlops.hooks.model_server import ModelServerHook
from tests.model_server import answering, closed_port, connection, entry, status

TOKEN = "a-very-secret-token"


@pytest.fixture
def hook(monkeypatch):
    """Make a hook of a connection."""

    def make(port: int, /, **fields):
        monkeypatch.setenv("AIRFLOW_CONN_MODEL_SERVER_DEFAULT", connection(port, **fields))
        return ModelServerHook()

    return make


def serving(path):
    return 200, status(entry("3", epoch=4), version="3", epoch=4)


def test_it_shows_its_token_and_reads_what_is_served(hook):
    with answering(serving) as server:
        served = hook(server.port, password=TOKEN).client.status().models["flights"]

    assert server.seen == [f"Bearer {TOKEN}"]
    assert (served.version, served.epoch, served.loaded[0].state) == ("3", 4, "loaded")


def test_without_a_password_it_shows_nothing(hook):
    with answering(serving) as server:
        hook(server.port).client.status()

    assert server.seen == [None]


def test_the_button_says_version_and_models(hook):
    with answering(serving) as server:
        is_good, sentence = hook(server.port).test_connection()

    assert is_good
    assert sentence == (f"Model server 0.1.0 at http://127.0.0.1:{server.port} serves flights: version 3 at epoch 4.")


def test_the_button_says_that_nothing_serves_yet_and_why_the_ledger_is_not_read(hook):
    said = status()
    said["models"]["flights"]["reason"] = "flights has no champion yet."
    said["server"]["ledger"] = "the ledger does not answer."
    with answering(lambda path: (200, said)) as server:
        is_good, sentence = hook(server.port).test_connection()

    assert is_good
    assert "flights: no version (flights has no champion yet)." in sentence
    assert "It cannot read its ledger: the ledger does not answer." in sentence


WRONG = {
    "the token": (401, {"error": {"type": "no_token", "message": "this server needs a token"}}, "refuses the token"),
    "forbidden": (403, "no", "refuses the token"),
    "MLflow": (404, "<!doctype html><title>404</title>", "no model server of `airflow-mlops serve`; is this the addr"),
    "a page": (200, "<html>MLflow</html>", "answers /status with a page and is no model server"),
    "other JSON": (200, {"status": "OK"}, "answers /status with something else and is no model server"),
    "a list": (200, [1, 2], "answers /status with something else and is no model server"),
    "elsewhere": (302, "", "answers /status with status 302 and is no model server"),
}


@pytest.mark.parametrize(("code", "body", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_has_its_own_sentence(code, body, sentence, hook):
    with answering(lambda path: (code, body)) as server:
        wrong = hook(server.port, password=TOKEN)
        with pytest.raises(ServerRefused, match=sentence) as caught:
            wrong.client.status()
        said = wrong.test_connection()

    assert caught.value.status == code
    assert said == (False, str(caught.value))
    assert TOKEN not in str(caught.value)


def test_a_server_that_is_away_is_transient(hook):
    with pytest.raises(ServerUnavailable, match=r"cannot be reached \(.*refused\); is it running\?"):
        hook(closed_port()).client.status()


def test_a_server_that_cannot_answer_is_transient_and_says_why(hook):
    with (
        answering(lambda path: (503, {"error": {"message": "too many rows wait."}})) as server,
        pytest.raises(ServerUnavailable, match=r"cannot answer just now \(status 503: too many rows wait"),
    ):
        hook(server.port).client.status()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"host": ""}, "has no host"),
        ({"host": "postgres://db"}, "begins with postgres://, and a model server is reached by http or https"),
        ({"password": "caf\u00e9-secret"}, "the token for .* holds a character that no request can carry"),
        ({"password": "two\nlines-secret"}, "the token for .* holds a character that no request can carry"),
        (
            {"schema": "https", "extra": json.dumps({"ca_cert": "/nowhere/ca.pem"})},
            "the certificate authority for .* cannot be read from /nowhere/ca.pem",
        ),
    ],
    ids=["no host", "no http", "no ascii", "two lines", "no authority"],
)
def test_a_connection_that_cannot_work_is_refused_before_anything_is_sent(fields, sentence, hook):
    with pytest.raises(ServerRefused, match=sentence) as caught:
        hook(closed_port(), **fields).client.status()

    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "models", "port": 8000}, "http://models:8000"),
        ({"host": "models", "port": None, "schema": "https"}, "https://models"),
        ({"host": "https://models/eu/", "port": None}, "https://models/eu"),
        ({"host": "http://ann:secret@models:9000", "port": 8000}, "http://models:9000"),
    ],
)
def test_host_port_and_schema_give_the_address(fields, url, hook):
    assert hook(0, **fields).client.address.url == url


def test_a_server_below_a_path_is_asked_there(hook):
    with answering(serving) as server:
        asked = []
        server.reply = lambda path: asked.append(path) or serving(path)
        hook(0, host=f"http://127.0.0.1:{server.port}/eu", port=None).client.status()

    assert asked == ["/eu/status"]


def test_the_token_is_in_no_text_about_the_client(hook):
    client = hook(1, password=TOKEN).client

    assert TOKEN not in f"{client} {client!r} {client.address} {client.address!r}"


def test_its_errors_travel_between_processes():
    error = ServerRefused("no", status=401)

    again = pickle.loads(pickle.dumps(error))

    assert (str(again), again.status) == ("no", 401)
