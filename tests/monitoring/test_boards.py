"""Dashboards keep to the schema that Grafana publishes (kinds/dashboard/dashboard_kind.cue of its repository)."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from airflow_mlops.lifecycle.metrics.listed import METRICS
from tests.monitoring.queries import boards, metrics_of, panels

BOARDS = pytest.mark.parametrize("board", boards(), ids=[board["uid"] for board in boards()])
PANELS = pytest.mark.parametrize(
    ("board", "panel"),
    [(board, panel) for board in boards() for panel in panels(board)],
    ids=[f"{board['uid']}: {panel['title']} {panel['id']}" for board in boards() for panel in panels(board)],
)
# Of Grafana's own panels and units, those that are used here.
KINDS = {"stat", "table", "timeseries", "state-timeline"}
UNITS = {"none", "short", "s", "percentunit", "string"}
BUILT_IN = {"__rate_interval", "__interval", "__value"}
# From Grafana 10.3 on; later ones bring older dashboards up to date when they read them.
SCHEMA = 39


@BOARDS
def test_a_dashboard_has_what_the_schema_asks_for(board):
    assert board["schemaVersion"] == SCHEMA
    assert re.fullmatch(r"[a-z-]{8,40}", board["uid"])
    assert (board["graphTooltip"] in (0, 1, 2), board["editable"], board["timezone"]) == (True, True, "browser")
    assert re.fullmatch(r"now-\d+[mhdw]", board["time"]["from"])
    assert board["time"]["to"] == "now"
    assert re.fullmatch(r"\d+[smhd]", board["refresh"])
    # Numbers of one Grafana, which another one would take for its own.
    assert "id" not in board


@BOARDS
def test_rows_stand_above_their_panels_and_hold_none_while_they_are_open(board):
    for row in (panel for panel in board["panels"] if panel["type"] == "row"):
        assert (row["collapsed"], row["panels"]) == (False, [])
        assert row["gridPos"].items() >= {"x": 0, "w": 24, "h": 1}.items()
    places = [panel["gridPos"] for panel in board["panels"]]
    assert places == sorted(places, key=lambda place: (place["y"], place["x"]))


@BOARDS
def test_links_lead_to_dashboards_that_there_are(board):
    known = {f"/d/{each['uid']}" for each in boards()}
    overrides = [each for panel in panels(board) for each in panel["fieldConfig"]["overrides"]]
    values = [value for each in overrides for value in each["properties"] if value["id"] == "links"]
    inside = [link for value in values for link in value["value"]]

    for link in [*board["links"], *inside]:
        assert link["url"].partition("?")[0] in known
        assert link["title"]


@PANELS
def test_a_panel_is_of_a_kind_that_grafana_has_on_its_grid(board, panel):
    place = panel["gridPos"]

    assert panel["type"] in KINDS
    assert isinstance(panel["id"], int)
    assert all(isinstance(place[name], int) for name in "hwxy")
    assert min(place["h"], place["w"]) > 0
    assert place["x"] + place["w"] <= 24


@PANELS
def test_a_panel_has_a_unit_that_grafana_knows_and_steps_in_order(board, panel):
    defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
    units = [value["value"] for each in overrides for value in each["properties"] if value["id"] == "unit"]

    assert {defaults["unit"], *units} <= UNITS
    steps = [step["value"] for step in defaults.get("thresholds", {"steps": []})["steps"]]
    assert steps[1:] == sorted(steps[1:])
    assert steps[:1] in ([], [None])
    assert {mapping["type"] for mapping in defaults.get("mappings", ())} <= {"value"}


@PANELS
def test_a_query_names_only_variables_that_there_are_and_its_legend_only_labels(board, panel):
    variables = {variable["name"] for variable in board["templating"]["list"]} | BUILT_IN
    names = [target["refId"] for target in panel["targets"]]

    assert len(names) == len(set(names))
    for target in panel["targets"]:
        assert set(re.findall(r"\$\{?(\w+)", target["expr"])) <= variables
        grouped = re.search(r"by \(([\w, ]+)\)", target["expr"])
        labels = {"instance", *chain.from_iterable(METRICS[name].labels for name in metrics_of(target["expr"]))}
        kept = set(grouped[1].split(", ")) if grouped else labels
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


@PANELS
def test_whoever_reads_a_drawing_can_tell_its_lines_apart(board, panel):
    by_name = panel["type"] != "stat" or panel["options"]["textMode"] == "name"
    legends = [target["legendFormat"] for target in panel["targets"]]

    if panel["type"] != "table" and by_name:
        assert all(legends)
        assert len(legends) == len(set(legends))


@PANELS
def test_an_override_is_of_a_line_or_column_that_there_is(board, panel):
    organized = [each["options"] for each in panel.get("transformations", ()) if each["id"] == "organize"]
    columns = {name for options in organized for name in options["renameByName"].values()}
    known = {target["legendFormat"] for target in panel["targets"]} | columns

    for override in panel["fieldConfig"]["overrides"]:
        assert override["matcher"]["id"] == "byName"
        assert override["matcher"]["options"] in known


def test_columns_of_the_table_of_models_are_joined_by_the_model_alone():
    [table] = [panel for board in boards() for panel in panels(board) if panel["type"] == "table"]
    join, pick, name = table["transformations"]
    labels = [re.match(r"\w+ by \(([\w, ]+)\)", target["expr"])[1].split(", ") for target in table["targets"]]
    columns = [label for each in labels for label in each if label != "model"]

    assert (join["id"], join["options"]["byField"]) == ("joinByField", "model")
    # Grafana numbers columns of the same name, and a number is no name to pick them by.
    assert len(columns) == len(set(columns))
    fields = {"model", *columns, *(f"Value #{target['refId']}" for target in table["targets"])}
    picked = {field for field in fields if re.search(pick["options"]["include"]["pattern"], field)}
    assert picked == set(name["options"]["renameByName"])
    assert {target["format"] for target in table["targets"]} == {"table"}
