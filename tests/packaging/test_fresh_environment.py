"""The wheel with ``[all]``, installed where nothing was before, and looked at with Airflow's own commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the folder that commands run in."""

    folder: Path

    def run(self, program: str, *arguments: object) -> str:
        """Run a program of the environment, with nothing of this process's Airflow, and return what it prints."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "PYTHON", "MLFLOW_"))}
        env |= {"AIRFLOW_HOME": str(self.folder / "airflow"), "VIRTUAL_ENV": str(self.folder), "COLUMNS": "200"}
        ran = subprocess.run(
            [self.folder / "bin" / program, *map(str, arguments)],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def install(self, requirement: str) -> None:
        """Install under the constraints: by uv, which takes seconds; by pip where uv is not, or reaches no index."""
        what = ["--quiet", "--constraint", str(CONSTRAINTS), requirement]
        if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"):
            argv = [uv, "pip", "install", "--python", self.folder / "bin" / "python", *what]
            if subprocess.run(argv, capture_output=True, check=False).returncode == 0:
                return
        self.run("python", "-m", "pip", "install", *what)

    def json(self, program: str, *arguments: object) -> list[dict]:
        """Run a command that prints a JSON list, perhaps after lines of a log."""
        printed = self.run(program, *arguments, "--output", "json")
        return json.loads(printed[printed.index("[{") :])


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory) -> Environment:
    """The wheel with ``[all]`` in an environment of its own."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    environment = Environment(folder)
    environment.install(f"airflow-provider-mlops[all] @ {wheel.as_uri()}")
    return environment


def test_installs_without_a_conflict(fresh):
    assert "No broken requirements found" in fresh.run("python", "-m", "pip", "check")


def test_installs_only_what_the_constraints_pin(fresh, constraints):
    from packaging.utils import canonicalize_name

    installed = {
        canonicalize_name(each["name"]): each["version"]
        for each in json.loads(fresh.run("python", "-m", "pip", "list", "--format", "json"))
    }
    # What Python's own venv puts there, and the wheel.
    others = {"pip", "setuptools", "airflow-provider-mlops"}

    assert {name: version for name, version in installed.items() if constraints.get(name) != version}.keys() <= others


def test_airflow_lists_the_provider(fresh):
    providers = fresh.json("airflow", "providers", "list")

    assert "airflow-provider-mlops" in {each["package_name"] for each in providers}


def test_airflow_lists_both_connection_types(fresh):
    hooks = {each["connection_type"]: each for each in fresh.json("airflow", "providers", "hooks")}

    assert hooks["mlflow"]["class"] == "airflow_mlops.hooks.mlflow.MlflowHook"
    assert hooks["mlops_ledger"]["class"] == "airflow_mlops.hooks.ledger.LedgerHook"


def test_airflow_loads_the_plugin_from_its_entry_point(fresh):
    plugins = {each["name"]: each for each in fresh.json("airflow", "plugins")}

    assert "airflow-provider-mlops" in plugins["mlops"]["source"]


def test_airflow_knows_the_settings_and_their_defaults(fresh):
    assert fresh.run("airflow", "config", "get-value", "mlops", "preload").strip().endswith("default")


def test_every_entry_point_can_be_loaded(fresh):
    code = (
        "from importlib.metadata import distribution as d\n"
        "print(sorted(e.load().__name__ for e in d('airflow-provider-mlops').entry_points))"
    )

    assert fresh.run("python", "-c", code).splitlines()[-1] == str(
        ["ConnectionHeaders", "MLOpsPlugin", "get_provider_info", "main"]
    )


def test_the_command_checks_a_spec(fresh):
    fresh.run("airflow-mlops", "lint", ROOT / "dags" / "specs" / "flights.yaml")


def test_celery_postgres_and_fab_join_without_a_conflict(fresh, wheel):
    fresh.install(f"airflow-provider-mlops[all,celery] @ {wheel.as_uri()}")

    assert "No broken requirements found" in fresh.run("python", "-m", "pip", "check")
    fresh.run("python", "-c", "import airflow.providers.celery.executors.celery_executor")
