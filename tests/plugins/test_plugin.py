"""The plugin as an installed distribution brings it: by its entry point, once, and light."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("pandas", "numpy", "sklearn", "mlflow", "great_expectations", "evidently", "pyarrow", "duckdb", "matplotlib")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Have our distribution on the path, made up where it is not installed, and forget plugins already loaded."""
    from airflow import plugins_manager, settings
    from airflow._shared.module_loading import _get_grouped_entry_points

    if not any(distributions(name="airflow-provider-mlops")):
        metadata = tmp_path / "airflow_provider_mlops-0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-provider-mlops\nVersion: 0\n")
        (metadata / "entry_points.txt").write_text("[airflow.plugins]\nmlops = airflow_mlops_plugin:MLOpsPlugin\n")
        monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "no_plugins").mkdir()
    monkeypatch.syspath_prepend(str(ROOT / "plugins"))
    monkeypatch.setattr(settings, "PLUGINS_FOLDER", str(tmp_path / "no_plugins"))
    for cache in (plugins_manager._get_plugins, _get_grouped_entry_points):
        cache.cache_clear()
    yield
    for cache in (plugins_manager._get_plugins, _get_grouped_entry_points):
        cache.cache_clear()


def test_airflow_finds_the_plugin_by_its_entry_point_and_once(installed):
    from airflow import plugins_manager

    plugins, faults = plugins_manager._get_plugins()

    assert [plugin.name for plugin in plugins].count("mlops") == 1
    assert not [text for text in faults.values() if "mlops" in text]


def test_its_application_is_mounted_beside_airflows_own(installed):
    from airflow import plugins_manager
    from airflow.api_fastapi.app import RESERVED_URL_PREFIXES

    [app] = [app for app in plugins_manager.get_fastapi_plugins()[0] if app["name"] == "mlops"]

    assert app["url_prefix"] == "/mlops"
    assert not app["url_prefix"].startswith(tuple(RESERVED_URL_PREFIXES))


def test_the_folder_holds_exactly_one_file():
    assert [path.name for path in (ROOT / "plugins").iterdir() if path.suffix == ".py"] == ["airflow_mlops_plugin.py"]


@pytest.mark.parametrize(
    ("module", "also_absent"),
    [
        ("airflow_mlops_plugin", ("fastapi", "airflow_mlops.ui", "airflow_mlops.operators")),
        ("airflow_mlops.get_provider_info", ("airflow", "pydantic", "airflow_mlops.hooks")),
        ("airflow_mlops.operators.base", ("fastapi",)),
        ("airflow_mlops.operators.links", ("fastapi",)),
    ],
)
def test_what_every_process_of_airflow_imports_brings_nothing_heavy(module, also_absent):
    code = f"import sys, {module}; sys.exit([name for name in {(*HEAVY, *also_absent)!r} if name in sys.modules] or 0)"
    path = f"{ROOT / 'operators'}:{ROOT / 'plugins'}"

    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE)

    assert done.returncode == 0, done.stderr.decode()
