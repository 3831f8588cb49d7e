"""The head and the course of a model's page, asked over HTTP of a ledger that was written in sight."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_mlops.artifacts import ArtifactStore
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle import timeline
from tests.loop.past import START, WEEK, signals
from tests.loop.test_incidents import look

DAGS = {"monitor": "m_monitor", "retrain": "m_retrain"}
SNAPSHOT = {"start": "2013-01-01T00:00:00+00:00", "end": "2013-02-28T00:00:00+00:00"}


class Written:
    """A model's ledger that is written week by week."""

    def __init__(self, folder):
        self.path = folder / "ledger.db"
        self.store = ArtifactStore.local(folder)
        self.ledger = Ledger(f"sqlite:///{self.path}")

    def append(self, week, kind, payload, *, key=None, run=None):
        return self.ledger.append("m", kind, key or f"{kind}{week}", payload, at=START + week * WEEK, run=run)

    def look(self, week, loss=None, **facts):
        found = signals(week, loss, **facts)
        return self.append(week, "signals", found.to_dict())

    def measured(self, week, **verdicts):
        return self.append(week, "signals", look(week, **verdicts).payload)

    def promote(self, week, version, *, run=None, **facts):
        epoch = self.ledger.state("m").epoch
        uri = self.store.uri("m", "models", version)
        self.store.complete(uri, {"spec": '{"description": "How late?"}'})
        features = {"rows": 900, "window": "all", "snapshots": [SNAPSHOT]}
        model = {"id": f"id{version}", "version": version, "uri": uri, "estimator": "linear", "features": features}
        payload = {"version": version, "model": model, "cause": "retrain", **facts}
        at = START + week * WEEK
        return self.ledger.promote("m", version, expected_epoch=epoch, payload=payload, at=at, run=run)


@pytest.fixture
def written(tmp_path):
    return Written(tmp_path)


@pytest.fixture
def ask(written):
    """Return a function that asks for a part of the page of model ``m``."""
    from airflow_mlops.ui.access import DagFacts, SeenModel, seen_model
    from airflow_mlops.ui.failures import answer_failures
    from airflow_mlops.ui.model import head, timeline
    from airflow_mlops.ui.sources import open_ledger, open_store

    dags = tuple(
        DagFacts(dag_id, kind, ("ann",), ("mlops", kind, "demo"), is_paused=kind == "retrain")
        for kind, dag_id in DAGS.items()
    )
    app = FastAPI()
    answer_failures(app)
    for part in (head, timeline):
        app.include_router(part.router, prefix="/models/{name}")
    app.dependency_overrides = {
        seen_model: lambda: SeenModel("m", dags),
        open_ledger: lambda: written.ledger,
        open_store: lambda: written.store,
    }
    client = TestClient(app)

    def get(part="", **params):
        return client.get(f"/models/m{part}", params=params)

    return get


