"""The list of models, asked over HTTP of a ledger and of rows of Airflow's database that were written in sight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_mlops.ledger import Ledger
from airflow_mlops.overview import STATES
from tests.ledger.places import tamper

MARCH = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SOON = datetime(2030, 1, 1, 6, tzinfo=UTC)
KINDS = ("retrain", "monitor", "score")
OWNERS = {"alpha": "ann", "beta": "ann, ben", "gamma": "ben", "delta": "cem", "unborn": "cem"}


class Airflow:
    """What Airflow would say: whose DAGs somebody may read."""

    def __init__(self):
        self.permitted = set()

    def filter_authorized_dag_ids(self, *, dag_ids, **_):
        return dag_ids & self.permitted


def write_dags(session):
    """Put the DAGs of the models, and one that belongs to none, where Airflow has them after it parsed their files."""
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel

    session.merge(DagBundleModel(name="list"))
    session.flush()
    for model, owners in OWNERS.items():
        for kind in KINDS:
            dag_id = f"{model}_{kind}"
            coming = None if kind == "score" else SOON + (kind == "retrain") * DAY
            session.add(
                DagModel(
                    dag_id=dag_id, bundle_name="list", is_stale=False, is_paused=model == "delta", owners=owners,
                    next_dagrun_create_after=coming,
                )
            )  # fmt: skip
            tags = ("mlops", kind, *(["model:gamma"] if model == "unborn" and kind == "score" else []))
            session.add_all(DagTag(dag_id=dag_id, name=tag) for tag in (*tags, f"area {model[0]}"))
    session.add(DagModel(dag_id="cleanup", bundle_name="list", is_stale=False, owners="ann"))


@pytest.fixture(scope="module")
def airflow(airflow_db):
    """Airflow's database with the DAGs, which are gone afterwards."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        write_dags(session)
    yield Airflow()
    with create_session() as session:
        session.execute(delete(DagModel).where(DagModel.bundle_name == "list"))
        session.execute(delete(DagBundleModel).where(DagBundleModel.name == "list"))


