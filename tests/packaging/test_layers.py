"""From the server down everything can be imported where Airflow is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_IMPORT_WITHOUT_AIRFLOW = """
import importlib, pkgutil, sys

class NoAirflow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "airflow":
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, NoAirflow())
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    for each in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
        importlib.import_module(each.name)
assert not [name for name in sys.modules if name.partition(".")[0] == "airflow"]
"""


@pytest.fixture(scope="module")
def contract(project) -> list[str]:
    """The modules that the linter's contract keeps free of Airflow."""
    [forbidden] = [each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "forbidden"]
    return forbidden["source_modules"]


def test_every_module_from_the_server_down_imports_without_airflow(contract):
    ran = subprocess.run(
        [sys.executable, "-c", _IMPORT_WITHOUT_AIRFLOW, *contract],
        cwd=ROOT / "operators",
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr


def test_the_contract_names_every_module_below_the_hooks(contract, project):
    [layers] = [each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    order = layers["layers"]
    below = [
        name.strip(" ()") for layer in order[order.index("hooks") + 1 :] for name in layer.replace(":", "|").split("|")
    ]
    package = ROOT / "operators" / "airflow_mlops"
    made = [name for name in below if (package / name).is_dir() or (package / f"{name}.py").is_file()]

    assert sorted(contract) == sorted(f"airflow_mlops.{name}" for name in made)
