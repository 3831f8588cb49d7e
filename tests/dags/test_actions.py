"""The actions DAG: one form, one task for each action; and the DAGs that only some specs have."""

from __future__ import annotations

import json

import pytest
import yaml
from airflow.sdk.exceptions import ParamValidationError

from airflow_mlops.dag_factory import actions_dag, dags_from, retrain_dag
from airflow_mlops.dag_factory.actions import ACTIONS, POLICIES
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.override import override_of
from airflow_mlops.spec import load_spec
from tests.conftest import ROOT

SPEC = yaml.safe_load((ROOT / "dags" / "specs" / "flights.yaml").read_text())


@pytest.fixture
def write(tmp_path):
    """Write a spec file: the flights with sections changed."""

    def spec_file(**sections):
        path = tmp_path / "flights.yaml"
        path.write_text(yaml.safe_dump({**SPEC, **sections}))
        return path

    return spec_file


def test_there_is_one_task_for_each_action_of_the_form(write):
    dag = actions_dag(write())

    assert dag.params.get_param("action").schema["enum"] == list(ACTIONS)
    assert dag.get_task("choose").downstream_task_ids == {action.replace(" ", "_") for action in ACTIONS}
    assert dag.max_active_runs == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("reason", ""), ("reason", "  "), ("reason", None), ("action", "drop"), ("scope", "loop")],
)
def test_the_form_refuses_what_is_no_answer(write, field, value):
    with pytest.raises(ParamValidationError):
        actions_dag(write()).params.get_param(field).resolve(value)


def test_what_the_form_says_reaches_the_task_with_who_asked(write):
    class Run:
        triggering_user_name = "ada"

    dag = actions_dag(write())
    said = {
        "params": {"version": " v3", "to": "2", "reason": 'it is "wrong"', "scope": "promotions", "now": None},
        "dag_run": Run,
    }
    for task_id in ("roll_back", "freeze", "retrain"):
        dag.get_task(task_id).render_template_fields({**said, "params": {**said["params"], "now": "2013-03-01"}})

    back, freeze = dag.get_task("roll_back"), dag.get_task("freeze")
    assert (back.of_version, back.to, back.reason, back.by) == ("3", "2", 'it is "wrong"', "ada")
    assert (freeze.scope, freeze.version, freeze.frozen) == ("promotions", "3", True)
    assert json.loads(dag.get_task("retrain").conf) == {"reason": 'ada: it is "wrong"', "now": "2013-03-01"}


def test_a_drill_and_a_reproduction_by_the_clock_and_a_bake_are_made_where_the_spec_has_them(write):
    path = write(
        drill={"schedule": "0 6 * * 1"}, reproduce={"schedule": "@weekly"}, deploy={**SPEC["deploy"], "bake": {}}
    )

    dags = dags_from(path.parent)

    assert {"flights_drill", "flights_reproduce", "flights_bake"} <= set(dags)
    assert dags["flights_drill"].timetable.expression == "0 6 * * 1"


def test_pausing_by_the_form_is_on_record(write, airflow_home, airflow_db):
    run = actions_dag(write()).test(
        logical_date=None, run_conf={"action": "pause", "reason": "a holiday", "now": "2013-03-01T05:00:00+00:00"}
    )

    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    assert states.pop("choose") == states.pop("pause") == "success"
    assert set(states.values()) == {"skipped"}
    paused = Ledger(f"sqlite:///{airflow_home / 'artifacts' / 'ledger.db'}").state("flights").paused
    assert paused.reason == "a holiday"


def test_a_policy_may_be_chosen_only_where_one_is_in_shadow(write):
    retrain = {**SPEC["retrain"], "shadow": {"kind": "committee"}}

    dag = actions_dag(write(retrain=retrain))

    assert dag.params.get_param("action").schema["enum"] == [*ACTIONS, *POLICIES]
    assert {action.replace(" ", "_") for action in POLICIES} < dag.get_task("choose").downstream_task_ids
    assert "use shadow policy" not in actions_dag(write()).params.get_param("action").schema["enum"]


def test_the_form_tells_which_policies_the_spec_has_now(write):
    told = actions_dag(write(retrain={**SPEC["retrain"], "shadow": {"kind": "committee"}})).params.get_param("action")
    other = actions_dag(write(retrain={**SPEC["retrain"], "shadow": {"kind": "single"}})).params.get_param("action")

    policies = told.schema["policies"]
    assert (policies["own"]["weighs"], policies["shadow"]) == (False, {"kind": "committee", "weighs": True})
    assert policies["retrain"] != other.schema["policies"]["retrain"]
    assert "policies" not in actions_dag(write()).params.get_param("action").schema


def test_having_the_shadow_decide_by_the_form_is_on_record(write, airflow_home, airflow_db):
    path = write(retrain={**SPEC["retrain"], "shadow": {"kind": "committee"}})

    run = actions_dag(path).test(
        logical_date=None,
        run_conf={"action": "use shadow policy", "reason": "right for a month", "now": "2013-03-01T05:00:00+00:00"},
    )

    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    assert states.pop("choose") == states.pop("use_shadow_policy") == "success"
    assert set(states.values()) == {"skipped"}
    state = Ledger(f"sqlite:///{airflow_home / 'artifacts' / 'ledger.db'}").state("flights")
    assert override_of(state, load_spec(path)).reason == "right for a month"


def test_a_policy_in_shadow_that_weighs_versions_finds_the_tasks_it_would_need(write):
    dag = retrain_dag(write(retrain={**SPEC["retrain"], "shadow": {"kind": "committee"}}))

    assert "weigh" in dag.task_ids
