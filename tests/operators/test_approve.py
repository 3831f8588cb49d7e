"""A version goes on by itself, or waits for a person who answers over Airflow's REST API."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from mlflow import MlflowClient

from airflow_mlops.errors import ApprovalMissing
from airflow_mlops.hooks.mlflow import MlflowHook
from airflow_mlops.operators.approve import ApproveOperator
from airflow_mlops.operators.deploy import DeployOperator
from airflow_mlops.operators.links import MlflowRunLink
from airflow_mlops.operators.register import RegisterOperator
from airflow_mlops.spec.control_sections import ApprovalSpec
from airflow_mlops.spec.notify_section import NotifySpec
from tests.operators.conftest import NOW


@pytest.fixture
def spec(spec):
    return spec.model_copy(update={"approval": ApprovalSpec(needs=["first_version"], approvers=["ann"])})


@pytest.fixture
def evaluation(evaluation):
    return {**evaluation, "risks": ["every_change", "first_version"]}


@pytest.fixture
def model(run, model, evaluation):
    """The model, registered."""
    return run(RegisterOperator, model=model, evaluation=evaluation)[0]


@pytest.fixture
def asked(monkeypatch):
    """What Airflow is told to ask; nothing is parked."""
    questions = []
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **question: questions.append(question)
    )
    return questions


@pytest.fixture
def ask(spec, model, evaluation, store, asked):
    """Ask, and give a function that answers."""

    def approve(**arguments):
        made = ApproveOperator(
            task_id="approve", now=NOW, artifacts_uri=store.root, model=model, evaluation=evaluation,
            **{"spec": spec, "ask": "", **arguments},
        )  # fmt: skip
        context = {"run_id": "manual__1", "task_instance": SimpleNamespace(id="t1")}
        with pytest.raises(TaskAwaitingInput):
            made.execute(context)

        def answer(option, reason, user="ann"):
            event = {
                "chosen_options": [option],
                "params_input": {"reason": reason},
                "responded_at": made.moment,
                "responded_by_user": user and {"id": user, "name": user},
            }
            return made.execute_complete(context, event)

        return answer

    return approve


def tags(tmp_path):
    return MlflowClient(f"sqlite:///{tmp_path}/m/mlflow.db").get_model_version("flights", "1").tags


def test_a_person_reads_the_evidence_and_what_they_say_is_kept_on_the_version(ask, asked, ledger, tmp_path):
    approved = ask()("Approve", "seen")

    question = asked[0]
    assert (question["subject"], question["options"]) == ("May version 1 of flights serve?", ["Approve", "Reject"])
    assert question["assigned_users"] == [{"id": "ann", "name": "ann"}]
    assert question["defaults"] == ["Reject"]
    assert "nothing has served before it" in question["body"]
    assert (approved["answer"], approved["by"], approved["reason"]) == ("approved", ["ann"], "seen")
    assert [event.payload["answer"] for event in ledger.events("flights", kind="approval")] == ["asked", "approved"]
    assert (tags(tmp_path)["mlops.approval"], tags(tmp_path)["mlops.approved_by"]) == ("approved", "ann")


def test_the_same_is_not_asked_twice_and_deploys(ask, asked, run, model, evaluation):
    approved = ask()("Approve", "seen")

    again, _ = run(ApproveOperator, run_id="manual__2", model=model, evaluation=evaluation, ask="True")

    assert again == approved
    assert len(asked) == 1
    assert run(DeployOperator, model=model, evaluation=evaluation)[0]["promoted"]


def test_its_buttons_are_there_where_nobody_is_asked_again(ask, run, model, evaluation, monkeypatch):
    monkeypatch.setattr(MlflowHook, "pages", "https://mlflow.example")
    reported = {**evaluation, "html_uri": "file:///reports/evaluate/1/report.html"}
    ask()("Approve", "seen")

    _, made = run(ApproveOperator, run_id="manual__2", model=model, evaluation=reported)

    address = MlflowRunLink().get_link(made, ti_key=None)
    assert address.startswith("https://mlflow.example/#/experiments/")
    assert address.endswith(f"/runs/{model['mlflow_run_id']}")
    assert made.report_uri == reported["html_uri"]


def test_a_rejection_is_found_again_and_skips(ask, run, model, evaluation, ledger):
    assert ask()("Reject", "too risky")["answer"] == "rejected"

    with pytest.raises(AirflowSkipException, match="version 1 was rejected by ann: too risky"):
        run(ApproveOperator, run_id="manual__2", model=model, evaluation=evaluation)
    with pytest.raises(ApprovalMissing, match="was rejected by ann"):
        run(DeployOperator, model=model, evaluation=evaluation)
    assert ledger.state("flights").champion is None


def test_without_a_reason_the_task_fails_and_asks_again(ask, asked, ledger):
    with pytest.raises(ApprovalMissing, match="without a reason"):
        ask()("Approve", " ")

    assert ask()("Approve", "now with one")["answer"] == "approved"
    assert len(asked) == 2


def test_what_the_spec_asks_nobody_for_does_not_wait(run, model, evaluation, asked, tmp_path):
    plain = {**evaluation, "risks": ["every_change"]}

    found, _ = run(ApproveOperator, model=model, evaluation=plain, ask="")

    assert (found["answer"], found["by"], asked) == ("automatic", [], [])
    assert tags(tmp_path)["mlops.approval"] == "automatic"


def test_the_form_of_the_run_gives_no_reason_for_the_answer(ask, asked):
    ask(params={"reason": "why the run was started"})

    assert asked[0]["params"]["reason"]["value"] == ""


# Over REST


@pytest.fixture
def patch_answer(airflow_db):
    """Answer the waiting task of a DAG as a user, over the API that the UI uses."""
    from airflow.api_fastapi.app import create_app, get_auth_manager, purge_cached_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    purge_cached_app()
    client = TestClient(create_app(apps="core"))

    def answer(dag_id: str, body: dict, *users: str) -> list[int]:
        statuses = []
        for user in users:
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=user, role="ADMIN"))
            headers = {"Authorization": f"Bearer {token}"}
            path = _waiting(client, dag_id, headers)
            statuses.append(client.patch(path, json=body, headers=headers).status_code)
        return statuses

    yield answer
    purge_cached_app()


def _waiting(client, dag_id: str, headers: dict) -> str:
    """Return where the answer to a DAG's parked task goes, as soon as it is parked."""
    for _ in range(600):
        params = {"state": "awaiting_input"}
        found = client.get(f"/api/v2/dags/{dag_id}/dagRuns/~/hitlDetails", params=params, headers=headers).json()
        if found.get("hitl_details"):
            task = found["hitl_details"][0]["task_instance"]
            run = f"/api/v2/dags/{dag_id}/dagRuns/{task['dag_run_id']}"
            return f"{run}/taskInstances/{task['task_id']}/-1/hitlDetails"
        time.sleep(0.1)
    raise AssertionError(f"no task of {dag_id} waits for a person")


