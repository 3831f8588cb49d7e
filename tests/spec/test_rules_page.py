"""What the pages about policies and rules show can be loaded, and says what the page says of it."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import yaml

from airflow_mlops.loop.rule_sentences import counterfactual
from airflow_mlops.loop.rules import evaluate
from airflow_mlops.loop.signal import Signal
from airflow_mlops.spec import load_spec
from airflow_mlops.spec.rule_sections import AnyOf, Compare
from airflow_mlops.spec.vocabulary import SIGNALS
from tests.conftest import ROOT

SPECS = ROOT / "dags" / "specs"
RULES = (ROOT / "docs" / "rules.md").read_text()
POLICY = (ROOT / "docs" / "policy.md").read_text()
SHOWN = [
    (page, place, text)
    for page, found in (("rules", RULES), ("policy", POLICY))
    for place, text in enumerate(re.findall(r"```yaml\n(.*?)```", found, flags=re.DOTALL))
]


@pytest.mark.parametrize("text", [text for *_, text in SHOWN], ids=[f"{page} {place}" for page, place, _ in SHOWN])
def test_what_is_shown_loads(tmp_path, text):
    spec = yaml.safe_load((SPECS / "flights.yaml").read_text())
    shutil.copy(SPECS / "flights.suite.yaml", tmp_path)
    path = tmp_path / "flights.yaml"
    path.write_text(yaml.safe_dump({**spec, **yaml.safe_load(text)}))

    assert load_spec(path).retrain.policy.kind in ("committee", "single", "rules")


def test_the_page_has_a_row_for_every_signal():
    rows = RULES.split("## Signals in rules")[1].split("##")[0]

    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", rows, flags=re.MULTILINE)))) == set(SIGNALS)


def test_the_tree_and_the_sentence_of_the_page_are_those_of_the_code():
    rule = AnyOf(any=(Compare(signal="excess_loss", at_least=0.5), Compare(signal="age", at_least=26)))
    node = evaluate(rule, [{"excess_loss": Signal("excess_loss", 0.17), "age": Signal("age", 4.0)}])

    assert json.loads(re.search(r"```json\n(.*?)```", RULES, flags=re.DOTALL)[1]) == node.to_dict()
    assert f"Would train {counterfactual(node)}." in RULES
