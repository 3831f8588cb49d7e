"""Error budgets and traffic on a model's page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.errors import ServerUnavailable
from airflow_mlops.ledger import Ledger
from airflow_mlops.lifecycle.server_status import Answered, ServedModel, ServerStatus
from airflow_mlops.loop.slo import Count, budget_of
from airflow_mlops.ui import model_servers
from airflow_mlops.ui.model import budgets, traffic
from airflow_mlops.ui.model_servers import ModelServers, Said
from tests.conftest import utc
from tests.ui.parts import MODEL, asker

MARCH = utc("2013-03-01T05:00:00")
WEEK = timedelta(days=7)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def ask(ledger, store):
    return asker(budgets, ledger=ledger, store=store)


@pytest.fixture
def ask_traffic(ledger, store, airflow_db):
    return asker(traffic, ledger=ledger, store=store)


def look(ledger, week, *, bad, requests=None):
    """Put a look on record: 100 requests a week, some of them bad, and freshness that has one count."""
    now = MARCH + week * WEEK
    counts = {"latency": Count(now, 100 - bad, bad), "freshness": Count(now, 1, 0)}
    found = [budget_of(name, [each], target=0.9, period=4 * WEEK, now=now) for name, each in counts.items()]
    payload = {"objectives": [each.to_dict() for each in found], "requests": requests}
    ledger.append(MODEL, "slo", f"look {week}", payload, at=now)


def test_the_worst_objective_is_first_with_its_alerts_and_its_past(ask, ledger):
    look(ledger, 0, bad=2)
    look(ledger, 1, bad=30)

    answer = ask("budgets")

    first, second = answer["objectives"]
    assert (first["objective"], first["state"], second["state"]) == ("latency", "spent", "unknown")
    assert [each["state"] for each in first["history"]] == ["ok", "spent"]
    assert [(each["kind"], each["is_on"]) for each in first["burns"]] == [
        ("page", False),
        ("page", False),
        ("ticket", True),
    ]
    assert first["sentence"].startswith("latency: 70.00% good of 100")


def test_how_things_stand_is_said_by_the_latest_event_time(ask, ledger):
    look(ledger, 1, bad=30)
    look(ledger, 0, bad=2)

    assert ask("budgets")["objectives"][0]["state"] == "spent"


def test_a_late_run_is_told_beside_the_objectives(ask, ledger):
    ledger.append(MODEL, "slo", "late:x", {"late": "flights_retrain", "limit": "2h"}, at=MARCH)

    answer = ask("budgets")

    assert answer["objectives"] == []
    assert [each["sentence"] for each in answer["late"]] == [
        "A run of flights_retrain takes longer than the 2h promised."
    ]


def test_where_nothing_is_on_record_nothing_is_promised(ask):
    assert ask("budgets") == {"at": None, "objectives": [], "promised": [], "promised_at": None, "late": []}


@pytest.fixture
def trained(ledger, store):
    """Put a training on record, with the spec that it kept."""

    def train(spec):
        folder = store.uri(MODEL, "models", "m1")
        store.complete(folder, {"spec": spec})
        ledger.append(MODEL, "train", "m1", {"uri": folder}, at=MARCH)

    return train


def test_what_the_spec_promises_is_told_before_it_is_measured(ask, ledger, trained):
    trained('{"slo": {"freshness": {"limit": "2d", "target": 0.95}, "latency": {"limit_ms": 20, "target": 0.99}}}')

    freshness, latency = ask("budgets")["promised"]

    assert freshness == {"objective": "freshness", "target": 0.95, "limit": "2d"}
    assert (latency["target"], latency["limit"]) == (0.99, "20 ms")

    look(ledger, 1, bad=2)

    assert ask("budgets")["promised"] == []


@pytest.mark.parametrize("spec", ["{}", '{"slo": null}', "no JSON"])
def test_a_spec_that_promises_nothing_or_is_damaged_leaves_the_page(ask, trained, spec):
    trained(spec)

    answer = ask("budgets")

    assert (answer["promised"], answer["promised_at"] is None) == ([], spec == "no JSON")


def test_each_version_has_its_predictions_and_its_trial(ask_traffic, ledger):
    quality = {"rows": 10, "labelled": 9, "by_version": {"2": {"rows": 4}, "10": {"rows": 5}}}
    ledger.append(MODEL, "signals", "look", {"quality": quality}, at=MARCH)
    ledger.append(MODEL, "score", "batch", {"version": "2", "rows": 7}, at=MARCH)
    ledger.append(MODEL, "deploy", "2@1:servable", {"version": "2", "report": {"latency_ms": 3.5}}, at=MARCH)
    ledger.append(MODEL, "deploy", "2@1:done", {"version": "2"}, at=MARCH)

    newest, older = ask_traffic("traffic")["versions"]

    assert (newest["version"], newest["labelled"], newest["trial_ms"]) == ("10", 5, None)
    assert (older["version"], older["labelled"], older["batch_rows"], older["trial_ms"]) == ("2", 4, 7, 3.5)


def test_requests_are_counted_between_looks_and_anew_after_a_restart(ask_traffic, ledger):
    counted = [("a", 100, 2), ("a", 250, 5), ("b", 40, 1)]
    for week, (since, total, slow) in enumerate(counted):
        look(ledger, week, bad=0, requests={"since": since, "total": total, "slow": slow})

    answered = ask_traffic("traffic")["answered"]

    assert [(each["requests"], each["slow"]) for each in answered] == [(100, 2), (150, 3), (40, 1)]


def test_windows_say_who_answered_and_batches_who_scored(ask_traffic, ledger):
    quality = {"rows": 50, "labelled": 40, "by_version": {"2": {"rows": 30}, "1": {"rows": 10}}}
    ledger.append(MODEL, "signals", "1", {"quality": quality}, at=MARCH)
    ledger.append(MODEL, "signals", "2", {"quality": None}, at=MARCH + WEEK)
    ledger.append(MODEL, "score", "b", {"version": "2", "rows": 7}, at=MARCH)

    answer = ask_traffic("traffic")

    assert [(each["predictions"], each["by_version"]) for each in answer["windows"]] == [(50, {"1": 10, "2": 30})]
    assert [(each["version"], each["rows"]) for each in answer["batches"]] == [("2", 7)]
    assert answer["champion"] is None


def test_a_server_says_what_it_has_counted_of_the_version_that_answers(ask_traffic, monkeypatch):
    counted = Answered("2026-01-01T00:00:00+00:00", 100, 1, 0, ((0.01, 60), (0.1, 97), (1.0, 99)))
    status = ServerStatus("1", "ok", {MODEL: ServedModel("2", 4, None, (), counted)})
    said = [
        Said("main", status, None),
        Said("idle", ServerStatus("1", "ok", {}), None),
        Said("away", None, "it is away"),
    ]
    monkeypatch.setattr(traffic._servers, "ask", lambda conn_ids: said)

    main, away = ask_traffic("traffic/servers")["servers"]

    assert (main["version"], main["requests"], main["failed"]) == ("2", 100, 1)
    assert (main["p50_s"], main["p95_s"], main["p99_s"]) == (0.01, 0.1, 1.0)
    assert (away["connection"], away["trouble"], away["requests"]) == ("away", "it is away", None)


def test_a_server_is_asked_once_for_several_readers(monkeypatch):
    asked = []

    def answer(conn_id):
        asked.append(conn_id)
        return Said(conn_id, None, "away")

    monkeypatch.setattr(model_servers, "_ask", answer)
    servers = ModelServers()

    assert servers.ask(["a", "b"]) == servers.ask(["b", "a"])
    assert sorted(asked) == ["a", "b"]


def test_a_server_that_is_away_is_named_without_its_address(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_FARAWAY", "model-server://secret.invalid:1")

    def away(self):
        raise ServerUnavailable(f"{self.name} cannot be reached")

    monkeypatch.setattr("airflow_mlops.lifecycle.server_client.ServerClient.status", away)

    (said,) = ModelServers().ask(["faraway", "no_such_connection"])

    assert said.trouble == "the model server of connection 'faraway' cannot be reached"


def test_a_quantile_beyond_the_counted_times_is_not_guessed():
    counted = Answered("x", 10, 0, 0, ((0.1, 5), (1.0, 9)))

    assert [counted.time_within(share) for share in (0.5, 0.9, 0.99)] == [0.1, 1.0, None]
    assert Answered("x", 0, 0, 0, ((0.1, 0),)).time_within(0.5) is None
