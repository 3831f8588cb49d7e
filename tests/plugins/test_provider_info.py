"""What Airflow is told about the provider is true."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from airflow_mlops import __version__
from airflow_mlops.get_provider_info import get_provider_info

INFO = get_provider_info()


def load(path: str):
    """Import a class by its path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def test_it_meets_airflows_schema():
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())

    jsonschema.validate(INFO, schema)
    assert set(INFO) - {"versions"} <= set(schema["properties"])


def test_it_states_the_one_version_and_no_plugin():
    assert INFO["versions"] == [__version__]
    assert "plugins" not in INFO


@pytest.mark.parametrize(
    "module", [path for kind in ("operators", "hooks") for path in INFO[kind][0]["python-modules"]]
)
def test_every_module_it_names_is_there(module):
    import_module(module)


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda entry: entry["connection-type"])
def test_each_connection_type_has_the_hook_that_it_names(connection):
    hook = load(connection["hook-class-name"])

    assert hook.conn_type == connection["connection-type"]
    assert hook.hook_name == connection["hook-name"]
    assert callable(hook.test_connection)


@pytest.mark.parametrize("path", INFO["extra-links"])
def test_every_link_it_names_has_a_key_of_its_own(path):
    link = load(path)()

    assert link.name
    assert link.xcom_key.startswith("_link_mlops_")


def test_links_do_not_share_a_key():
    assert len({load(path)().xcom_key for path in INFO["extra-links"]}) == len(INFO["extra-links"])


def test_every_link_an_operator_shows_is_named():
    """The API server only knows links that the provider names."""
    shown = set()
    for module in INFO["operators"][0]["python-modules"]:
        for value in vars(import_module(module)).values():
            for link in getattr(value, "operator_extra_links", ()) if isinstance(value, type) else ():
                shown.add(f"{type(link).__module__}.{type(link).__name__}")

    assert shown <= set(INFO["extra-links"])


def test_the_executor_it_names_is_a_local_executor():
    from airflow.executors.local_executor import LocalExecutor

    assert all(issubclass(load(path), LocalExecutor) for path in INFO["executors"])


@pytest.mark.parametrize(("option", "value"), [("artifacts_uri", ""), ("preload", "default")])
def test_airflow_reads_the_defaults_of_its_section(option, value):
    assert INFO["config"]["mlops"]["options"][option]["default"] == value
