"""What people read on Airflow's own pages of a DAG: its page, its names, its form, its assets."""

from __future__ import annotations

import pytest
import yaml

from airflow_mlops import dag_factory
from airflow_mlops.spec import ModelSpec, load_spec
from tests.conftest import ROOT

KINDS = ("retrain", "monitor", "score", "actions", "bake", "drill", "ingest", "reproduce", "backtest")


@pytest.fixture(scope="module")
def dags(tmp_path_factory):
    """Every DAG of a spec that has all of them, by kind."""
    spec = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())
    spec["name"] = "trains"
    spec["ingest"].update(schedule="@daily", part="1d")
    spec["reproduce"], spec["drill"] = {"schedule": "@weekly"}, {"schedule": "@monthly"}
    spec["deploy"]["bake"] = spec["deploy"].get("bake") or {}
    file = tmp_path_factory.mktemp("specs") / "trains.yaml"
    file.write_text(yaml.safe_dump(spec))
    return {kind: getattr(dag_factory, f"{kind}_dag")(file) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_what_the_dag_does_where_its_spec_is_and_what_to_do_at_night(dags, kind):
    title, *_, help_at_night = dags[kind].doc_md.split("\n## ")

    assert title.startswith("# ")
    assert len(title) > 100
    assert "Owner: **airline-science**" in " ".join(title.split())
    for part in ("/plugin/models/trains)", "/dags/trains_actions)", "*resume*", "**airline-science**", "`trains.yaml`"):
        assert part in help_at_night


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_names_no_folder_of_a_machine(dags, kind):
    assert str(ROOT) not in dags[kind].doc_md
    assert str(load_spec(ROOT / "dags" / "specs" / "flights.yaml").base_dir) not in dags[kind].doc_md
    assert "{" not in dags[kind].doc_md


def test_the_night_help_is_the_same_on_every_page(dags):
    assert len({dag.doc_md.split("\n## At three")[1] for dag in dags.values()}) == 1


def test_links_hold_where_airflow_lies_below_a_path(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.com/team/airflow/")

    page = dag_factory.retrain_dag(ROOT / "dags" / "specs" / "flights.yaml").doc_md

    assert "(/team/airflow/plugin/models/flights)" in page
    assert "(/team/airflow/dags/flights_actions)" in page


def test_a_spec_made_in_python_has_no_file_to_name():
    spec = ModelSpec.model_validate(yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text()))

    assert spec.file_name == ""
    assert "This DAG is made from a spec." in dag_factory.score_dag(spec).doc_md


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_form_has_a_title_and_says_what_it_is_for(dags, kind):
    for name in dags[kind].params:
        field = dags[kind].params.get_param(name)
        assert field.schema.get("title"), name
        assert (field.description or "").endswith("."), name


@pytest.mark.parametrize("kind", KINDS)
def test_dags_and_tasks_are_shown_by_names_for_people(dags, kind):
    dag = dags[kind]

    assert dag.dag_display_name == f"trains: {kind}"
    assert dag.description
    for task in dag.tasks:
        assert task.task_display_name[0].isupper(), task.task_id
        assert "_" not in task.task_display_name, task.task_id


def test_the_assets_tell_the_loop(dags):
    """Monitor rings retrain, retrain makes a champion, and what breaks rings the bake."""

    def rings(kind: str) -> set[str]:
        return {outlet.name for task in dags[kind].tasks for outlet in task.outlets}

    def waits(kind: str) -> set[str]:
        condition = getattr(dags[kind].timetable, "asset_condition", None)
        return {asset.name for asset in getattr(condition, "objects", [condition]) if asset is not None}

    assert rings("monitor") >= {"trains/decision"}
    assert waits("retrain") == {"trains/retrain"}
    assert rings("retrain") == {"trains/snapshot", "trains/champion"}
    assert waits("bake") == {"trains/champion", "trains/rollback"}
