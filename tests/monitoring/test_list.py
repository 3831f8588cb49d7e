"""The list of metrics, its page, the rules and the dashboards say the same."""

from __future__ import annotations

import re

import pytest

from airflow_mlops.lifecycle.metrics.listed import METRICS
from tests.conftest import ROOT
from tests.monitoring.queries import board_queries, boards, metrics_of, panels, rule_queries, rules

PAGE = ROOT / "docs" / "metrics.md"
QUERIES = [*rule_queries(), *board_queries()]


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_name_follows_the_conventions_of_prometheus(metric):
    assert re.fullmatch(r"mlops_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not metric.unit or f"_{metric.unit}" in metric.name
    assert metric.meaning.endswith(".")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_the_page_names_every_metric_with_its_labels_and_meaning(metric):
    labels = ", ".join(f"`{label}`" for label in metric.labels if label != "model")
    assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |" in PAGE.read_text()


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_asks_for_what_the_exporter_tells(where, query):
    ours = {"job", "instance"}
    for name, labels in metrics_of(query).items():
        assert name in METRICS, where
        assert labels - ours <= set(METRICS[name].labels), where


@pytest.mark.parametrize("rule", rules(), ids=[rule["alert"] for rule in rules()])
def test_a_rule_says_what_is_wrong_and_what_to_do(rule):
    told = rule["annotations"]
    base, page, place = re.fullmatch(r"(\{\{.*\}\})/([\w.]+)#(\w+)", told["runbook_url"]).groups()
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", PAGE.read_text(), flags=re.MULTILINE)}

    assert set(told) == {"summary", "description", "runbook_url"}
    assert base == "{{ with $externalLabels.mlops_docs }}{{ . }}{{ else }}docs{{ end }}"
    assert (page, place in headings) == ("metrics.md", True)
    assert rule["labels"]["severity"] in ("page", "ticket")


def test_every_rule_has_a_test_of_its_own():
    tested = (ROOT / "tests" / "monitoring" / "rules_test.yml").read_text()

    assert [rule["alert"] for rule in rules() if f"alertname: {rule['alert']}\n" not in tested] == []


@pytest.mark.parametrize("board", boards(), ids=[board["uid"] for board in boards()])
def test_a_dashboard_asks_the_data_source_that_is_chosen(board):
    variables = {variable["name"]: variable["type"] for variable in board["templating"]["list"]}
    asked = {panel["datasource"]["uid"] for panel in panels(board)}
    asked |= {target["datasource"]["uid"] for panel in panels(board) for target in panel["targets"]}

    assert variables == {"datasource": "datasource", "model": "query"}
    assert asked == {"${datasource}"}


@pytest.mark.parametrize("board", boards(), ids=[board["uid"] for board in boards()])
def test_the_panels_of_a_dashboard_have_names_and_do_not_overlap(board):
    cells = [
        (place["x"] + column, place["y"] + row)
        for place in (panel["gridPos"] for panel in board["panels"])
        for column in range(place["w"])
        for row in range(place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24
    assert all(panel["title"] for panel in board["panels"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_dashboards_show_most_of_what_is_told():
    shown = {name for _, query in QUERIES for name in metrics_of(query)}

    # What a page of either has no place for.
    assert set(METRICS) - shown == {
        "mlops_champion_since_timestamp_seconds",
        "mlops_challenger",
        "mlops_ledger_recorded_timestamp_seconds",
        "mlops_look_timestamp_seconds",
        "mlops_looks_total",
    }
