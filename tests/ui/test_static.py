"""The pages' modules, which no bundler has looked at: what they name is there, and stays small."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(str(files("airflow_mlops.ui").joinpath("static")))
MODULES = sorted(ROOT.rglob("*.js"))
# What a module takes from others, and the address it takes it from.
_IMPORT = re.compile(
    r"^(?:import|export)\s+(?:\{(?P<names>[^}]*)\}\s+from\s+)?[\"'](?P<source>[^\"']+)[\"'];", re.MULTILINE
)
_DYNAMIC = re.compile(r"\bimport\(\s*[\"'](?P<source>[^\"']+)[\"']")
_DECLARED = re.compile(
    r"^export\s+(?:async\s+)?(?:function\*?|class|const|let)\s+(?:(?P<name>\w+)|\{(?P<names>[^}]*)\})", re.M
)
_PASSED_ON = re.compile(r"^export\s+\{(?P<names>[^}]*)\}", re.MULTILINE)
_ELSEWHERE = re.compile(r"(?:https?:)?//(?:[\w-]+\.)+[a-z]{2,}[^\s\"'`]*")
# Names of vocabularies, which nothing is loaded from.
_VOCABULARIES = ("http://www.w3.org/2000/svg",)
_LIMIT_BYTES = 300_000


def names_of(listed: str) -> set[str]:
    """Return the names on the exporting side of a list such as ``{a, b as c}``."""
    return {part.split(" as ")[0].split(":")[0].strip() for part in listed.split(",") if part.strip()}


def exported_by(module: Path) -> set[str]:
    """Return what a module exports."""
    text = module.read_text()
    found: set[str] = set()
    for match in _DECLARED.finditer(text):
        found |= (
            {match["name"]} if match["name"] else {part.split(":")[-1].strip() for part in match["names"].split(",")}
        )
    for match in _PASSED_ON.finditer(text):
        found |= {part.split(" as ")[-1].strip() for part in match["names"].split(",")}
    return found


def imports_of(module: Path) -> list[tuple[str, set[str]]]:
    """Return the addresses a module imports from, with the names it takes."""
    text = module.read_text()
    found = [(match["source"], names_of(match["names"] or "")) for match in _IMPORT.finditer(text)]
    return found + [(match["source"], set()) for match in _DYNAMIC.finditer(text)]


def test_every_import_names_something_that_a_module_exports():
    missing = []
    for module in MODULES:
        for source, names in imports_of(module):
            target = (module.parent / source).resolve()
            absent = names - exported_by(target) if target.is_file() else {"the file"}
            missing += [f"{module.relative_to(ROOT)}: {name} of {source}" for name in sorted(absent)]

    assert missing == []


def test_imports_stay_below_the_folder_that_is_served():
    sources = [(module, source) for module in MODULES for source, _ in imports_of(module)]

    assert sources
    assert [each for each in sources if not each[1].startswith((".", "/")) or not is_below(*each)] == []


def is_below(module: Path, source: str) -> bool:
    """Tell whether an address, seen from a module, lies in the served folder."""
    return (module.parent / source).resolve().is_relative_to(ROOT.resolve())


def test_every_module_is_reached_from_one_that_airflow_loads():
    from plugins.airflow_mlops_plugin import MLOpsPlugin

    waiting = [ROOT / app["bundle_url"].removeprefix("mlops/static/") for app in MLOpsPlugin.react_apps]
    reached: set[Path] = set()
    while waiting:
        module = waiting.pop().resolve()
        if module not in reached:
            reached.add(module)
            waiting += [module.parent / source for source, _ in imports_of(module)]

    assert {module.resolve() for module in MODULES} - reached == set()


def test_nothing_is_loaded_from_another_host():
    found = {url for file in ROOT.rglob("*.*") for url in _ELSEWHERE.findall(file.read_text())}

    assert found - set(_VOCABULARIES) == set()


def test_all_of_it_is_small_on_the_wire():
    assert sum(len(gzip.compress(file.read_bytes())) for file in ROOT.rglob("*.*")) < _LIMIT_BYTES


def test_every_file_has_a_name_that_the_route_serves():
    from airflow_mlops.ui.static import _FILE

    assert [file for file in ROOT.rglob("*.*") if not _FILE.fullmatch(file.relative_to(ROOT).as_posix())] == []


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node to read the modules")
def test_node_reads_the_modules():
    together = "\n".join(f'import "{module.as_uri()}";' for module in MODULES)
    # Airflow's page lends these; here they stand for anything that is asked of them.
    lent = (
        "const any = new Proxy(function () {}, { get: (_, key) => (key === Symbol.toPrimitive ? () => '' : any), "
        "apply: () => any });"
        "globalThis.React = globalThis.ReactRouterDOM = globalThis.ChakraUI = any;"
        "globalThis.document = { baseURI: 'http://localhost/' };"
    )
    # The imports of a module are read before its first line, so those come in a second step.
    script = f"{lent} await import('data:text/javascript,' + encodeURIComponent({together!r}));"

    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_the_icons_of_the_navigation_are_found_by_the_address_that_airflow_gives_them():
    from plugins.airflow_mlops_plugin import MLOpsPlugin

    [begins] = re.findall(r"img\[src\*=\"([^\"]+)\"\]", (ROOT / "kit" / "icon.js").read_text())

    icons = [app[key] for app in MLOpsPlugin.react_apps for key in ("icon", "icon_dark_mode")]
    assert all(begins in icon for icon in icons)
    assert all((ROOT / icon.removeprefix("mlops/static/")).is_file() for icon in icons)
