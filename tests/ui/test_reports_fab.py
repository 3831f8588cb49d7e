"""The reports route on the FAB auth manager, which knows permissions for single DAGs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.report_access import admit, report_url

ROOT = Path(__file__).parents[2]

# An auth manager is chosen once a process, and its tables need a database of their own.
_SERVER = """
import json, sys
from airflow import settings
from airflow.utils.db import initdb
initdb()
from airflow.api_fastapi.app import create_app, get_auth_manager
from starlette.testclient import TestClient

app = create_app(apps="core")
manager = get_auth_manager()
security = manager.security_manager
with manager.flask_app.app_context():
    security.sync_roles()
    team = security.add_role("Flights")
    for resource in ("DAG:flights_monitor", "DAG Runs", "Task Instances"):
        security.add_permission_to_role(team, security.create_permission("can_read", resource))
    roles = {"viewer": security.find_role("Viewer"), "team": team, "public": security.find_role("Public")}
    users = {
        name: security.add_user(name, name, name, f"{name}@example.com", role, password="x")
        for name, role in roles.items()
    }
    tokens = {name: manager.generate_jwt(user) for name, user in users.items()}

client = TestClient(app)
answers = {}
for name, token in [*tokens.items(), ("nobody", None)]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answers[name] = [client.get(path, headers=headers).status_code for path in sys.argv[1:]]
print("ANSWERS", json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Status of each address for each person: the report of flights, and the report of churn."""
    home = tmp_path_factory.mktemp("fab")
    store = ArtifactStore.local(home / "artifacts")
    addresses = []
    for model in ("flights", "churn"):
        folder = store.uri(model, "reports", "drift", "01")
        store.write_bytes(f"{folder}/report.html", b"report")
        store.complete(folder, {"id": "01"})
        admit(store, model, f"{model}_monitor")
        addresses.append(report_url("", f"{model}_monitor", f"{model}/reports/drift/01/report.html"))

    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__MLOPS__ARTIFACTS_URI": store.uri(),
        "PYTHONPATH": str(ROOT / "operators"),
    }
    done = subprocess.run(
        [sys.executable, "-c", _SERVER, *addresses], env=environment, capture_output=True, text=True, timeout=240
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(found[0].removeprefix("ANSWERS "))


@pytest.mark.parametrize(
    ("person", "statuses"),
    [("viewer", [200, 200]), ("team", [200, 403]), ("public", [403, 403]), ("nobody", [401, 401])],
    ids=["who reads every DAG", "who reads one DAG", "who reads no DAG", "who is not logged in"],
)
def test_a_report_is_as_readable_as_its_dag(answers, person, statuses):
    assert answers[person] == statuses
