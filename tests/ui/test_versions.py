"""The versions of a model and their evidence, asked over HTTP of a ledger and a store written in sight."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.ledger import Ledger
from airflow_mlops.report_access import admit
from tests.loop.test_gate_record import CHAMPION, full

START = datetime(2013, 3, 1, 5, tzinfo=UTC)
SNAPSHOT = {"id": "s1", "rows": 5000, "start": "2013-01-01T00:00:00+00:00", "end": "2013-03-01T00:00:00+00:00"}
APPROVED = {"answer": "approved", "by": ["ann"], "reason": "it beats the baseline", "risks": ["first_version"]}


class Made:
    """Versions that are trained, judged, registered and promoted as the retrain DAG does."""

    def __init__(self, folder):
        self.store = ArtifactStore.local(folder / "artifacts")
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        self.day = 0

    def record(self, kind, key, payload):
        self.ledger.append("m", kind, key, payload, at=START + timedelta(days=self.day), run=f"run{self.day}")

    def report(self, stage, name, file="report.html", content=b"<p>shown</p>", **report):
        uri = self.store.uri("m", "reports", stage, name)
        self.store.write_bytes(f"{uri}/{file}", content)
        if report:
            self.store.write_json(f"{uri}/report.json", report)
        self.store.complete(uri, {"id": name})
        return uri

    def judge(self, version, losses=CHAMPION * 0.9, *, registered=True, members=None, **facts):
        """Train, judge and, where it passed, register."""
        self.day += 1
        model = {
            "id": f"id{version}",
            "digest": f"d{version}",
            "estimator": "sklearn.linear_model.LogisticRegression",
            "serialization": "skops",
            "rows": 4000,
            "members": members or {},
            "correction": None,
            "features": {
                "window": "all",
                "now": START.isoformat(),
                "holdout_rows": 600,
                "holdout_start": "2013-02-15T00:00:00+00:00",
                "feature_names": ["temp", "carrier"],
                "snapshots": [SNAPSHOT],
            },
        }
        judged, report = full(losses)
        uri = self.report("evaluate", f"e{version}", **report)
        self.record("train", model["id"], {**model, "seconds": 4.8})
        places = {"id": f"e{version}", "model": model, "uri": uri, "html_uri": f"{uri}/report.html"}
        self.record("evaluate", f"e{version}", {**judged, **places, "trained_id": model["id"], **facts})
        if registered:
            names = {
                "version": version,
                "registered_name": "shop/m",
                "mlflow_run_id": "r1",
                "mlflow_experiment_id": "7",
            }
            card = self.report("card", f"{version}-first", "card.html")
            self.record("register", model["digest"], {**model, **names, "evaluation": f"e{version}", "card": card})
        return model

    def promote(self, version, model, **facts):
        self.day += 1
        epoch = self.ledger.state("m").epoch
        payload = {"version": version, "model": {**model, "version": version}, "cause": "retrain", **facts}
        at = START + timedelta(days=self.day)
        self.ledger.promote("m", version, expected_epoch=epoch, payload=payload, at=at)


@pytest.fixture
def made(tmp_path):
    made = Made(tmp_path)
    made.promote("1", made.judge("1"))
    return made


@pytest.fixture
def ask(made):
    """Return a function that asks for a part of the page of model ``m``, whose monitor and retrain DAGs are read."""
    from airflow_mlops.ui.access import DagFacts, SeenModel, seen_model
    from airflow_mlops.ui.failures import answer_failures
    from airflow_mlops.ui.links import RunLink, Runs, open_mlflow
    from airflow_mlops.ui.model import versions
    from airflow_mlops.ui.sources import open_ledger, open_store

    app = FastAPI()
    answer_failures(app)
    app.include_router(versions.router, prefix="/models/{name}")
    dags = tuple(DagFacts(f"m_{kind}", kind, (), ()) for kind in ("monitor", "retrain"))
    runs = SimpleNamespace(find=lambda run, *kinds: run and RunLink(dag_id=f"m_{kinds[0]}", run_id=run))
    get = SimpleNamespace(mlflow=None)
    app.dependency_overrides = {
        seen_model: lambda: SeenModel("m", dags),
        open_ledger: lambda: made.ledger,
        open_store: lambda: made.store,
        open_mlflow: lambda: get.mlflow,
        Runs: lambda: runs,
    }
    client = TestClient(app)

    def listed(**params):
        answer = client.get("/models/m/versions", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def one(version):
        answer = client.get(f"/models/m/versions/{version}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    get.listed, get.one, get.raw = listed, one, client.get
    return get


# The list


def test_versions_are_listed_the_newest_first_with_role_and_verdict(ask, made):
    made.judge("2")
    second, first = ask.listed()["versions"]

    assert (second["version"], second["role"], second["verdict"], second["services"]) == ("2", "candidate", "pass", 0)
    assert (first["version"], first["role"], first["made"], first["rows"]) == ("1", "champion", "trained", 4000)
    assert (first["since"], first["until"]) == ("2013-03-03T05:00:00Z", None)


def test_a_refused_challenger_is_listed_without_a_version(ask, made):
    made.judge("9", CHAMPION * 1.2, registered=False)
    refused, _ = ask.listed()["versions"]

    assert (refused["id"], refused["version"], refused["role"], refused["verdict"]) == ("e9", None, "refused", "fail")


def test_what_passed_and_was_not_registered_is_not_called_refused(ask, made):
    made.judge("9", registered=False)

    assert ask.listed()["versions"][0]["role"] == "judged"


def test_pages_do_not_overlap_and_count_all(ask, made):
    for version in "2345":
        made.judge(version)
    pages = [ask.listed(limit=2, offset=offset) for offset in (0, 2, 4, 6)]

    assert [[row["version"] for row in page["versions"]] for page in pages] == [["5", "4"], ["3", "2"], ["1"], []]
    assert {page["total"] for page in pages} == {5}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "limit=x", "offset=99999999999999999999"])
def test_pages_out_of_bounds_are_refused(ask, query):
    assert ask.raw(f"/models/m/versions?{query}").status_code == 422


def test_a_version_that_came_back_tells_its_last_service(ask, made):
    first = made.judge("2")
    made.promote("2", first)
    made.promote("1", {"id": "id1", "digest": "d1"}, cause="rollback", reason="it was slow", by="bob")
    [two, one] = ask.listed()["versions"]

    assert (one["services"], one["role"], one["until"]) == (2, "champion", None)
    assert (two["services"], two["role"], two["until"]) == (1, "retired", one["since"])


# One version


def test_a_version_tells_its_data_its_estimator_and_what_the_fit_took(ask):
    found = ask.one("1")["version"]

    assert found["data"] == [
        {"part": "rows", "snapshot": "s1", "rows": 5000, "start": SNAPSHOT["start"], "end": SNAPSHOT["end"]}
    ]
    assert (found["row"]["window"], found["holdout_rows"], found["training_s"]) == ("all", 600, 4.8)
    assert (found["row"]["estimator"], found["features"]) == (
        "sklearn.linear_model.LogisticRegression",
        ["temp", "carrier"],
    )


def test_a_version_tells_each_check_and_each_metric(ask):
    evidence = ask.one("1")["version"]["evidence"]

    assert (evidence["verdict"], evidence["metric"], evidence["rows"]) == ("pass", "log_loss", 600)
    assert [each["name"] for each in evidence["checks"]] == ["baseline", "champion"]
    assert [each["name"] for each in evidence["metrics"]] == ["log_loss", "accuracy"]
    assert evidence["is_whole"]


def test_the_evidence_outlives_its_report(ask, made):
    made.store.delete(made.store.uri("m", "reports", "evaluate", "e1"))
    answer = ask.one("1")

    assert not answer["version"]["evidence"]["is_whole"]
    assert [each["verdict"] for each in answer["version"]["evidence"]["checks"]] == ["pass", "pass"]


def test_a_refused_challenger_shows_why(ask, made):
    made.judge("9", CHAMPION * 1.2, registered=False)
    found = ask.one("e9")["version"]

    assert (found["row"]["role"], found["evidence"]["verdict"], found["approval"]) == ("refused", "fail", None)
    assert "it is not shown that the challenger is no worse" in found["evidence"]["reasons"][0]


def test_a_committee_tells_its_members_by_weight(ask, made):
    made.judge("2", members={"id1": 0.3, "never": 0.7})
    found = ask.one("2")["version"]

    assert found["row"]["made"] == "committee"
    assert found["members"] == [
        {"model_id": "never", "version": None, "weight": 0.7, "trained_at": None},
        {"model_id": "id1", "version": "1", "weight": 0.3, "trained_at": "2013-03-02T05:00:00Z"},
    ]


def test_the_last_answer_about_a_version_is_its_approval(ask, made):
    made.record("approval", "1:e1:asked", {"version": "1", "answer": "asked", "by": ["bob"], "reason": "by the form"})
    made.record("approval", "1:e1", {"version": "1", **APPROVED})
    made.record("approval", "11:e11", {"version": "11", "answer": "rejected", "by": ["eve"], "reason": "of another"})
    approval = ask.one("1")["version"]["approval"]

    assert {key: approval[key] for key in APPROVED} == APPROVED


def test_each_service_tells_why_and_by_whom(ask, made):
    made.promote("2", made.judge("2"))
    made.promote("1", {"id": "id1", "digest": "d1"}, cause="rollback", reason="it was slow", by="bob")
    first, again = ask.one("1")["version"]["service"]

    assert (first["epoch"], first["cause"]) == (1, "retrain")
    assert (again["epoch"], again["cause"], again["by"], again["until"]) == (3, "rollback", "bob", None)


def test_a_frozen_version_says_by_whom_and_why(ask, made):
    freeze = {"scope": "version", "version": "1", "frozen": True, "by": "ann", "reason": "wrong units"}
    made.record("freeze", "f1", freeze)
    found = ask.one("1")["version"]

    assert (found["frozen_by"], found["frozen_reason"]) == ("ann", "wrong units")


def test_an_adopted_version_is_told_with_the_little_that_is_known(ask, made):
    made.promote("7", {"id": "id7", "digest": "d7"}, cause="adopted")
    found = ask.one("7")["version"]

    assert (found["row"]["made"], found["evidence"], found["data"]) == ("adopted", None, [])


@pytest.mark.parametrize("version", ["99", "e1", "..", "%2e%2e%2fetc", "1;drop", "%F0%9F%98%80"])
def test_what_is_no_version_is_not_found(ask, version):
    assert ask.raw(f"/models/m/versions/{version}").status_code == 404


@pytest.mark.parametrize("version", ["v" * 201, "1%00"], ids=["too long", "a zero"])
def test_what_no_version_can_be_is_refused(ask, version):
    assert ask.raw(f"/models/m/versions/{version}").status_code == 422


# Links


def test_reports_are_linked_through_a_dag_that_worked_on_the_model(ask, made):
    assert ask.one("1")["reports"] == []

    admit(made.store, "m", "m_retrain")
    docs = made.report("validate", "v1")
    made.record("validate", "s1:content:reference", {"ref": {"html_uri": f"{docs}/report.html"}})
    links = {each["name"]: each["href"] for each in ask.one("1")["reports"]}

    assert links == {
        "Model card": "/mlops/reports/m_retrain/m/reports/card/1-first/card.html",
        "Evaluation report": "/mlops/reports/m_retrain/m/reports/evaluate/e1/report.html",
        "Data Docs of its rows": "/mlops/reports/m_retrain/m/reports/validate/v1/report.html",
    }


def test_a_report_that_is_gone_is_not_linked(ask, made):
    admit(made.store, "m", "m_retrain")
    made.store.delete(made.store.uri("m", "reports", "evaluate", "e1"))

    assert [each["name"] for each in ask.one("1")["reports"]] == ["Model card"]


def test_the_newest_card_is_linked_while_it_is_there(ask, made):
    from airflow_mlops.lifecycle.newest_card import name_newest

    admit(made.store, "m", "m_retrain")
    newest = made.report("card", "1-after-approval", "card.html")
    name_newest(made.store, "m", "1", f"{newest}/card.html")
    assert "1-after-approval" in ask.one("1")["reports"][0]["href"]

    made.store.delete(newest)
    assert "1-first" in ask.one("1")["reports"][0]["href"]


def test_nothing_outside_the_store_is_linked(ask, made, tmp_path):
    admit(made.store, "m", "m_retrain")
    made.judge("2", html_uri=f"file://{tmp_path}/elsewhere/m/reports/evaluate/e2/report.html")

    assert [each["name"] for each in ask.one("2")["reports"]] == ["Model card"]


def test_mlflow_is_linked_without_a_password(ask, monkeypatch):
    from airflow_mlops.hooks.mlflow import MlflowHook

    connection = {"conn_type": "mlflow", "host": "https://ann:secret@mlflow.example.com/base", "password": "secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(connection))
    ask.mlflow = MlflowHook()
    answer = ask.one("1")

    assert answer["mlflow"] == {
        "version": "https://mlflow.example.com/base/#/models/shop%2Fm/versions/1",
        "run": "https://mlflow.example.com/base/#/experiments/7/runs/r1",
    }
    assert "secret" not in json.dumps(answer)


@pytest.mark.parametrize(
    "connection",
    [
        None,
        {"conn_type": "mlflow", "host": "/data/mlflow.db"},
        {"conn_type": "mlflow"},
        {"conn_type": "mlflow", "host": "https://mlflow.example.com", "extra": {"ui_url": "javascript:alert(1)"}},
    ],
    ids=["none", "a file", "no host", "a script"],
)
def test_an_mlflow_without_pages_is_not_linked(monkeypatch, connection):
    from airflow_mlops.ui.links import open_mlflow

    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(connection))

    assert open_mlflow() is None


def test_a_version_names_the_run_that_made_it(ask):
    assert ask.one("1")["run"] == {"dag_id": "m_retrain", "run_id": "run1"}


def test_a_run_is_found_among_the_dags_that_the_user_may_read(airflow_db):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    from airflow_mlops.ui.access import DagFacts, SeenModel
    from airflow_mlops.ui.links import Runs

    dags = tuple(DagFacts(f"shoes_{kind}", kind, (), ()) for kind in ("monitor", "retrain"))
    with create_session() as session:
        for dag_id in ("shoes_retrain", "shoes_monitor", "shoes_secret"):
            session.add(DagRun(dag_id=dag_id, run_id="scheduled__2013", run_type=DagRunType.SCHEDULED))
        session.add(DagRun(dag_id="shoes_secret", run_id="manual__1", run_type=DagRunType.MANUAL))
        session.flush()
        runs = Runs(session, SeenModel("shoes", dags))
        found = [runs.find("scheduled__2013", kind) for kind in ("retrain", "monitor")]
        others = [runs.find(run, "monitor") for run in ("manual__1", "gone", None)]
        session.rollback()

    assert [each.dag_id for each in found] == ["shoes_retrain", "shoes_monitor"]
    assert others == [None, None, None]
