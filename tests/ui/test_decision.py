"""Why the policy decided: the answer of the page, asked over HTTP of a ledger that real looks filled."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_mlops.ledger import Ledger
from airflow_mlops.loop.choice import choose
from airflow_mlops.loop.explain import explain
from airflow_mlops.loop.signal import Signal
from tests.loop.past import START, WEEK, first_champion, signals
from tests.loop.test_policy import CALM, decided, weeks
from tests.loop.versions_past import COMMITTEE, past

NOW = START + 4 * WEEK


class Looks:
    """A model's ledger to which decisions are added as the monitor adds them."""

    def __init__(self, folder):
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db")

    def add(self, decision, found, *, shadow=None, run="monitor__1"):
        key = f"{found.now.isoformat()}:k"
        rows = {"rows": 4478, "start": "2013-03-20T00:00:00+00:00", "end": "2013-03-28T00:00:00+00:00"}
        facts = {"signals": key, "now": found.now.isoformat(), "champion_version": "1", "epoch": found.epoch}
        payloads = [("signals", {**found.to_dict(), "inputs": {"rows": rows, "labels": None}})]
        if shadow:
            payloads.append(("shadow_decision", {**shadow.to_dict(), **facts}))
        for kind, payload in [*payloads, ("decision", {**decision.to_dict(), **facts})]:
            self.ledger.append("m", kind, key, payload, at=found.now, run=run)
        return key

    def limits(self, week, loss):
        """Decide by the policy that has its limits and no rules."""
        found = signals(week, loss)
        return self.add(decided([*first_champion(), *weeks(*CALM)], found), found)


def by_rules(**changes):
    """Decide by a policy with rules."""
    found = past([0.5] * 10, age=1, **changes)
    return explain(choose(found, COMMITTEE), found, COMMITTEE)


@pytest.fixture
def looks(tmp_path):
    return Looks(tmp_path)


