from __future__ import annotations

import json

import pytest

from airflow_mlops.demo.services import SERVER, Stack
from airflow_mlops.demo.settings import Settings, environment


@pytest.fixture
def settings(tmp_path):
    return Settings.make(tmp_path, tmp_path, preferred=(0, 0, 0), models=["flights"])


def test_tasks_reach_the_server_by_a_connection_with_its_token(settings):
    connection = json.loads(environment(settings)["AIRFLOW_CONN_MODEL_SERVER_DEFAULT"])

    assert connection["conn_type"] == "model_server"
    assert (connection["host"], connection["port"]) == ("127.0.0.1", settings.server_port)
    assert connection["password"] == settings.token


def test_secrets_are_in_no_argument_and_in_no_repr(settings):
    arguments = [argument for command in Stack(settings)._commands().values() for argument in command]

    for secret in (settings.token, settings.password, settings.secret):
        assert not any(secret in argument for argument in arguments)
        assert secret not in repr(settings)


def test_without_a_model_there_is_neither_server_nor_triggerer(settings, tmp_path):
    with_server = set(Stack(settings)._commands())
    without = set(Stack(Settings.make(tmp_path, tmp_path, preferred=(0, 0, 0)))._commands())

    assert with_server - without == {SERVER, "triggerer"}


def test_settings_are_read_back_and_those_of_an_older_version_are_not(settings, tmp_path):
    settings.write()
    assert Settings.read(tmp_path) == settings

    file = tmp_path / "settings.json"
    older = {name: value for name, value in json.loads(file.read_text()).items() if name != "server_port"}
    file.write_text(json.dumps(older))

    assert Settings.read(tmp_path) is None
