"""The image's recipe is clean, and the compose file starts Airflow only with secrets of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECRETS = {
    "FERNET_KEY": "a-fernet-key",
    "API_SECRET_KEY": "an-api-secret",
    "JWT_SECRET": "a-jwt-secret",
    "POSTGRES_PASSWORD": "a-database-password",
    "AIRFLOW_ADMIN_PASSWORD": "an-admin-password",
    "MODEL_SERVER_TOKEN": "a-server-token",
}
AIRFLOW = {"apiserver", "dag-processor", "init", "scheduler", "triggerer", "worker"}


def _run(program: str, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = shutil.which(program, path=path)
    assert found, f"{program} is not installed; it comes with the extra [dev]"
    return subprocess.run(
        [found, *arguments], cwd=ROOT, env=env or dict(os.environ), capture_output=True, text=True, check=False
    )


def _compose(secrets: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # An .env file of this clone must not answer for the secrets.
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **secrets}
    return _run("docker-compose", "--env-file", os.devnull, "config", "--format", "json", env=env)


@pytest.fixture(scope="module")
def services() -> dict[str, dict]:
    """Every service as Compose reads it."""
    read = _compose(SECRETS)
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout)["services"]


def test_hadolint_finds_nothing_in_the_dockerfile():
    linted = _run("hadolint", "Dockerfile")

    assert (linted.returncode, linted.stdout) == (0, "")


def test_compose_reads_the_file_and_starts_every_part(services):
    assert set(services) == {*AIRFLOW, "mlflow", "postgres", "redis", "server"}


@pytest.mark.parametrize("secret", SECRETS)
def test_compose_refuses_to_start_without_a_secret(secret):
    refused = _compose({name: value for name, value in SECRETS.items() if name != secret})

    assert refused.returncode != 0
    assert f"required variable {secret} is missing a value: run make .env" in refused.stderr


def test_make_env_writes_every_secret(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    subprocess.run(["make", "--directory", str(tmp_path), ".env"], check=True, capture_output=True)

    written = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert set(written) == set(SECRETS)
    assert len(set(written.values())) == len(SECRETS)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_every_airflow_process_has_the_same_secrets_connections_and_artifacts(services):
    common = [
        {name: value for name, value in services[each]["environment"].items() if name.startswith("AIRFLOW_")}
        for each in AIRFLOW
    ]
    artifacts = [
        volume["source"]
        for each in AIRFLOW
        for volume in services[each]["volumes"]
        if volume["target"] == "/opt/airflow/mlops"
    ]

    assert all(each == common[0] for each in common)
    assert artifacts == ["artifacts"] * len(AIRFLOW)
    for connection in ("MLFLOW_DEFAULT", "MLOPS_LEDGER", "MODEL_SERVER_DEFAULT"):
        assert "conn_type" in json.loads(common[0][f"AIRFLOW_CONN_{connection}"])


def test_the_model_server_has_the_token_ledger_and_artifacts_of_the_workers(services):
    server, worker = services["server"], services["worker"]["environment"]
    connection = json.loads(worker["AIRFLOW_CONN_MODEL_SERVER_DEFAULT"])

    assert connection["password"] == server["environment"]["MLOPS_SERVER_TOKEN"] == "a-server-token"
    assert f"--port={connection['port']}" in server["command"]
    assert server["environment"]["MLOPS_ARTIFACTS_URI"] == worker["AIRFLOW__MLOPS__ARTIFACTS_URI"]
    assert server["environment"]["MLOPS_LEDGER_URL"].endswith("@postgres/mlops")


def test_no_plugins_folder_is_named_because_the_wheel_carries_the_plugin(services):
    named = [name for each in AIRFLOW for name in services[each]["environment"] if "PLUGINS_FOLDER" in name]
    mounted = [volume["target"] for each in AIRFLOW for volume in services[each]["volumes"]]

    assert named == []
    assert not any("plugins" in target for target in mounted)


def test_mlflow_answers_to_the_name_the_workers_use(services):
    connection = json.loads(services["worker"]["environment"]["AIRFLOW_CONN_MLFLOW_DEFAULT"])
    [hosts] = [each for each in services["mlflow"]["command"] if each.startswith("--allowed-hosts=")]

    assert connection["host"].removeprefix("http://") in hosts.partition("=")[2].split(",")


def test_every_service_that_stays_tells_whether_it_is_well(services):
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"init"}


def test_ports_are_open_to_this_machine_alone(services):
    addresses = {port["host_ip"] for service in services.values() for port in service.get("ports", [])}

    assert addresses == {"127.0.0.1"}
