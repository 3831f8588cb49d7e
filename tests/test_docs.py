"""What the pages show is what the files hold, and what they link to is there."""

from __future__ import annotations

import re
import shutil

import pytest

from airflow_mlops.spec import load_spec
from tests.chain import STAGES
from tests.conftest import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])


def test_the_readme_shows_the_dag_that_is_shipped():
    shipped = (ROOT / "dags" / "flights_by_hand.py").read_text().split("# [START by_hand]\n")[1].split("# [END")[0]

    assert shipped.strip() in (ROOT / "README.md").read_text()


def test_the_spec_in_the_readme_can_be_used(tmp_path):
    [shown] = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    spec = tmp_path / "shown.yaml"
    spec.write_text(shown)
    shutil.copy(ROOT / "dags" / "specs" / "flights.suite.yaml", tmp_path)

    assert load_spec(spec).evaluate.slices == ["carrier", "origin"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]

    assert missing == []


def test_every_stage_has_a_page():
    assert {page.stem for page in ROOT.glob("docs/stages/*.md")} == set(STAGES)


def test_the_list_of_decisions_names_every_page():
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()

    assert [page.name for page in ROOT.glob("docs/decisions/0*.md") if page.name not in listed] == []