def course(ask, **params):
    answer = ask("/timeline", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


# The course


def test_a_model_without_an_event_has_an_empty_course(ask):
    found = course(ask)

    assert (found["quality"], found["versions"], found["incidents"], found["looks"]) == ([], [], [], 0)
    assert (found["metric"], found["first"], found["told_from"]) == (None, None, None)


def test_each_window_has_its_loss_with_interval_labels_and_versions(ask, written):
    written.look(1, 0.5, labels=300)
    [window] = course(ask)["quality"]

    assert (window["metric"], window["value"], window["labelled"], window["rows"]) == ("log_loss", 0.5, 300, 600)
    assert (window["maturity"], window["low"]) == (0.5, None)
    assert window["versions"] == [{"version": "1", "loss": 0.5, "rows": 300}]


def test_of_a_window_that_was_measured_again_the_last_measurement_is_drawn(ask, written):
    first = signals(1, 0.5)
    written.look(1, 0.5)
    written.append(2, "signals", {**signals(2, 0.6).to_dict(), "reopened": [signals(1, 0.7).quality.to_dict()]})
    found = course(ask)["quality"]

    assert [window["value"] for window in found] == [0.7, 0.6]
    assert datetime.fromisoformat(found[0]["end"]) == first.quality.end


def test_windows_of_another_metric_are_left_out_and_named(ask, written):
    other = signals(1, 0.2).to_dict()
    written.append(1, "signals", {**other, "quality": {**other["quality"], "metric": "brier"}})
    written.look(2, 0.5)
    found = course(ask)

    assert (found["metric"], found["other_metrics"]) == ("log_loss", ["brier"])
    assert [window["value"] for window in found["quality"]] == [0.5]


def test_a_look_of_another_form_draws_no_point(ask, written):
    written.append(1, "signals", {"quality": {"loss": 0.5}, "measured": {"data_drift": {"value": 1.0}}})
    found = course(ask)

    assert (found["looks"], found["quality"], found["drift"]) == (1, [], [])


def test_drift_is_told_look_by_look(ask, written):
    written.measured(1, data_drift="stable", prediction_drift="watch")
    written.measured(2, data_drift="drifted")
    found = course(ask)

    assert [each["verdict"] for each in found["drift"]] == ["stable", "drifted"]
    assert [each["verdict"] for each in found["answers"]] == ["watch"]
    assert [(each["kind"], each["end"]) for each in found["incidents"]] == [("drift", None)]


def test_versions_follow_each_other_and_a_rollback_is_marked(ask, written):
    written.promote(0, "1")
    written.promote(1, "2")
    written.promote(2, "1", cause="rollback", rollback={"replaced": "2", "by": "bob", "reason": "worse"})
    found = course(ask)

    assert [(each["version"], each["is_back"], each["by"]) for each in found["versions"]] == [
        ("1", False, None),
        ("2", False, None),
        ("1", True, "bob"),
    ]
    assert found["versions"][-1]["until"] is None
    assert [each["kind"] for each in found["marks"]] == ["promoted", "promoted", "rolled back"]


def test_a_drill_interrupts_no_version(ask, written):
    written.promote(0, "1")
    written.promote(1, "2")
    written.promote(2, "1", cause="drill")
    written.promote(2, "2", cause="drill")
    written.append(2, "drill", {"version": "1", "verdict": "held"})
    found = course(ask)

    assert [each["version"] for each in found["versions"]] == ["1", "2"]
    assert found["marks"][-1]["sentence"] == "a rollback to version 1 was rehearsed: held"
    assert ask().json()["serving"]["since"] == "2013-03-08T05:00:00Z"


def test_a_range_has_what_happened_in_it_and_what_lasted_into_it(ask, written):
    written.promote(0, "1")
    for week, verdict in enumerate(["drifted", "drifted", "stable", "drifted", "stable"], 1):
        written.measured(week, data_drift=verdict)
    whole, part = course(ask), course(ask, start=(START + 2 * WEEK).isoformat(), end=(START + 4 * WEEK).isoformat())

    assert (len(whole["drift"]), len(part["drift"])) == (5, 3)
    assert [each["id"] for each in whole["incidents"]] == [each["id"] for each in part["incidents"]]
    assert part["incidents"][-1]["end"] is None
    assert [each["version"] for each in part["versions"]] == ["1"]
    assert part["marks"] == []


def test_of_many_looks_some_are_drawn_and_it_is_said(ask, written, monkeypatch):
    monkeypatch.setattr(timeline, "MOST_POINTS", 4)
    monkeypatch.setattr(timeline, "MOST_LOOKS", 5)
    for week in range(12):
        written.measured(week, data_drift="drifted" if week in (1, 9) else "stable")
    found = course(ask)

    assert found["looks"] == 12
    assert found["shown"] == len(found["drift"]) < 7
    assert "drifted" in [each["verdict"] for each in found["drift"]]
    assert [each["kind"] for each in found["incidents"]] == ["drift"]
    assert datetime.fromisoformat(found["told_from"]) == START + 7 * WEEK
    assert datetime.fromisoformat(found["drift"][-1]["at"]) == START + 11 * WEEK


@pytest.mark.parametrize(
    "start",
    ["yesterday", "2013-03-01", "2013-03-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00"],
)
def test_a_moment_that_is_none_is_refused(ask, start):
    assert ask("/timeline", start=start).status_code == 422


def test_a_ledger_that_was_cut_is_said_and_not_drawn(ask, written):
    for week in range(3):
        written.look(week, 0.5)
    with sqlite3.connect(written.path) as database:
        database.execute("DELETE FROM mlops_ledger_events WHERE seq = 3")

    for part in ("", "/timeline"):
        answer = ask(part)
        assert (answer.status_code, answer.json()["away"]) == (503, "ledger")
        assert "ledger of m" in answer.json()["detail"]


# The head


def test_a_model_that_never_served_has_a_head(ask):
    found = ask().json()

    assert (found["serving"], found["state"], found["description"]) == (None, "no champion", None)
    assert (found["dags"], found["switched_off"], found["owners"]) == (DAGS, ["retrain"], ["ann"])


def test_the_head_says_what_serves_since_when_why_and_by_whose_word(ask, written):
    written.append(1, "request", {"cause": "decision", "reason": "it lost too much"}, run="r")
    answer = {"version": "1", "evaluation": "e", "answer": "approved", "by": ["bob"], "reason": "seen"}
    written.append(1, "approval", answer, key="1:e")
    written.promote(1, "1", run="r", evaluation={"id": "e"})
    found = ask().json()

    serving = found["serving"]
    assert (serving["version"], serving["since"], serving["reason"]) == (
        "1",
        "2013-03-08T05:00:00Z",
        "it lost too much",
    )
    assert serving["approval"] == {"answer": "approved", "by": ["bob"], "reason": "seen"}
    assert (serving["trained"]["rows"], serving["trained"]["end"]) == (900, "2013-02-28T00:00:00Z")
    assert found["description"] == "How late?"


def test_the_head_stands_where_the_store_has_lost_what_serves(ask, written):
    written.promote(1, "1")
    written.store.delete(written.store.uri("m", "models", "1"))

    assert ask().json()["description"] is None


def test_a_server_that_has_not_followed_yet_is_told_of(ask, written):
    written.append(1, "deploy", {"version": "1", "expected_epoch": 0, "outcome": "prepared"}, key="prepared")
    written.promote(1, "1")
    assert not ask().json()["serving"]["is_settled"]

    written.append(1, "deploy", {"version": "1", "expected_epoch": 0, "outcome": "done", "epoch": 1}, key="done")
    assert ask().json()["serving"]["is_settled"]


def test_what_is_held_says_by_whom_and_why(ask, written):
    written.promote(1, "1")
    for scope in ("loop", "promotions"):
        payload = {"scope": scope, "version": None, "frozen": True, "by": "ann", "reason": "the audit"}
        written.append(2, "freeze", payload, key=scope)
    found = ask().json()

    assert found["paused"] == {"by": "ann", "reason": "the audit", "since": "2013-03-15T05:00:00Z"}
    assert found["promotions_frozen"]["by"] == "ann"
    assert found["state"] == "paused"
