"""constraints.txt is a lock that pip, uv and Airflow's own tools read, and it answers every dependency."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "constraints.txt").read_text().splitlines()


def test_every_line_pins_one_name_to_one_version():
    from re import fullmatch

    assert [line for line in LINES if not fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.!+]*", line)] == []


def test_no_name_stands_twice(constraints):
    assert len(constraints) == len(LINES)


@pytest.fixture(scope="module")
def required(project) -> list[Requirement]:
    """Everything this distribution asks for, in any extra, itself left out."""
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    requirements = [Requirement(text) for group in groups for text in group]
    return [requirement for requirement in requirements if requirement.name != project["project"]["name"]]


def test_pins_every_dependency_to_a_version_that_is_allowed(required, constraints):
    unmet = [
        f"{requirement} is pinned to {constraints.get(canonicalize_name(requirement.name))}"
        for requirement in required
        if not requirement.specifier.contains(
            constraints.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
    ]

    assert unmet == []
