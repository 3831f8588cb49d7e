"""The page of all keys says what the models say."""

from __future__ import annotations

import re

from airflow_mlops.spec import load_spec
from airflow_mlops.spec.reference import reference_text
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "spec.md"


def test_the_page_of_all_keys_is_up_to_date():
    assert PAGE.read_text().endswith(reference_text()), "paste the output of: airflow-mlops schema --markdown"


def test_the_shortest_spec_of_the_page_loads(tmp_path):
    example = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    (tmp_path / "churn.yaml").write_text(example)

    assert load_spec(tmp_path / "churn.yaml").name == "churn"
