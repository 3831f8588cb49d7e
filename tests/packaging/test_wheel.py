"""The wheel holds the package and the plugin, and nothing else."""

from __future__ import annotations

from configparser import ConfigParser
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

import pytest

from airflow_mlops import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contents(wheel) -> dict[str, str]:
    """Text of every file in the wheel, by its place."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def _described(contents: dict[str, str], file: str) -> str:
    return contents[f"airflow_provider_mlops-{__version__}.dist-info/{file}"]


def test_holds_the_package_and_the_plugin_and_nothing_else(contents):
    package = ROOT / "operators"
    files = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    caches = {file for file in files if any(part.startswith((".", "__pycache__")) for part in file.parts)}
    sources = {file.as_posix() for file in files - caches}

    assert {name for name in contents if ".dist-info/" not in name} == {*sources, "airflow_mlops_plugin.py"}


def test_carries_its_licence(contents):
    assert "Apache License" in _described(contents, "licenses/LICENSE")


def test_needs_airflow_3_3_and_python_3_11(contents):
    metadata = message_from_string(_described(contents, "METADATA"))

    assert metadata["Requires-Python"] == ">=3.11"
    assert "apache-airflow<4,>=3.3" in metadata.get_all("Requires-Dist")


def test_all_brings_every_extra_that_a_stage_needs(project):
    extras = project["project"]["optional-dependencies"]
    [requirement] = extras["all"]

    named = set(requirement.partition("[")[2].rstrip("]").split(","))
    assert named == set(extras) - {"all", "celery", "dev", "spark"}  # no stage runs in Spark, which needs Java


def test_is_found_by_airflow_and_mlflow_through_entry_points(contents):
    points = ConfigParser()
    points.read_string(_described(contents, "entry_points.txt"))

    assert {name: dict(points[name]) for name in points.sections()} == {
        "apache_airflow_provider": {"provider_info": "airflow_mlops.get_provider_info:get_provider_info"},
        "airflow.plugins": {"mlops": "airflow_mlops_plugin:MLOpsPlugin"},
        "console_scripts": {"airflow-mlops": "airflow_mlops.cli:main"},
        "mlflow.request_header_provider": {
            "airflow_connection": "airflow_mlops.hooks.mlflow_auth:ConnectionHeaders",
        },
    }