@pytest.fixture
def ask(looks):
    """Return a function that asks for the part of the page of model ``m``."""
    from airflow_mlops.ui.access import DagFacts, SeenModel, seen_model
    from airflow_mlops.ui.failures import answer_failures
    from airflow_mlops.ui.links import RunLink, Runs
    from airflow_mlops.ui.model import decision
    from airflow_mlops.ui.sources import open_ledger

    app = FastAPI()
    answer_failures(app)
    app.include_router(decision.router, prefix="/models/{name}")
    dags = (DagFacts("m_monitor", "monitor", (), ()),)
    known = SimpleNamespace(
        find=lambda run, *kinds: RunLink(dag_id=f"m_{kinds[0]}", run_id=run) if run == "monitor__1" else None
    )
    app.dependency_overrides = {
        seen_model: lambda: SeenModel("m", dags),
        open_ledger: lambda: looks.ledger,
        Runs: lambda: known,
    }
    client = TestClient(app)

    def get(**params):
        answer = client.get("/models/m/decision", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    get.raw = lambda **params: client.get("/models/m/decision", params=params)
    return get


def test_before_the_first_look_there_is_no_decision(ask):
    assert ask() == {"decision": None, "run": None}


def test_the_last_decision_is_told_with_reasons_and_what_would_have_changed_it(ask, looks):
    looks.limits(3, 0.5)
    looks.limits(4, 0.5)
    found = ask()["decision"]

    assert (found["action"], found["at"], found["champion_version"]) == ("nothing", "2013-03-29T05:00:00Z", "1")
    assert found["reasons"][0].startswith("version 1 has lost no more than a fresh model would have")
    assert found["counterfactual"].startswith("A next window with a loss above 0.9")
    assert (found["rows"], found["data_check"]) == (4478, "passed")


def test_one_steps_through_decisions_and_ends_at_both_ends(ask, looks):
    keys = [looks.limits(week, 0.5) for week in (2, 3, 4)]
    beside = [(each["older"], each["newer"]) for each in (ask(key=key)["decision"] for key in keys)]

    assert beside == [(None, keys[1]), (keys[0], keys[2]), (keys[1], None)]


def test_a_key_that_no_decision_has_is_not_found(ask, looks):
    looks.limits(4, 0.5)
    answer = ask.raw(key="nowhere")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "m has no decision 'nowhere'; it may be of another ledger."


def test_a_policy_with_limits_shows_them_as_a_rule(ask, looks):
    looks.limits(4, 0.5)
    train, warn = ask()["decision"]["trees"]

    assert (train["title"], train["is_written"], train["root"]["value"]) == ("When to train", False, False)
    assert warn["title"] == "When to warn"
    [either, free] = train["root"]["of"]
    assert (either["says"], free["value"]) == ("at least one of", True)


def test_a_policy_with_rules_shows_the_value_of_every_node(ask, looks):
    looks.add(by_rules(), signals(4, 0.5))
    found = ask()["decision"]
    asks, rest = found["trees"][0]["root"]["of"]

    assert found["trees"][0]["is_written"]
    assert [(each["says"], each["value"]) for each in asks["of"]] == [
        ("excess loss at least 1 times a fresh loss", False),
        ("relative age at least 0.4", False),
        ("age at least 30 windows", False),
    ]
    assert (rest["says"], rest["now"], rest["needs"]) == ("age at least 2 windows", 1.0, 1.0)


def test_every_reading_has_a_title_a_unit_and_its_interval(ask, looks):
    measured = {"data_drift": Signal("data_drift", 0.25, "watch", 0.1, 0.4, 900, limit=0.5, detail="temp moved")}
    looks.add(by_rules(), signals(4, 0.5, measured=measured))
    found = {each["name"]: each for each in ask()["decision"]["readings"]}

    drift, age = found["data_drift"], found["age"]
    assert (drift["title"], drift["unit"], drift["verdict"]) == ("data drift", "share", "watch")
    assert (drift["low"], drift["high"], drift["limit"], drift["rows"]) == (0.1, 0.4, 0.5, 900)
    # An age is a fact for rules: there is nothing to have a verdict on.
    assert (age["value"], age["unit"], age["verdict"]) == (1.0, "windows", None)


def test_a_quality_is_in_its_metric_and_a_data_check_in_words(ask, looks):
    measured = {
        "quality": Signal("quality", 0.6, "unknown", detail="no level yet"),
        "data_quality": Signal("data_quality", 0.5, "watch", limit=1.0, detail="nulls"),
    }
    looks.add(by_rules(measured=measured), signals(4, 0.5, measured=measured))
    found = {each["name"]: each for each in ask()["decision"]["readings"]}

    assert (found["quality"]["unit"], found["quality"]["verdict"]) == ("log_loss", "not enough data")
    assert found["data_quality"]["said"] == "warning"


def test_members_are_named_by_the_version_that_has_them_alone(ask, looks):
    looks.ledger.append("m", "register", "d1", {"id": "id1", "digest": "d1", "version": "1"}, at=START)
    whole = {"id": "id2", "digest": "d2", "version": "2", "members": {"id1": 1.0}}
    looks.ledger.append("m", "register", "d2", whole, at=START)
    chosen = by_rules(pool=("id1", "id3"), of_pool=[[0.5] * 10, [0.1] * 10], serving="id1")
    looks.add(chosen, signals(4, 0.5))
    weights = ask()["decision"]["weights"]

    assert {each["model_id"]: each["version"] for each in weights} == {"id1": "1", "id3": None}
    assert sum(each["weight"] for each in weights) == pytest.approx(1)
    assert weights[0]["weight"] >= weights[-1]["weight"]


def test_the_shadow_is_told_with_how_often_both_would_have_trained(ask, looks):
    calm, losing = [*first_champion(), *weeks(*CALM)], [*first_champion(), *weeks(*CALM, 0.7, 0.7)]
    nothing, retrain = decided(calm, signals(4, 0.5)), decided(losing, signals(6, 0.7))
    for week, (live, shadow) in enumerate(
        [(retrain, retrain), (retrain, nothing), (nothing, retrain), (nothing, retrain), (nothing, nothing)], start=4
    ):
        looks.add(live, signals(week, 0.5), shadow=shadow)
    shadow = ask()["decision"]["shadow"]

    assert (shadow["action"], shadow["trees"][0]["is_written"]) == ("nothing", False)
    assert shadow["agreement"] == {"looks": 5, "both": 1, "only_live": 1, "only_shadow": 2, "neither": 1}


def test_looks_of_a_time_without_a_shadow_are_not_compared(ask, looks):
    calm = decided([*first_champion(), *weeks(*CALM)], signals(4, 0.5))
    looks.add(calm, signals(4, 0.5))
    looks.add(calm, signals(5, 0.5), shadow=calm)
    looks.add(calm, signals(6, 0.5), shadow=calm)

    assert ask()["decision"]["shadow"]["agreement"]["looks"] == 2


def test_the_run_that_decided_is_linked_while_airflow_has_it(ask, looks):
    calm = decided([*first_champion(), *weeks(*CALM)], signals(4, 0.5))
    looks.add(calm, signals(4, 0.5))
    assert ask()["run"] == {"dag_id": "m_monitor", "run_id": "monitor__1"}

    looks.add(calm, signals(5, 0.5), run="gone")
    assert ask()["run"] is None


def test_a_decision_of_an_older_release_is_told_without_what_it_lacks(ask, looks):
    payload = {"action": "retrain", "reasons": ["it is time"], "counterfactual": "", "epoch": 1}
    looks.ledger.append("m", "decision", "old", payload, at=NOW - timedelta(days=400))
    found = ask()["decision"]

    assert (found["action"], found["readings"], found["data_check"]) == ("retrain", [], None)


@pytest.mark.parametrize(
    "key",
    ["", "'; drop table mlops_ledger_events; --", "%00", "\U0001f600" * 100],
    ids=["empty", "sql", "percent", "smiles"],
)
def test_a_strange_key_is_not_found(ask, looks, key):
    looks.limits(4, 0.5)

    assert ask.raw(key=key).status_code == 404


@pytest.mark.parametrize("key", ["k" * 501, "a\x00b"], ids=["too long", "a zero"])
def test_a_key_that_none_can_have_is_refused(ask, key):
    assert ask.raw(key=key).status_code == 422
