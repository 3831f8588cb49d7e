"""What every operator inherits: who retries what, what is logged, who may open a report, and links."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from airflow.sdk import conf

from airflow_mlops.errors import DataCheckFailed, MissingExtra, SpecError
from airflow_mlops.extras import require
from airflow_mlops.hooks.ledger import LedgerHook
from airflow_mlops.operators.base import RETRY_POLICY
from airflow_mlops.operators.links import DataDocsLink, DriftReportLink, MlflowRunLink
from airflow_mlops.report_access import readable_uri

BUNDLE = Path(__file__).parent / "bundle"
PAGE = "flights/reports/validate/0123abcd/report.html"
CONTEXT = {"run_id": "manual__1"}


@pytest.fixture
def configured(store, monkeypatch):
    """Make the test's store the one that Airflow's configuration names, and ours the only DAGs."""
    bundle = {
        "name": "stages",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(BUNDLE)},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    monkeypatch.setenv("AIRFLOW__MLOPS__ARTIFACTS_URI", store.uri())
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/")
    return store


@pytest.fixture(scope="module")
def dags():
    """The DAGs of the bundle, by what they raise."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(BUNDLE))
    assert not bag.import_errors
    return {dag_id.removeprefix("raises_"): dag for dag_id, dag in bag.dags.items()}


@pytest.fixture
def check(dags, configured):
    """An operator that stores a report."""
    return dags["nothing"].get_task("check").prepare_for_execution()


def run(dag):
    """Run a DAG of one task and return its task instance."""
    [task_instance] = dag.test().get_task_instances()
    return task_instance


# Who retries what


@pytest.mark.parametrize(
    ("kind", "state", "tries"),
    [("nothing", "success", 1), ("permanent", "failed", 1), ("transient", "failed", 2), ("unknown", "failed", 2)],
)
def test_only_a_permanent_error_fails_with_tries_left(airflow_db, configured, dags, kind, state, tries):
    task_instance = run(dags[kind])

    assert (task_instance.state, task_instance.try_number, task_instance.max_tries) == (state, tries, 1)


def test_the_scheduler_gets_the_policy_as_plain_data():
    rules = RETRY_POLICY.serialize()["rules"]

    assert [(rule["exception"], rule["action"]) for rule in rules] == [
        ("airflow_mlops.errors.Permanent", "fail"),
        ("airflow.sdk.exceptions.AirflowNotFoundException", "fail"),
    ]


def test_an_error_is_logged_as_one_sentence(check, capsys):
    check.error = DataCheckFailed("12 rows have no carrier; mend the source.")

    with pytest.raises(DataCheckFailed):
        check.execute(CONTEXT)

    [line] = [line for line in capsys.readouterr().out.splitlines() if "[error" in line]
    assert "validate failed: 12 rows have no carrier; mend the source." in line


def test_a_spec_that_cannot_be_read_is_logged_the_same_way(check, capsys, tmp_path):
    check.spec = str(tmp_path / "none.yaml")

    with pytest.raises(SpecError):
        check.execute(CONTEXT)

    assert "validate failed: " in capsys.readouterr().out


def test_the_same_event_is_recorded_once(check):
    check.execute(CONTEXT)
    check.execute({"run_id": "manual__2"})

    events = LedgerHook().ledger.events("flights", kind="validate")
    assert [event.run for event in events] == ["manual__1"]


# Reports and links


@pytest.mark.parametrize("error", [None, DataCheckFailed("no.")], ids=["passed", "failed"])
def test_a_report_is_opened_by_readers_of_the_dag_that_made_it(check, configured, error):
    check.error = error
    with suppress(DataCheckFailed):
        check.execute(CONTEXT)

    assert readable_uri(configured, "raises_nothing", PAGE) == check.report_uri
    assert readable_uri(configured, "raises_permanent", PAGE) is None


def test_a_link_leads_to_the_plugins_route(check):
    check.execute(CONTEXT)

    address = "https://airflow.example.com/team/mlops/reports/raises_nothing/" + PAGE
    assert DataDocsLink().get_link(check, ti_key=None) == address
    assert DriftReportLink().get_link(check, ti_key=None) == address


def test_airflow_shows_the_link_of_a_task_that_ended(airflow_db, configured, dags):
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    done = run(dags["permanent"])

    with create_session() as session:
        [value] = session.scalars(
            XComModel.get_many(key=DataDocsLink().xcom_key, run_id=done.run_id, dag_ids=done.dag_id).with_only_columns(
                XComModel.value
            )
        )
    assert value.strip('"') == "https://airflow.example.com/team/mlops/reports/raises_permanent/" + PAGE


def test_a_link_without_a_report_is_empty(check):
    assert DataDocsLink().get_link(check, ti_key=None) == ""
    assert MlflowRunLink().get_link(check, ti_key=None) == ""


def test_a_link_into_a_store_that_the_api_server_does_not_know_is_empty(check, tmp_path):
    check.artifacts_uri = str(tmp_path / "elsewhere")

    check.execute(CONTEXT)

    assert check.report_uri.endswith("report.html")
    assert DataDocsLink().get_link(check, ti_key=None) == ""


def test_a_link_to_mlflow_is_what_the_stage_left(check):
    check.mlflow_run_url = "https://mlflow.example.com/#/experiments/1/runs/2"

    assert MlflowRunLink().get_link(check, ti_key=None) == check.mlflow_run_url


# Configuration and extras


def test_without_configuration_artifacts_are_kept_in_airflows_home(check, monkeypatch):
    from airflow.configuration import AIRFLOW_HOME

    monkeypatch.delenv("AIRFLOW__MLOPS__ARTIFACTS_URI")

    assert not conf.get("mlops", "artifacts_uri", fallback="")
    assert check.store.root == str(Path(AIRFLOW_HOME, "mlops"))


def test_a_missing_library_is_named_with_the_extra_that_brings_it():
    require("json", extra="drift", needed_by="drift")

    with pytest.raises(MissingExtra, match=r"^drift needs Evidently, .* airflow-provider-mlops\[drift\]\.$"):
        require("no_such_library", library="Evidently", extra="drift", needed_by="drift")
