"""The reports route, on a whole API server of Airflow with its simple auth manager."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.report_access import admit, report_url

REPORT = "flights/reports/drift/0123abcd/report.html"
ROLES = ("viewer", "user", "admin")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A store with one report of a model, which the DAG flights_monitor made."""
    store = ArtifactStore.local(tmp_path_factory.mktemp("artifacts"))
    folder = store.uri("flights/reports/drift/0123abcd")
    store.write_bytes(f"{folder}/report.html", b"<script>draw()</script>")
    store.write_bytes(f"{folder}/rows.parquet", b"PAR1")
    store.complete(folder, {"id": "0123abcd"})
    store.write_bytes(store.uri("flights/reports/drift/unfinished/report.html"), b"half")
    store.write_bytes(store.uri("flights/quarantine/rows.html"), b"private")
    store.write_bytes(store.uri("churn/reports/drift/99/report.html"), b"another team's")
    store.complete(store.uri("churn/reports/drift/99"), {"id": "99"})
    admit(store, "flights", "flights_monitor")
    admit(store, "churn", "churn_monitor")
    return store


@pytest.fixture(scope="module")
def airflow_app(airflow_db, shelf):
    """Airflow's API server, with the plugin from its folder."""
    from airflow import plugins_manager, settings
    from airflow.api_fastapi.app import create_app, purge_cached_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", shelf.uri())
        patch.setattr(settings, "PLUGINS_FOLDER", str(Path(__file__).parents[2] / "plugins"))
        plugins_manager._get_plugins.cache_clear()
        purge_cached_app()
        yield create_app(apps="core")
    plugins_manager._get_plugins.cache_clear()
    purge_cached_app()