@pytest.fixture
def ledger(tmp_path):
    """Four models with a past: alpha is well, beta has spent its budget, gamma waits, delta is paused."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    for number, (model, loss) in enumerate([("alpha", 0.3), ("beta", 0.9), ("gamma", 0.5), ("delta", 0.6)]):
        at = MARCH + number * DAY
        ledger.promote(model, "1", expected_epoch=0, payload={"cause": "retrain"}, at=at)
        window = {"end": at.isoformat(), "loss": loss, "metric": "log_loss", "maturity": 0.9}
        measured = {"quality": {"limit": 0.8}, "data_drift": {"value": loss / 2, "limit": 0.5}}
        ledger.append(model, "signals", "s", {"quality": window, "measured": measured}, at=at)
        ledger.append(model, "decision", "d", {"action": "nothing", "reasons": [f"{model} holds"]}, at=at)
    spent = {"objective": "quality", "left": -0.2, "state": "spent"}
    ledger.append("beta", "slo", "b", {"objectives": [spent]}, at=MARCH)
    ledger.append("gamma", "approval", "2:e:asked", {"version": "2", "answer": "asked"}, at=MARCH)
    held = {"scope": "loop", "frozen": True, "by": "ada", "reason": "an audit"}
    ledger.append("delta", "freeze", "loop", held, at=MARCH)
    return ledger


@pytest.fixture
def ask(airflow, ledger, monkeypatch):
    """Return a function that asks for the list as somebody who may read every DAG, or those named."""
    from airflow.api_fastapi.core_api.security import get_user

    from airflow_mlops.ui import access, models
    from airflow_mlops.ui.sources import open_ledger

    monkeypatch.setattr(access, "get_auth_manager", lambda: airflow)
    app = FastAPI()
    app.include_router(models.router)
    app.dependency_overrides = {get_user: lambda: None, open_ledger: lambda: ledger}
    client = TestClient(app)
    everything = {f"{model}_{kind}" for model in OWNERS for kind in KINDS}

    def answer(query="", *, permitted=everything):
        airflow.permitted = permitted
        found = client.get(f"/models{query}")
        return found.json() if found.status_code == 200 else found.status_code

    return answer


def names(answer):
    return [row["name"] for row in answer["models"]]


def test_those_who_need_a_person_come_first_and_are_counted(ask):
    found = ask()

    assert names(found) == ["gamma", "beta", "delta", "unborn", "alpha"]
    assert [row["state"] for row in found["models"]] == [
        *("needs approval", "budget spent", "paused", "no champion", "healthy")
    ]
    assert found["needs_person"] == 2
    assert sum(found["states"].values()) == found["total"] == 5
    assert found["owners"] == ["ann", "ben", "cem"]


def test_a_row_says_what_serves_and_what_was_seen_last(ask):
    [row] = ask("?q=alpha")["models"]

    assert row["serving"] == {"version": "1", "since": "2013-03-01T00:00:00Z", "cause": "retrain"}
    assert row["quality"] == {
        "metric": "log_loss", "limit": 0.8, "at": ["2013-03-01T00:00:00+00:00"], "values": [0.3],
    }  # fmt: skip
    assert row["drift"]["values"] == [0.15]
    assert (row["decision"]["sentence"], row["why"]) == ("alpha holds", "alpha holds")
    assert (row["owners"], row["tags"], row["maturity"]["share"]) == (["ann"], ["area a"], 0.9)
    assert row["next_run"] == {"at": "2030-01-01T06:00:00Z", "kind": "monitor", "dag_id": "alpha_monitor"}


def test_a_paused_dag_runs_no_more(ask):
    assert [row["next_run"] for row in ask("?q=delta")["models"]] == [None]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["alpha", "beta", "delta", "gamma", "unborn"]),
        ("since", ["alpha", "beta", "gamma", "delta", "unborn"]),
        ("quality", ["alpha", "gamma", "delta", "beta", "unborn"]),
        ("drift", ["alpha", "gamma", "delta", "beta", "unborn"]),
        ("budget", ["beta", "alpha", "delta", "gamma", "unborn"]),
        ("decision", ["alpha", "beta", "gamma", "delta", "unborn"]),
    ],
)
def test_rows_are_sorted_and_those_without_a_value_come_last_both_ways(ask, sort, expected):
    valued = 1 if sort == "budget" else 5 if sort == "name" else 4

    assert names(ask(f"?sort={sort}")) == expected
    assert names(ask(f"?sort={sort}&descending=true")) == [*reversed(expected[:valued]), *expected[valued:]]


def test_filters_are_applied_together_and_the_states_are_counted_without_theirs(ask):
    found = ask("?owner=ann&state=healthy&state=paused")

    assert names(found) == ["alpha"]
    assert found["states"] == {"healthy": 1, "budget spent": 1}
    assert names(ask("?q=BEN")) == ["gamma", "beta"]
    assert names(ask("?tag=area%20b")) == ["beta"]
    assert names(ask("?q=%25")) == []


def test_pages_do_not_overlap_and_end(ask):
    pages = [ask(f"?sort=name&limit=2&offset={offset}") for offset in (0, 2, 4, 6)]

    assert [names(page) for page in pages] == [["alpha", "beta"], ["delta", "gamma"], ["unborn"], []]
    assert {page["total"] for page in pages} == {5}


@pytest.mark.parametrize("query", ["limit=201", "limit=0", "offset=-1", "sort=x", "state=x", f"q={'x' * 201}"])
def test_what_is_out_of_bounds_is_refused(ask, query):
    assert ask(f"?{query}") == 422


def test_a_permission_counts_at_once(ask):
    ask()

    assert names(ask(permitted={"alpha_monitor", "cleanup"})) == ["alpha"]
    assert names(ask(permitted={"unborn_score"})) == ["unborn"]
    assert ask(permitted=set())["total"] == 0
    assert ask(permitted=set())["owners"] == []


def test_a_new_dag_counts_at_once(ask, airflow):
    from airflow.models.dag import DagModel, DagTag
    from airflow.utils.session import create_session

    ask()
    with create_session() as session:
        session.add(DagModel(dag_id="by_hand", bundle_name="list", is_stale=False, owners="dan"))
        session.flush()
        session.add(DagTag(dag_id="by_hand", name="model:epsilon"))

    found = ask(permitted={"by_hand"})

    assert names(found) == ["epsilon"]
    # What says whose DAG it is, is no tag of the model.
    assert (found["models"][0]["tags"], found["tags"]) == ([], [])


def test_a_ledger_out_of_order_is_said_in_its_row_and_the_others_stay(ask, ledger):
    tamper(ledger, "DELETE FROM mlops_ledger_events WHERE model = 'alpha' AND seq = 3")
    found = ask()

    assert (found["models"][0]["name"], found["models"][0]["state"]) == ("alpha", "out of order")
    assert found["models"][0]["why"].startswith("the ledger of alpha was cut")
    assert found["total"] == 5


def test_the_api_names_every_state():
    from airflow_mlops.ui.rows import State

    assert get_args(State) == STATES


class Listening(Airflow):
    """Hears which DAGs somebody's permission is asked for, and of which team."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def filter_authorized_dag_ids(self, *, dag_ids, team_name, **_):
        self.asked.append((team_name, dag_ids))
        return dag_ids


def test_a_models_page_asks_for_permission_to_its_own_dags_alone(airflow, monkeypatch):
    from airflow.utils.session import create_session

    from airflow_mlops.ui import access

    listening = Listening()
    monkeypatch.setattr(access, "get_auth_manager", lambda: listening)
    with create_session() as session:
        seen = access.seen_model("alpha", None, session)
        of_dag = access.model_of_dag("alpha_score", None, session)

    own = {f"alpha_{kind}" for kind in KINDS}
    assert listening.asked == [(None, own), (None, own)]
    assert seen == of_dag
    assert {dag.dag_id for dag in seen.dags} == own


def test_permission_is_asked_by_team(airflow, monkeypatch):
    from airflow.models.team import Team
    from airflow.utils.session import create_session
    from sqlalchemy import text

    from airflow_mlops.ui import access, dag_models

    listening = Listening()
    monkeypatch.setattr(access, "get_auth_manager", lambda: listening)
    monkeypatch.setattr(access, "_ALL", dag_models.DagModels())
    with create_session() as session:
        session.add(Team(name="payments"))
        session.flush()
        session.execute(text("INSERT INTO dag_bundle_team VALUES ('list', 'payments')"))
        session.flush()
        access.readable_dags(None, session)
        session.rollback()

    # Airflow's database may hold DAGs of other tests too, which are of no team.
    assert [team for team, asked in listening.asked if "alpha_score" in asked] == ["payments"]
