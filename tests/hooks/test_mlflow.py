"""The MLflow hook against a real MLflow server that stands behind a proxy asking for credentials."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from airflow_mlops.errors import TrackingRefused, TrackingUnavailable
from airflow_mlops.hooks import mlflow_auth
from airflow_mlops.hooks.mlflow import MlflowHook

TOKENS = ("red-token", "blue-token")
BASIC = "Basic " + base64.b64encode(b"ann:secret").decode()
ACCEPTED = {*(f"Bearer {token}" for token in TOKENS), BASIC}
KNOCK = "/health"


class Proxy(BaseHTTPRequestHandler):
    """Passes a request on to MLflow when it brings accepted credentials; notes path and credentials of each."""

    upstream: str
    seen: list[tuple[str, str | None]]

    def answer(self) -> None:
        path, credentials = self.path, self.headers.get("Authorization")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == KNOCK:
            return self.reply(200, b"OK")
        self.seen.append((path, credentials))
        if credentials not in ACCEPTED:
            return self.reply(401, b'{"error_code": "UNAUTHENTICATED", "message": "who are you"}')
        kind = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
        asked = urllib.request.Request(self.upstream + self.path, body or None, kind, method=self.command)
        try:
            with urllib.request.urlopen(asked, timeout=60) as response:
                self.reply(response.status, response.read())
        except urllib.error.HTTPError as error:
            self.reply(error.code, error.read())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay silent."""