@pytest.fixture(scope="module")
def browse(airflow_app):
    """Return a function that asks for an address as somebody with a role, or as nobody."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    # Airflow would press what is sent, and then nobody knows its length before.
    client = TestClient(airflow_app, follow_redirects=False, headers={"Accept-Encoding": "identity"})

    def request(path: str, *, role: str | None = "viewer", method: str = "GET", json: object = None):
        headers = {}
        if role:
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=role, role=role.upper()))
            headers["Authorization"] = f"Bearer {token}"
        return client.build_request(method, path, headers=headers, json=json)

    def ask(path: str, **how):
        return client.send(request(path, **how))

    ask.request = request
    return ask


def address(path: str = REPORT, dag_id: str = "flights_monitor") -> str:
    """Return the address that a link on a task has."""
    return report_url("", dag_id, path)


@pytest.mark.parametrize("role", ROLES)
def test_people_who_may_read_the_dag_read_its_report(browse, role):
    answer = browse(address(), role=role)

    assert (answer.status_code, answer.text) == (200, "<script>draw()</script>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_report_runs_in_an_origin_of_its_own_and_without_network(browse):
    headers = browse(address()).headers

    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert "allow-scripts" in policy["sandbox"]
    assert "allow-same-origin" not in policy["sandbox"]
    assert policy["default-src"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "private, no-cache"


def test_head_answers_like_get_and_sends_nothing(browse):
    answer = browse(address(), method="HEAD")

    assert (answer.status_code, answer.content) == (200, b"")
    assert {**answer.headers, "vary": "Accept-Encoding"} == dict(browse(address()).headers)


def test_of_a_large_report_a_part_at_a_time_is_sent(airflow_app, browse, shelf):
    path, size = "flights/reports/drift/0123abcd/large.html", 8 << 20
    shelf.write_blocks(shelf.uri(path), [b" " * size])
    request, sent, asked = browse.request(address(path)), [], []
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"},
        **{"path": request.url.path, "raw_path": request.url.raw_path, "query_string": b"", "root_path": ""},
        **{"headers": [(name.lower(), value) for name, value in request.headers.raw]},
        **{"client": None, "server": ("testserver", 80)},
    }

    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(airflow_app(scope, receive, send))

    start, *bodies = sent
    assert (start["status"], dict(start["headers"])[b"content-length"]) == (200, str(size).encode())
    parts = [len(body["body"]) for body in bodies]
    assert (sum(parts), max(parts)) == (size, 1 << 20)


@pytest.mark.parametrize("path", [address(), address(dag_id="no_such_dag"), address("unknown/reports/a/b/c.html")])
def test_without_a_token_nobody_learns_what_there_is(browse, path):
    assert browse(path, role=None).status_code == 401


@pytest.mark.parametrize("path", ["/mlops/reports/x", "/mlops/anything", "/mlops/openapi.json", "/mlops/docs"])
def test_there_is_nothing_else_below_the_plugins_address(browse, path):
    assert browse(path, role="admin").status_code == 404


def test_a_forged_token_is_refused(airflow_app):
    from starlette.testclient import TestClient

    answer = TestClient(airflow_app).get(address(), headers={"Authorization": "Bearer a.b.c"})

    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_route_only_reads(browse, method):
    assert browse(address(), role="admin", method=method).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "unknown/reports/drift/0123abcd/report.html",
        "flights/reports/drift/9999/report.html",
        "flights/reports/drift/0123abcd/none.html",
        "flights/reports/drift/0123abcd",
        "flights/reports/drift/0123abcd/rows.parquet",
        "flights/reports/drift/unfinished/report.html",
        "flights/quarantine/rows.html",
        "flights/readers/flights_monitor.json",
        "churn/reports/drift/99/report.html",
        "",
    ],
    ids=[
        "unknown model",
        "unknown report",
        "unknown file",
        "a folder",
        "rows",
        "unfinished report",
        "quarantine",
        "who may read",
        "report of another DAG's model",
        "empty",
    ],
)
def test_everything_but_a_report_of_the_dags_own_model_is_not_found(browse, path):
    answer = browse(address(path), role="admin")

    assert answer.status_code == 404
    assert "No such report of DAG flights_monitor" in answer.json()["detail"]


@pytest.mark.parametrize("dag_id", ["~", "no_such_dag", "..", "flights_monitor%2F..%2Fchurn_monitor", "%00"])
def test_a_dag_that_never_worked_on_the_model_opens_nothing(browse, dag_id):
    answer = browse(f"/mlops/reports/{dag_id}/{REPORT}", role="admin")

    assert answer.status_code in {403, 404}
    assert "draw" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "flights/reports/drift/0123abcd/%2e%2e/%2e%2e/%2e%2e/%2e%2e/churn/reports/drift/99/report.html",
        "flights/reports/drift/0123abcd/..%2f..%2f..%2fquarantine%2frows.html",
        "flights/reports/drift/0123abcd/..%5c..%5crows.html",
        "flights/reports/%252e%252e/quarantine/rows.html",
        "%2e%2e/flights/reports/drift/0123abcd/report.html",
        "/etc/reports/passwd/x/y.html",
        "%2fetc%2freports/passwd/x/y.html",
        "file:///etc/reports/passwd/x/y.html",
        "flights/reports/drift/0123abcd/report.html%00.html",
        "flights/reports/drift/0123abcd/.hidden.html",
        "flights/reports/drift//report.html",
        "flights/reports/drift/0123abcd/report.html%0a",
    ],
)
def test_no_path_climbs_out_of_a_report(browse, path):
    answer = browse(f"/mlops/reports/flights_monitor/{path}", role="admin")

    assert answer.status_code == 404
    assert "draw" not in answer.text


def test_a_folder_that_is_named_like_a_report_is_not_found(browse, shelf):
    Path(shelf.root, "flights/reports/drift/0123abcd/folder.html").mkdir()

    assert browse(address("flights/reports/drift/0123abcd/folder.html")).status_code == 404


def test_a_symbolic_link_is_not_followed_out_of_a_report(browse, shelf, tmp_path):
    secret = tmp_path / "secret.html"
    secret.write_text("secret")
    os.symlink(secret, Path(shelf.root, "flights/reports/drift/0123abcd/linked.html"))

    answer = browse(address("flights/reports/drift/0123abcd/linked.html"), role="admin")

    assert answer.status_code == 404


def test_somebody_who_may_not_read_the_dag_is_refused(browse, monkeypatch):
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    asked = []

    def only_churn(self, *, method, user, access_entity=None, details=None) -> bool:
        asked.append((method, details.id))
        return details.id == "churn_monitor"

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", only_churn)

    assert browse(address()).status_code == 403
    assert browse(address("churn/reports/drift/99/report.html", "churn_monitor")).status_code == 200
    assert asked == [("GET", "flights_monitor"), ("GET", "churn_monitor")]


@pytest.mark.parametrize(("role", "status"), [(None, 401), ("viewer", 403), ("user", 404), ("op", 404), ("admin", 404)])
def test_acting_takes_a_role_that_may_trigger(browse, role, status):
    # 404: they may, and this Airflow has no such DAG.
    assert (
        browse("/api/v2/dags/gone_actions/dagRuns", role=role, method="POST", json={"logical_date": None}).status_code
        == status
    )
    pause = browse(
        "/api/v2/dags/gone_actions?update_mask=is_paused", role=role, method="PATCH", json={"is_paused": True}
    )
    assert pause.status_code == status


def test_the_file_that_admits_a_dag_is_the_same_bytes_each_time(store):
    admit(store, "flights", "by_hand")
    first = store.read_bytes(store.uri("flights/readers/by_hand.json"))
    admit(store, "flights", "by_hand")

    assert json.loads(first) == {"model": "flights", "dag_id": "by_hand"}
    assert store.read_bytes(store.uri("flights/readers/by_hand.json")) == first