ASKS = """
import json
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_mlops.operators.approve import ApproveOperator
from airflow_mlops.spec import ModelSpec

said = json.loads(Path(__file__).with_name("said.json").read_text())
with DAG("asks_somebody", schedule=None):
    spec = ModelSpec.model_validate(said.pop("spec"))
    ApproveOperator(task_id="approve", spec=spec, ask="", **said) >> EmptyOperator(task_id="deploy")
"""


@pytest.fixture
def dag(airflow_db, spec, model, evaluation, store, tmp_path, monkeypatch):
    """A DAG that asks, in a bundle of its own: Airflow tests only what it can read from a file."""
    from airflow.dag_processing.dagbag import DagBag

    folder = tmp_path / "bundle"
    folder.mkdir()
    said = {"spec": spec.model_dump(mode="json", by_alias=True), "model": model, "evaluation": evaluation}
    (folder / "said.json").write_text(json.dumps({**said, "now": NOW, "artifacts_uri": store.root}))
    (folder / "asks.py").write_text(ASKS)
    local = "airflow.dag_processing.bundles.local.LocalDagBundle"
    bundle = {"name": "asks", "classpath": local, "kwargs": {"path": str(folder)}}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    return DagBag(dag_folder=str(folder)).dags["asks_somebody"]


def test_only_those_who_are_named_may_answer_over_rest_and_a_rejection_skips_the_deploy(dag, ledger, patch_answer):
    codes = []
    body = {"chosen_options": ["Reject"], "params_input": {"reason": "not before the summer"}}
    person = threading.Thread(target=lambda: codes.extend(patch_answer(dag.dag_id, body, "bob", "ann")))
    person.start()
    done = dag.test()
    person.join()

    states = {task.task_id: str(task.state) for task in done.get_task_instances()}
    assert codes == [403, 200]
    assert (str(done.state), states) == ("success", {"approve": "success", "deploy": "skipped"})
    rejected = ledger.events("flights", kind="approval")[-1].payload
    assert (rejected["answer"], rejected["by"], rejected["reason"]) == ("rejected", ["ann"], "not before the summer")


def telling(spec, folder):
    arguments = {"path": str(folder / "said"), "title": "{{ title }}", "text": "{{ text }}"}
    target = {"notifier": "tests.operators.test_notify.FileNotifier", "arguments": arguments}
    return spec.model_copy(update={"notify": NotifySpec.model_validate({"targets": {"team": target}})})


def test_the_question_is_told_with_its_evidence_and_a_notifier_that_fails_keeps_nobody_from_being_asked(
    ask, asked, spec, tmp_path, ledger
):
    ask(spec=telling(spec, tmp_path / "no" / "folder"))
    assert (len(asked), ledger.events("flights", kind="notice")) == (1, [])

    ask(spec=telling(spec, tmp_path))

    [[title, text, _]] = map(json.loads, (tmp_path / "said").read_text().splitlines())
    assert title == "flights: a person's approval is asked for"
    assert "may version 1 serve? Asked for first_version" in text
    assert "may answer: ann" in text