def serve(upstream: str = ""):
    handler = type("Handler", (Proxy,), {"upstream": upstream, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, handler, f"http://127.0.0.1:{server.server_port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory):
    """A tracking server that keeps artifacts itself."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 300
    while not _answers(address):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(30)


def _answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(f"{address}/health", timeout=5).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def proxy(mlflow_server):
    server, handler, address = serve(mlflow_server)
    yield handler, address
    server.shutdown()


@pytest.fixture
def connect(monkeypatch):
    """Define a connection and give its hook."""

    def define(host: str, *, conn_id: str = "mlflow_default", extra: dict | None = None, **fields: str) -> MlflowHook:
        described = {"conn_type": "mlflow", "host": host, "extra": extra or {}, **fields}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(described))
        return MlflowHook(conn_id)

    return define


def new_experiment(client, name):
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def test_a_password_without_login_is_a_bearer_token(proxy, connect):
    handler, address = proxy
    handler.seen.clear()

    with connect(address, password="red-token").bound() as client:
        client.search_experiments()

    assert {credentials for _, credentials in handler.seen} == {"Bearer red-token"}


def test_login_and_password_are_basic_authentication(proxy, connect):
    handler, address = proxy
    handler.seen.clear()

    assert connect(address, login="ann", password="secret").test_connection() == (True, f"MLflow at {address} answers.")

    assert {credentials for _, credentials in handler.seen} == {BASIC}


def test_artifacts_go_up_and_come_down_with_credentials(proxy, connect, tmp_path):
    from airflow_mlops.lifecycle import registry

    handler, address = proxy
    handler.seen.clear()
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "files" / "model").write_text("bytes")
    (tmp_path / "files" / "deep" / "more").write_text("more bytes")
    (tmp_path / "back").mkdir()

    with connect(address, password="red-token").bound() as client:
        experiment = new_experiment(client, "artifacts")
        run_id = client.create_run(experiment).info.run_id
        logged = registry.logged_model(client, experiment, run_id, "files", "digest")
        client.log_model_artifacts(logged.model_id, str(tmp_path / "files"))
        client.finalize_logged_model(logged.model_id, "READY")
        version = registry.create_version(client, "files", logged, run_id, {registry.DIGEST: "digest"})
        folder = registry.download(client, "files", version.version, tmp_path / "back")

    assert (folder / "model").read_text() == "bytes"
    assert (folder / "deep" / "more").read_text() == "more bytes"
    assert any("mlflow-artifacts" in path for path, _ in handler.seen)
    assert {credentials for _, credentials in handler.seen} == {"Bearer red-token"}


def test_two_threads_with_two_connections_never_mix(proxy, connect):
    handler, address = proxy
    handler.seen.clear()
    hooks = [connect(address, conn_id=token.replace("-", "_"), password=token) for token in TOKENS]
    for hook, token in zip(hooks, TOKENS, strict=True):
        with hook.bound() as client:
            new_experiment(client, token)
    before, failures = dict(os.environ), []

    def ask(hook, token):
        try:
            for turn in range(15):
                # Each asks for its own name, so that the path and the credentials of a request can be held together.
                if turn % 2:
                    hook.client.get_experiment_by_name(token)
                else:
                    with hook.bound() as client:
                        client.get_experiment_by_name(token)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=pair) for pair in zip(hooks, TOKENS, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    named = [(path.partition("experiment_name=")[2], credentials) for path, credentials in handler.seen]
    assert {each for each in named if each[0]} == {(token, f"Bearer {token}") for token in TOKENS}
    assert dict(os.environ) == before


def test_no_credential_is_in_the_environment_while_a_call_runs(proxy, connect, monkeypatch):
    _, address = proxy
    # A connection from the environment is there by the choice of whoever runs Airflow; take it away once it is read.
    hook = connect(address, password="red-token")
    hook.tracking_uri  # noqa: B018
    monkeypatch.delenv("AIRFLOW_CONN_MLFLOW_DEFAULT")

    with hook.bound() as client:
        client.search_experiments()
        assert "red-token" not in " ".join(os.environ.values())

    assert "red-token" not in repr(hook._credentials)


def test_headers_do_not_follow_to_another_host(proxy, connect):
    from mlflow.utils.rest_utils import MlflowHostCreds, http_request

    server, elsewhere, address = serve()
    try:
        with connect(proxy[1], password="red-token").bound():
            http_request(MlflowHostCreds(address), "/api/artifact", "GET")
    finally:
        server.shutdown()

    assert elsewhere.seen == [("/api/artifact", None)]


def test_without_a_bound_connection_nothing_is_sent(proxy):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    handler, address = proxy
    handler.seen.clear()
    mlflow_auth.install()

    with pytest.raises(MlflowException):
        MlflowClient(address).search_experiments()

    assert {credentials for _, credentials in handler.seen} == {None}


def test_wrong_credentials_are_refused_and_not_retried(proxy, connect):
    hook = connect(proxy[1], password="green-token")

    with pytest.raises(TrackingRefused, match=r"\(connection 'mlflow_default'\) refuses the request .* check login"):
        hook.client.search_experiments()

    ok, sentence = hook.test_connection()
    assert not ok
    assert "green-token" not in sentence


def test_an_unreachable_server_is_named_without_its_credentials(connect):
    hook = connect(f"http://ann:secret@127.0.0.1:{free_port()}", password="red-token")

    with pytest.raises(TrackingUnavailable, match=r"MLflow at http://127.0.0.1:\d+ \(connection 'mlflow_default'\)"):
        hook.client.search_experiments()

    ok, sentence = hook.test_connection()
    assert not ok
    assert "secret" not in sentence


def test_a_server_that_goes_away_is_given_up_after_few_tries(connect):
    server, handler, address = serve()
    hook = connect(address, password="red-token")
    hook._check_reachable()
    handler.do_GET = lambda request: (handler.seen.append("x"), request.reply(503, b""))[1]

    with pytest.raises(TrackingUnavailable, match="does not answer"):
        hook.client.get_experiment("1")
    server.shutdown()

    assert len(handler.seen) == 3


def test_tls_options_stand_only_while_a_call_lasts(connect, tmp_path):
    hook = connect("https://mlflow.example.com", extra={"ca_cert": "/ca.pem"})
    hook._is_reachable = True

    with hook.bound():
        assert os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] == "/ca.pem"

    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" not in os.environ


def test_two_connections_with_other_tls_options_do_not_nest(connect):
    first = connect("https://one.example.com", conn_id="one", extra={"ca_cert": "/ca.pem"})
    second = connect("https://two.example.com", conn_id="two", extra={"verify_tls": False})
    first._is_reachable = second._is_reachable = True

    with first.bound(), pytest.raises(TrackingUnavailable, match="different TLS options"), second.bound():
        pass


@pytest.mark.parametrize(
    ("fields", "uri"),
    [
        ({"host": "https://mlflow.example.com/"}, "https://mlflow.example.com"),
        ({"host": "https://ann:pw@mlflow.example.com/base"}, "https://mlflow.example.com/base"),
        ({"host": "mlflow", "port": 5000}, "http://mlflow:5000"),
        ({"host": "mlflow.example.com", "schema": "https"}, "https://mlflow.example.com"),
        ({"host": "sqlite:////data/mlflow.db"}, "sqlite:////data/mlflow.db"),
        ({"host": "/data/mlflow"}, "sqlite:////data/mlflow/mlflow.db"),
        ({"host": "/data/tracking.db"}, "sqlite:////data/tracking.db"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_host_is_the_tracking_uri(fields, uri, connect):
    assert connect(**fields).tracking_uri == uri


def test_a_connection_without_host_says_what_to_enter(connect):
    ok, sentence = connect("").test_connection()

    assert not ok
    assert "has no host; set it to the tracking URI" in sentence


def test_an_embedded_mlflow_keeps_artifacts_beside_its_database(connect, tmp_path):
    hook = connect(str(tmp_path))

    assert hook.artifact_location == (tmp_path / "artifacts").as_uri()
    assert connect(str(tmp_path), extra={"artifact_location": "s3://b/a"}).artifact_location == "s3://b/a"


def test_a_run_has_an_address_where_mlflow_has_pages(connect):
    assert connect("https://m.example.com").run_url("r", "1") == "https://m.example.com/#/experiments/1/runs/r"
    assert connect("/data", extra={"ui_url": "https://ui/"}).run_url("r", "1") == "https://ui/#/experiments/1/runs/r"
    assert connect("/data").run_url("r", "1") is None


def test_the_address_of_a_database_is_refused_without_its_password(connect):
    with pytest.raises(TrackingRefused, match="begins with postgresql://") as caught:
        connect(host="postgresql://bob:hunter2@db/mlflow").tracking_uri  # noqa: B018

    assert "hunter2" not in str(caught.value)
