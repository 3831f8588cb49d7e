"""An API server of Airflow on the FAB auth manager; run as a program, it answers what its standard input asks.

A process of its own, because an auth manager is chosen once a process, and its tables need a database of their own.
One line in, one line out, each JSON. Requests go to the ASGI application as a web server would pass them on, with the
address as it is: a client of the comfortable kind would mend the bad ones first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from urllib.parse import unquote_to_bytes

MODELS = ("flights", "churn")
KINDS = ("retrain", "monitor", "score", "actions")


def main() -> None:
    """Make the database, the people and the application, and answer until the input ends."""
    from airflow.utils.db import initdb

    initdb()
    from airflow.api_fastapi.app import create_app

    _make_dags()
    app = create_app(apps="core")
    tokens = _make_people()
    _answer({"routes": _routes(app), "modules": sorted(sys.modules)})
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            asked = json.loads(line)
            if asked.get("modules"):
                _answer(sorted(sys.modules))
            else:
                _answer(runner.run(_ask(app, token=tokens.get(asked.pop("person")), **asked)))


def _answer(content: object) -> None:
    print("ANSWER", json.dumps(content), flush=True)


def _make_dags() -> None:
    """Put into Airflow's database the DAGs of two models, one that belongs to none, and a server that is away."""
    from airflow.models.connection import Connection
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(DagBundleModel(name="specs"))
        session.flush()
        for model in MODELS:
            for kind in KINDS:
                dag_id = f"{model}_{kind}"
                session.add(DagModel(dag_id=dag_id, bundle_name="specs", is_stale=False, owners="ada"))
                session.add_all(DagTag(name=tag, dag_id=dag_id) for tag in ("mlops", kind))
        session.add(Connection(conn_id="churn_server", conn_type="model_server", host="127.0.0.1", port=1))
        session.add(DagModel(dag_id="cleanup", bundle_name="specs", is_stale=False, owners="bob"))


def _make_people() -> dict[str, str]:
    """Make a viewer, an operator, a team that reads the DAGs of flights alone, and somebody without any role of use."""
    from airflow.api_fastapi.app import get_auth_manager

    manager = get_auth_manager()
    security = manager.security_manager
    with manager.flask_app.app_context():
        security.sync_roles()
        team = security.add_role("Flights")
        resources = ("DAG Runs", "Task Instances", *(f"DAG:flights_{kind}" for kind in KINDS))
        for resource in resources:
            security.add_permission_to_role(team, security.create_permission("can_read", resource))
        roles = {"team": team, **{name: security.find_role(name.title()) for name in ("viewer", "public", "op")}}
        people = {
            name: security.add_user(name, name, name, f"{name}@example.com", role, password="x")
            for name, role in roles.items()
        }
        return {name: manager.generate_jwt(person) for name, person in people.items()}


def _routes(app) -> list[dict[str, object]]:
    """List the routes of our application, whatever they are."""
    [mount] = [route for route in app.routes if getattr(route, "path", None) == "/mlops"]
    return [
        {"path": f"/mlops{route.path}", "kind": type(route).__name__, "methods": sorted(getattr(route, "methods", []))}
        for route in mount.app.app.routes
    ]


async def _ask(app, *, method: str, path: str, token: str | None, body: str | None) -> dict[str, object]:
    address, _, query = path.partition("?")
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    if token:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(address).decode("utf-8", "replace"),
        "raw_path": address.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "root_path": "",
    }
    sent: list[dict] = []
    asked: list[bool] = []

    async def receive() -> dict[str, object]:
        if asked:
            # Who asks stays until the answer is whole.
            await asyncio.Event().wait()
        asked.append(True)
        return {"type": "http.request", "body": (body or "").encode(), "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    # Whatever a server would log and answer with 500.
    with suppress(Exception):
        await app(scope, receive, send)
    [start] = [each for each in sent if each["type"] == "http.response.start"] or [{"status": 500, "headers": []}]
    text = b"".join(each.get("body", b"") for each in sent).decode("utf-8", "replace")
    return {
        "status": start["status"],
        "text": text[:100_000],
        "headers": {name.decode().lower(): value.decode() for name, value in start["headers"]},
    }


if __name__ == "__main__":
    main()
